"""Packed rows against the samples they were made from, token by token."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import turnmill
from turnmill import PackedDataset, pack

DEMO = Path(turnmill.__file__).parent / "demo"
CHATS = [DEMO / "data" / name for name in ("messages.jsonl", "alpaca.jsonl", "sharegpt.json")]
TEXT = DEMO / "data" / "text.jsonl"
MASKED = -100


def prepared(place: Path, inputs: list[Path], **keys: Any) -> Path:
    recipe = turnmill.Recipe(tokenizer=DEMO / "tokenizer", **keys)
    turnmill.prepare(inputs, place, recipe, threads=1)
    return place


def samples_of(output: Path) -> list[dict[str, Any]]:
    if (output / "state.json").exists():
        data = datasets.load_from_disk(str(output))
    else:
        files = sorted(output.glob("data-*.parquet"), key=lambda path: _place(output, path))
        data = datasets.Dataset(pa.concat_tables([pa.parquet.read_table(path) for path in files]))
    return list(data.with_format("numpy"))


def _place(output: Path, path: Path) -> int:
    import json

    shards = json.loads((output / "turnmill.json").read_text("utf-8"))["shards"]
    return [shard["data"] for shard in shards].index(path.name)


COLUMNS = ["input_ids", "labels", "attention_mask", "length", "weights", "source"]


@pytest.fixture(scope="module", params=["arrow", "parquet"])
def chats(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("chats") / "out"
    return prepared(place, CHATS, format=request.param, columns=COLUMNS)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(tmp_path_factory.mktemp("texts") / "out", [TEXT], schema="text")


def segments(row: dict[str, Any], column: str) -> list[Any]:
    return np.split(row[column], np.cumsum(row["seq_lengths"])[:-1])


def first_masked(values: Any, fill: float) -> list[Any]:
    return [fill, *values.tolist()[1:]] if len(values) else []


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    length=st.integers(512, 4000),
    strategy=st.sampled_from(["best-fit", "global", "in-order", "none"]),
    window=st.integers(1, 300),
    seed=st.integers(0, 2**64 - 1),
    over_length=st.sampled_from(["alone", "reject"]),
)
def test_every_sample_stands_in_one_row_as_it_was(
    chats: Path, length: int, strategy: str, window: int, seed: int, over_length: str
) -> None:
    how = {"strategy": strategy, "window": window, "seed": seed, "over_length": over_length}
    made = pack(chats, length, write=True, overwrite=True, **how)
    samples = samples_of(chats)
    expected = [n for n, s in enumerate(samples) if over_length == "alone" or s["length"] <= length]
    rows = datasets.load_from_disk(str(made.path)).with_format("numpy")
    packed = PackedDataset(made.path, cu_seqlens=True)
    assert len(rows) == len(packed) == made.report.packs
    found = []
    for number, row in enumerate(rows):
        documents = packed.documents(number).tolist()
        found += documents
        assert sum(row["seq_lengths"]) == len(row["input_ids"])
        assert len(row["input_ids"]) <= length or len(documents) == 1
        for name, fill in (("input_ids", None), ("labels", MASKED), ("weights", 0.0)):
            parts = segments(row, name)
            for document, part in zip(documents, parts, strict=True):
                whole = samples[document][name]
                wanted = whole.tolist() if fill is None else first_masked(whole, fill)
                assert part.tolist() == wanted
        assert row["attention_mask"].tolist() == [1] * len(row["input_ids"])
        for part in segments(row, "position_ids"):
            assert part.tolist() == list(range(len(part)))
        compare_in_memory(packed[number], row)
    assert sorted(found) == expected
    if strategy == "in-order":
        assert found == expected
    # Chat samples start with a prompt: no trained label is lost.
    trained = sum(int((samples[n]["labels"] != MASKED).sum()) for n in expected)
    assert made.rows is not None
    assert made.rows["trained_tokens"] == trained
    assert made.rows["masked_first_labels"] == 0


def compare_in_memory(item: dict[str, Any], row: dict[str, Any]) -> None:
    """What PackedDataset gives is what is written, and its boundaries fit."""
    for name in ("input_ids", "labels", "weights", "position_ids", "seq_lengths"):
        assert item[name].tolist() == row[name].tolist()
        assert item[name].dtype == (np.float32 if name == "weights" else np.int32)
    assert item["cu_seqlens"].tolist() == [0, *np.cumsum(row["seq_lengths"]).tolist()]
    assert item["cu_seqlens"].dtype == np.int32
    assert item["max_seqlen"] == max(row["seq_lengths"])


@given(length=st.integers(1, 700))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_split_loses_nothing(texts: Path, length: int) -> None:
    made = pack(texts, length, strategy="split", write=True, overwrite=True)
    samples = samples_of(texts)
    rows = list(datasets.load_from_disk(str(made.path)).with_format("numpy"))
    packed = PackedDataset(made.path)
    together = np.concatenate([sample["input_ids"] for sample in samples])
    assert np.array_equal(np.concatenate([row["input_ids"] for row in rows]), together)
    assert all(len(row["input_ids"]) == length for row in rows[:-1])
    segment_count = 0
    for number, row in enumerate(rows):
        ids, labels = segments(row, "input_ids"), segments(row, "labels")
        for part, label in zip(ids, labels, strict=True):
            assert label.tolist() == first_masked(part, MASKED)
        segment_count += len(ids)
        assert np.array_equal(packed[number]["input_ids"], row["input_ids"])
    assert made.rows is not None
    assert made.rows["masked_first_labels"] == segment_count
    assert made.rows["trained_tokens"] == len(together) - segment_count
    assert made.report.documents == len(samples)


def test_a_packed_dataset_goes_into_other_processes(chats: Path) -> None:
    made = pack(chats, 4000, overwrite=True)
    packed = PackedDataset(made.path, position_ids=False)
    again = pickle.loads(pickle.dumps(packed))
    assert len(again) == len(packed)
    assert sorted(again[-1]) == ["input_ids", "labels", "seq_lengths", "weights"]
    assert np.array_equal(again[-1]["input_ids"], packed[len(packed) - 1]["input_ids"])


def test_numbers_beyond_the_end_are_index_errors(chats: Path) -> None:
    packed = PackedDataset(pack(chats, 4000, overwrite=True).path)
    with pytest.raises(IndexError):
        packed[len(packed)]
    with pytest.raises(IndexError):
        packed[-len(packed) - 1]
    assert len(list(packed)) == len(packed)  # iteration ends by IndexError


def test_items_are_the_callers_to_change(chats: Path) -> None:
    packed = PackedDataset(pack(chats, 4000, overwrite=True).path)
    before = packed[0]["seq_lengths"].tolist()
    for values in packed[0].values():
        values[:] = 0
    assert packed[0]["seq_lengths"].tolist() == before
