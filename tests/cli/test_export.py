"""Exports, each read back by its reader and compared with the samples of the output."""

from __future__ import annotations

import json
import re
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest

import turnmill
from export_readers import (
    bridge_batch,
    indexed_dataset,
    mds_samples,
    stitched_turns,
    stripped_neat,
)
from file_hashes import hashes
from fixtures import ROOT
from small_rows import TOKENIZER, json_lines, rows
from turnmill import DataError, PackedDataset, export
from turnmill.cli import main
from turnmill.export import TARGETS
from turnmill.export.targets import mds, tables, target_of
from turnmill.storage.directory import whole_directory

DEMO = Path(turnmill.__file__).parent / "demo"
LENGTH = 600
MASKED = -100


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Samples with weights, and a pack of them."""
    place = tmp_path_factory.mktemp("plain") / "out"
    columns = ["input_ids", "labels", "attention_mask", "length", "weights"]
    recipe = turnmill.Recipe(tokenizer=TOKENIZER, columns=columns)
    turnmill.prepare([DEMO / "data" / "messages.jsonl"], place, recipe, threads=1)
    turnmill.pack(place, LENGTH)
    return place


@pytest.fixture(scope="module")
def divided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output with train and validation, and inputs of three shapes."""
    place = tmp_path_factory.mktemp("divided") / "out"
    names = ("messages.jsonl", "alpaca.jsonl", "sharegpt.json")
    recipe = turnmill.Recipe(tokenizer=TOKENIZER, validation=0.2, max_length=300)
    turnmill.prepare([DEMO / "data" / name for name in names], place, recipe, threads=1)
    return place


@pytest.fixture(scope="module")
def samples(out: Path) -> list[dict[str, Any]]:
    return list(datasets.load_from_disk(str(out)))


@pytest.fixture(scope="module")
def packs(out: Path) -> list[dict[str, list[int]]]:
    names = ("input_ids", "labels", "weights", "position_ids", "seq_lengths")
    rows = PackedDataset(out / f"pack-{LENGTH}-0")
    return [{name: row[name].tolist() for name in names} for row in rows]


def column(rows: Any, name: str) -> list[Any]:
    return [list(row[name]) for row in rows]


def test_every_form_is_written_by_its_target() -> None:
    assert [target_of(name).name for name in TARGETS] == list(TARGETS)


def test_every_form_is_documented() -> None:
    page = (ROOT / "docs" / "export.md").read_text("utf-8")
    forms = page.partition("## Forms")[2].partition("## ")[0]
    listed = re.findall(r"^\| `([\w-]+)` \|", forms, re.MULTILINE)
    assert listed == ["--to", *TARGETS]
    assert [name for name in TARGETS if f"``{name}``" not in (export.__doc__ or "")] == []


# What `datasets` reads.


@pytest.mark.parametrize(
    ("form", "columns"),
    [
        ("datasets", ["input_ids", "labels", "attention_mask", "length", "weights"]),
        ("trl", ["input_ids", "labels"]),
        ("axolotl", ["input_ids", "attention_mask", "labels"]),
        ("llama-factory", ["input_ids", "attention_mask", "labels"]),
    ],
)
def test_load_from_disk_gives_the_samples(
    out: Path, samples: list[Any], tmp_path: Path, form: str, columns: list[str]
) -> None:
    made = export(out, tmp_path / "x", to=form)
    rows = datasets.load_from_disk(str(tmp_path / "x"))
    assert rows.column_names == columns
    for name in columns:
        assert list(rows[name]) == [sample[name] for sample in samples], name
    assert made.parts[""].trained == sum(
        label != MASKED for sample in samples for label in sample["labels"]
    )
    assert bool(made.notes) == (form != "datasets")  # weights


@pytest.mark.parametrize("packed", [False, True])
def test_load_dataset_gives_the_rows_of_parquet(
    out: Path, samples: list[Any], packs: list[Any], tmp_path: Path, packed: bool
) -> None:
    export(out, tmp_path / "x", to="parquet", packed=packed)
    loaded = datasets.load_dataset(str(tmp_path / "x"), cache_dir=str(tmp_path / "cache"))["train"]
    wanted = packs if packed else samples
    for name in wanted[0]:
        assert list(loaded[name]) == [row[name] for row in wanted], name


@pytest.mark.parametrize("form", ["datasets", "trl"])
def test_load_from_disk_gives_packed_rows(
    out: Path, packs: list[Any], tmp_path: Path, form: str
) -> None:
    export(out, tmp_path / "x", to=form, packed=True)
    rows = datasets.load_from_disk(str(tmp_path / "x"))
    if form == "trl":
        # What remove_unused_columns of SFTTrainer keeps for padding_free, and no more.
        assert rows.column_names == ["input_ids", "labels", "seq_lengths"]
    for name in ("input_ids", "labels", "seq_lengths"):
        assert list(rows[name]) == [row[name] for row in packs]


def test_two_data_sets_are_a_dataset_dict(divided: Path, tmp_path: Path) -> None:
    made = export(divided, tmp_path / "x", to="llama-factory")
    assert "dataset: tokenized" in str(made)
    loaded = datasets.load_from_disk(str(tmp_path / "x"))
    source = datasets.load_from_disk(str(divided))
    assert list(loaded) == list(source) == list(made.parts) == ["train", "validation"]
    for split in source:
        for name in ("input_ids", "labels"):
            assert list(loaded[split][name]) == list(source[split][name])
    export(divided, tmp_path / "one", to="datasets", split="validation")
    one = datasets.load_from_disk(str(tmp_path / "one" / "validation"))
    assert list(one["input_ids"]) == list(source["validation"]["input_ids"])


def test_directories_are_the_splits_of_parquet(divided: Path, tmp_path: Path) -> None:
    export(divided, tmp_path / "x", to="parquet")
    loaded = datasets.load_dataset(str(tmp_path / "x"), cache_dir=str(tmp_path / "cache"))
    source = datasets.load_from_disk(str(divided))
    assert {split: rows.num_rows for split, rows in loaded.items()} == {
        split: rows.num_rows for split, rows in source.items()
    }


# What LLaMA-Factory's packing processor makes.


def test_neat_packing_numbers_the_documents(out: Path, packs: list[Any], tmp_path: Path) -> None:
    export(out, tmp_path / "x", to="llama-factory", packed=True)
    rows = list(datasets.load_from_disk(str(tmp_path / "x")))
    for row, pack in zip(rows, packs, strict=True):
        assert {len(row[name]) for name in row} == {LENGTH + 1}
        documents = stripped_neat(row)
        assert [number for number, *_ in documents] == [
            1 + number for number in range(len(pack["seq_lengths"]))
        ]
        for place, name in enumerate(("input_ids", "labels", "position_ids"), 1):
            assert [value for document in documents for value in document[place]] == pack[name]
        padding = [i for i, number in enumerate(row["attention_mask"]) if number == 0]
        assert padding == list(range(len(pack["input_ids"]), LENGTH + 1))
        assert {row["labels"][i] for i in padding} == {MASKED}
        assert {row["position_ids"][i] for i in padding} == {0}
        assert {row["input_ids"][i] for i in padding} == {0}  # the tokenizer's pad token


def test_a_row_longer_than_the_pack_has_no_neat_form(out: Path, tmp_path: Path) -> None:
    shutil.copytree(out, tmp_path / "out")
    turnmill.pack(tmp_path / "out", 300, over_length="alone")
    with pytest.raises(DataError, match="a row has 341 tokens"):
        export(tmp_path / "out" / "pack-300-0", tmp_path / "x", to="llama-factory")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


# What Megatron's readers make of the bytes.


def test_megatron_reads_tokens_and_masks(
    out: Path, samples: list[Any], packs: list[Any], tmp_path: Path
) -> None:
    export(out, tmp_path / "x", to="megatron")
    tokens, ends = indexed_dataset(tmp_path / "x" / "tokens")
    masks, mask_ends = indexed_dataset(tmp_path / "x" / "loss_mask")
    assert tokens[0].dtype == np.uint16  # fewer than 65,500 tokens
    assert [text.tolist() for text in tokens] == column(samples, "input_ids")
    assert [mask.tolist() for mask in masks] == [
        [int(label != MASKED) for label in sample["labels"]] for sample in samples
    ]
    assert ends == mask_ends == list(range(len(samples) + 1))
    # A packed row is a document, its samples are the sequences.
    export(out, tmp_path / "packed", to="megatron", packed=True)
    tokens, ends = indexed_dataset(tmp_path / "packed" / "tokens")
    assert ends == np.cumsum([0, *(len(row["seq_lengths"]) for row in packs)]).tolist()
    assert np.concatenate(tokens).tolist() == [i for row in packs for i in row["input_ids"]]
    assert [len(text) for text in tokens] == [n for row in packs for n in row["seq_lengths"]]
    masks, mask_ends = indexed_dataset(tmp_path / "packed" / "loss_mask")
    assert mask_ends == ends
    assert [len(mask) for mask in masks] == [len(text) for text in tokens]
    assert np.concatenate(masks).tolist() == [
        int(label != MASKED) for row in packs for label in row["labels"]
    ]


def test_megatron_bridge_trains_the_same_predictions(
    out: Path, packs: list[Any], tmp_path: Path
) -> None:
    export(out, tmp_path / "x", to="nemo")
    rows = bridge_batch(tmp_path / "x" / "data-00000.idx.parquet")
    schema = pq.read_schema(tmp_path / "x" / "data-00000.idx.parquet")
    assert [str(field.type.value_type) for field in schema] == ["int32", "int8", "int32"]
    for row, pack in zip(rows, packs, strict=True):
        # What a model with unshifted labels predicts: token i + 1 of each document from token i.
        documents = np.split(np.arange(len(pack["input_ids"])), np.cumsum(pack["seq_lengths"])[:-1])
        inputs = [i for document in documents for i in document[:-1]]
        targets = [i for document in documents for i in document[1:]]
        assert row["tokens"] == [pack["input_ids"][i] for i in inputs]
        assert row["labels"] == [pack["input_ids"][i] for i in targets]
        assert row["loss_mask"] == [int(pack["labels"][i] != MASKED) for i in targets]
        assert row["position_ids"] == [pack["position_ids"][i] for i in inputs]
    [metadata] = json.loads((tmp_path / "x" / "packed_metadata.json").read_text("utf-8"))
    counts = [len(row["seq_lengths"]) for row in packs]
    seen = [len(row["tokens"]) for row in rows]
    assert metadata == {
        "dataset_max_seqlen": max(n for row in packs for n in row["seq_lengths"]) - 1,
        "max_samples_per_bin": max(counts),
        "packing_factor": round(sum(counts) / len(packs), 2),
        "packing_efficiency": round(100 * sum(seen) / len(seen) / LENGTH, 2),
        "pack_size": LENGTH,
        "min_packed_seqlen": min(seen),
    }


@pytest.mark.parametrize("multiple_of", [2, 16])
def test_megatron_bridge_sees_documents_of_a_multiple(
    out: Path, tmp_path: Path, multiple_of: int
) -> None:
    shutil.copytree(out, tmp_path / "out")
    made = turnmill.pack(tmp_path / "out", LENGTH, seed=1, multiple_of=multiple_of)
    export(made.path, tmp_path / "x", to="nemo")
    rows = bridge_batch(tmp_path / "x" / "data-00000.idx.parquet")
    for row, pack in zip(rows, PackedDataset(made.path), strict=True):
        assert len(row["tokens"]) <= LENGTH
        starts = [i for i, place in enumerate(row["position_ids"]) if place == 0]
        lengths = np.diff([*starts, len(row["tokens"])])
        assert not (lengths % multiple_of).any()
        trained = [t for t, on in zip(row["labels"], row["loss_mask"], strict=True) if on]
        assert trained == [label for label in pack["labels"].tolist() if label != MASKED]
        first = np.cumsum([0, *pack["seq_lengths"]])
        for start, length, before, size in zip(
            starts, lengths, first, pack["seq_lengths"], strict=False
        ):
            seen = row["tokens"][start : start + length]
            assert seen[: size - 1] == pack["input_ids"][before : before + size - 1].tolist()
            # The document's last token, then padding with the EOS token.
            padding = row["labels"][start : start + length][size - 1 :]
            assert set(padding) <= {2}
            assert len(padding) < multiple_of


def test_nemo_wants_a_pack(divided: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no pack") as raised:
        export(divided, tmp_path / "x", to="nemo")
    assert "turnmill pack" in str(raised.value.hint)


# MDS, numpy.


@pytest.mark.parametrize("packed", [False, True])
def test_mds_gives_the_rows(
    out: Path,
    samples: list[Any],
    packs: list[Any],
    tmp_path: Path,
    packed: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mds, "SHARD_BYTES", 40_000)  # several shards
    export(out, tmp_path / "x", to="mds", packed=packed)
    read = mds_samples(tmp_path / "x")
    assert len(list((tmp_path / "x").glob("*.mds"))) > 2
    assert all(path.stat().st_size <= 40_000 for path in (tmp_path / "x").glob("*.mds"))
    wanted = packs if packed else samples
    for name in ("input_ids", "labels", "weights", *(["seq_lengths"] if packed else [])):
        assert [sample[name].tolist() for sample in read] == [list(row[name]) for row in wanted]
        assert read[0][name].dtype == (np.float32 if name == "weights" else np.int32)


def test_llm_foundry_stitches_the_samples_again(
    out: Path, samples: list[Any], tmp_path: Path
) -> None:
    export(out, tmp_path / "x", to="llm-foundry")
    read = mds_samples(tmp_path / "x")
    for sample, row in zip(read, samples, strict=True):
        ids, labels = stitched_turns(sample["turns"], eos=2)
        # All but what follows the last trained token.
        assert (ids, labels) == (row["input_ids"][: len(ids)], row["labels"][: len(ids)])
        assert set(row["labels"][len(ids) :]) <= {MASKED}
        assert len(row["input_ids"]) - len(ids) <= 1  # the line end after the terminator
    assert max(len(sample["turns"]) for sample in read) > 1


def test_llm_foundry_takes_no_sample_without_an_answer(tmp_path: Path) -> None:
    chats = rows(3)
    chats[1]["messages"][1]["weight"] = 0
    turnmill.prepare(chats, tmp_path / "out", tokenizer=TOKENIZER)
    before = datasets.load_from_disk(str(tmp_path / "out"))
    made = export(tmp_path / "out", tmp_path / "x", to="llm-foundry")
    untrained = sum(set(labels) == {MASKED} for labels in before["labels"])
    assert len(mds_samples(tmp_path / "x")) == len(before) - untrained
    assert bool(made.notes) == bool(untrained)


@pytest.mark.parametrize("packed", [False, True])
def test_numpy_maps_the_rows(
    out: Path, samples: list[Any], packs: list[Any], tmp_path: Path, packed: bool
) -> None:
    export(out, tmp_path / "x", to="numpy", packed=packed)
    at = np.load(tmp_path / "x" / "row_offsets.npy")
    wanted = packs if packed else samples
    for name, type_ in (("input_ids", np.uint16), ("labels", np.int32), ("weights", np.float32)):
        flat = np.load(tmp_path / "x" / f"{name}.npy", mmap_mode="r")
        assert flat.dtype == type_
        assert len(flat) == at[-1]
        rows = [flat[a:b].tolist() for a, b in pairwise(at)]
        assert rows == [list(row[name]) for row in wanted]
    if packed:
        documents = np.load(tmp_path / "x" / "document_offsets.npy")
        assert np.diff(documents).tolist() == [n for row in packs for n in row["seq_lengths"]]


# Messages: tokenizing them again is the test.


def test_messages_give_the_same_samples_again(divided: Path, tmp_path: Path) -> None:
    made = export(divided, tmp_path / "x", to="messages")
    before = datasets.load_from_disk(str(divided))
    for split in ("train", "validation"):
        files = list((tmp_path / "x" / split).glob("*.parquet"))
        turnmill.prepare(files, tmp_path / split, tokenizer=TOKENIZER, max_length=300)
        after = datasets.load_from_disk(str(tmp_path / split))
        for name in ("input_ids", "labels"):
            assert list(after[name]) == list(before[split][name])
        assert made.parts[split].rows == len(after)
    table = pq.read_table(tmp_path / "x" / "train")
    assert table.column_names == ["messages", "tools", "source", "row"]
    row = next(row for row in table.to_pylist() if row["tools"])
    assert isinstance(json.loads(row["tools"]), list)
    calls = [call for message in row["messages"] for call in message["tool_calls"] or []]
    assert all(isinstance(json.loads(call["function"]["arguments"]), dict) for call in calls)
    line = Path(row["source"]).read_text("utf-8").splitlines()[row["row"]]
    assert row["messages"][0]["content"] in json.loads(line)["messages"][0]["content"]


def test_messages_of_tables_keep_no_nulls(tmp_path: Path) -> None:
    chats = [json.loads(line) for line in json_lines(20).splitlines()]
    chats[0]["chat_template_kwargs"] = None  # the keys of the first row are the columns
    chats[3]["messages"][1]["reasoning_content"] = "because"
    chats[3]["chat_template_kwargs"] = {"enable_thinking": False}
    datasets.Dataset.from_list(chats).to_parquet(str(tmp_path / "in.parquet"))
    turnmill.prepare(tmp_path / "in.parquet", tmp_path / "out", tokenizer=TOKENIZER)
    export(tmp_path / "out", tmp_path / "x", to="messages")
    rows = pq.read_table(tmp_path / "x").to_pylist()
    told = [[{k: v for k, v in m.items() if v is not None} for m in r["messages"]] for r in rows]
    assert told == [chat["messages"] for chat in chats]
    assert [row["enable_thinking"] for row in rows] == [None] * 3 + [False] + [None] * 16


def test_messages_come_from_inputs_that_are_as_they_were(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(json_lines(5))
    turnmill.prepare(source, tmp_path / "out", tokenizer=TOKENIZER)
    source.write_bytes(json_lines(6))
    with pytest.raises(DataError, match="the input has changed"):
        export(tmp_path / "out", tmp_path / "x", to="messages")
    turnmill.prepare([{"text": "to be"}], tmp_path / "text", tokenizer=TOKENIZER)
    with pytest.raises(DataError, match="rows that were in memory are gone"):
        export(tmp_path / "text", tmp_path / "x", to="messages")
    lines = tmp_path / "text.jsonl"
    lines.write_text('{"text": "to be"}\n')
    turnmill.prepare(lines, tmp_path / "lines", tokenizer=TOKENIZER)
    with pytest.raises(DataError, match="no conversation to write: they are text"):
        export(tmp_path / "lines", tmp_path / "x", to="messages")
    assert not (tmp_path / "x").exists()
    lines.write_text('{"prompt": "2+3=", "chosen": "5", "rejected": "4"}\n')
    turnmill.prepare(lines, tmp_path / "pairs", tokenizer=TOKENIZER)
    with pytest.raises(DataError, match="no conversation to write: they are answers that are"):
        export(tmp_path / "pairs", tmp_path / "x", to="messages")


def test_text_is_all_trained(tmp_path: Path) -> None:
    rows = [{"text": "to be or not to be"}, {"text": "that is the question"}]
    turnmill.prepare(rows, tmp_path / "out", tokenizer=TOKENIZER)
    before = datasets.load_from_disk(str(tmp_path / "out"))
    assert before.column_names == ["input_ids"]
    export(tmp_path / "out", tmp_path / "x", to="axolotl")
    after = datasets.load_from_disk(str(tmp_path / "x"))
    assert list(after["labels"]) == list(after["input_ids"]) == list(before["input_ids"])
    assert [set(mask) for mask in after["attention_mask"]] == [{1}, {1}]


# Files.


def test_files_are_cut_where_they_are_large(
    out: Path, samples: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "FILE_BYTES", 1)
    export(out, tmp_path / "x", to="trl", packed=True)
    whole = export(out / f"pack-{LENGTH}-0", tmp_path / "y", to="trl")
    monkeypatch.undo()
    assert len(list((tmp_path / "x").glob("*.arrow"))) == 1  # 28 packs are one batch
    assert whole.parts[""].rows == len(datasets.load_from_disk(str(tmp_path / "x")))
    assert sum(part.tokens for part in whole.parts.values()) == sum(
        len(sample["input_ids"]) for sample in samples
    )


def test_the_bytes_depend_on_the_output_alone(out: Path, tmp_path: Path) -> None:
    for form in TARGETS:
        export(out, tmp_path / "1" / form, to=form)
        export(out, tmp_path / "2" / form, to=form)
    assert hashes(str(tmp_path / "1")) == hashes(str(tmp_path / "2"))
    record = json.loads((tmp_path / "1" / "mds" / ".export.json").read_text("utf-8"))
    found = hashes(str(tmp_path / "1" / "mds"))
    assert record["parts"][""]["files"] == {k: found[k] for k in found if k != ".export.json"}
    assert record["made_of"] == {"output": str(out), "split": None}


def test_nothing_is_replaced_and_nothing_is_left_behind(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("kept")
    with pytest.raises(DataError, match="not empty"):
        export(out, tmp_path / "full", to="mds")
    (tmp_path / "file").write_text("kept")
    with pytest.raises(NotADirectoryError):
        export(out, tmp_path / "file", to="mds")
    (tmp_path / "empty").mkdir()
    export(out, tmp_path / "empty", to="mds")

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / ".tmp-x-0" / "shard"))

    monkeypatch.setattr(mds, "write_json", fail)
    with pytest.raises(OSError, match="No space left") as raised:
        export(out, tmp_path / "x", to="mds")
    assert raised.value.filename == str(tmp_path / "x")
    assert any("make room" in note for note in raised.value.__notes__)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "full"]
    assert [path.read_text() for path in (tmp_path / "file", tmp_path / "full" / "mine")] == [
        "kept",
        "kept",
    ]


def test_an_export_stands_outside_of_the_output(out: Path, tmp_path: Path) -> None:
    shutil.copytree(out, tmp_path / "out")
    before = hashes(str(tmp_path / "out"))
    (tmp_path / "link").symlink_to("out")
    for place in ("out", "out/x", "link/x", "out/pack-600-0/x", "other/../out/x"):
        with pytest.raises(DataError, match="the export would stand inside the output") as raised:
            export(tmp_path / "out", tmp_path / place, to="numpy")
        assert raised.value.code == "export-inside"
    assert hashes(str(tmp_path / "out")) == before
    export(tmp_path / "out", tmp_path / "out-numpy", to="numpy")


def test_what_a_killed_run_left_is_removed_and_what_is_in_use_is_not(tmp_path: Path) -> None:
    left = tmp_path / ".tmp-x-0123abcd"
    left.mkdir()
    (left / "data").write_text("half")
    (tmp_path / ".tmp-x-of-mine").mkdir()
    with pytest.raises(DataError, match="not empty"):
        come_too_late(tmp_path / "x", left)
    assert (tmp_path / "x" / "data").read_text() == "whole"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".tmp-x-of-mine", "x"]


def come_too_late(place: Path, left: Path) -> None:
    """Another run finishes the same directory first."""
    with whole_directory(place) as first:
        assert not left.exists()
        with whole_directory(place) as second:
            assert first.exists()
            assert first != second
            (second / "data").write_text("whole")


def test_a_relative_place_and_a_link_are_where_they_lead(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    monkeypatch.chdir(tmp_path)
    export(out, "link", to="numpy")
    assert (tmp_path / "disk" / "labels.npy").exists()
    assert (tmp_path / "link").is_symlink()
    with pytest.raises(DataError, match="local directory"):
        export(out, "fsspec+memory://bucket/x", to="numpy")


def test_a_damaged_output_is_told(out: Path, tmp_path: Path) -> None:
    shutil.copytree(out, tmp_path / "out")
    record = json.loads((tmp_path / "out" / "turnmill.json").read_text("utf-8"))
    record["shards"][0]["samples"] += 1
    (tmp_path / "out" / "turnmill.json").write_text(json.dumps(record), "utf-8")
    with pytest.raises(DataError, match="the data files hold 156 rows"):
        export(tmp_path / "out", tmp_path / "x", to="trl")
    assert not (tmp_path / "x").exists()


# The command.


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int) -> tuple[str, str]:
    assert main(["export", *words]) == code
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_the_command_says_how_the_trainer_reads_it(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    printed, talk = said(capsys, str(out), "--to", "trl", "--packed", "-o", "x", "--json", code=0)
    told = json.loads(printed)
    assert (told["to"], told["parts"][""]["columns"]) == (
        "trl",
        ["input_ids", "labels", "seq_lengths"],
    )
    assert "labels   not shifted" in talk
    assert "note: weights are left out: trl has no place for them" in talk
    assert "padding_free=True, max_length=None" in talk
    assert said(capsys, str(out), "--to", "numpy", "-o", "y", "-q", code=0) == ("", "")
    assert said(capsys, "--help", code=0)[0].count("--to FORMAT") == 2


@pytest.mark.parametrize(
    ("words", "message", "hint", "code"),
    [
        ([], "no output is named", "", 2),
        (["OUT"], "no form is named", "datasets, parquet", 2),
        (["OUT", "--to", "trl"], "no directory is named", "-o", 2),
        (["OUT", "--to", "megatrom", "-o", "x"], "to cannot be 'megatrom'", "megatron", 2),
        (["OUT", "--to", "axolotl", "--packed", "-o", "x"], "takes single samples", "--packed", 1),
        (["OUT", "--to", "trl", "--split", "validation", "-o", "x"], "no data set", "--split", 1),
        (["nowhere", "--to", "trl", "-o", "x"], "no such directory", "turnmill prepare", 1),
    ],
)
def test_wrong_commands(
    out: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
    hint: str,
    code: int,
) -> None:
    words = [str(out) if word == "OUT" else word for word in words]
    _, talk = said(capsys, *words, code=code)
    assert message in talk
    assert hint in talk


def test_a_pack_is_named_where_there_are_several(out: Path, tmp_path: Path, divided: Path) -> None:
    shutil.copytree(out, tmp_path / "out")
    turnmill.pack(tmp_path / "out", 700)
    with pytest.raises(DataError, match="several packs: pack-600-0, pack-700-0") as raised:
        export(tmp_path / "out", tmp_path / "x", to="trl", packed=True)
    assert "pack-600-0" in str(raised.value.hint)
    made = export(tmp_path / "out" / "pack-700-0", tmp_path / "x", to="trl")
    assert made.parts[""].rows == len(PackedDataset(tmp_path / "out" / "pack-700-0"))
    shutil.copytree(divided, tmp_path / "divided")
    turnmill.pack(tmp_path / "divided", 700)
    made = export(tmp_path / "divided", tmp_path / "y", to="trl", packed=True)
    assert made.notes == ["train alone is packed; export validation without packs"]
    with pytest.raises(DataError, match="packs are made of train only"):
        export(tmp_path / "divided", tmp_path / "z", to="trl", packed=True, split="validation")
