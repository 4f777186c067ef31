"""A shuffle brings every column of every kind of output along, wherever the output is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import turnmill
from cases import answers
from turnmill.inputs import files
from turnmill.output import reader
from turnmill.output.formats import format_of
from turnmill.prepare import shuffle, shuffled

DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"
REMOTE = "fsspec+memory://bucket/shuffled"
PAIRS = [shape.row for shape in answers.PAIRS]
JUDGED = [shape.row for shape in answers.LABELLED]
SIDES = [f"{side}_{name}" for side in ("chosen", "rejected") for name in ("input_ids", "labels")]
CHATS = [
    {
        "messages": [
            {"role": "user", "content": f"What is {n}?"},
            {"role": "assistant", "content": "It is so. " * (n % 9), "weight": 1 / (n % 3 + 1)},
            {"role": "user", "content": "And?"},
            {"role": "assistant", "content": f"{n}"},
        ]
    }
    for n in range(90)
]
TEXTS = [{"text": f"{n} " + "word " * (n % 7 * 30)} for n in range(90)]
EVERY = ["input_ids", "labels", "attention_mask", "length", "position_ids", "weights", "source"]
KINDS: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "messages": (CHATS, {}),
    "every column": (CHATS, {"columns": EVERY}),
    "text": (TEXTS, {"schema": "text", "max_length": 64}),
    "text of ids": (TEXTS, {"schema": "text", "columns": ["input_ids"]}),
    "preference": (PAIRS * 6, {}),
    "preference with labels": (PAIRS * 6, {"columns": [*SIDES, "source"]}),
    "kto": (JUDGED * 6, {}),
    "kto with labels": (JUDGED * 6, {"columns": ["input_ids", "labels", "label"]}),
}


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PART_BYTES", 2000)
    monkeypatch.setattr(shuffled, "FILE_TOKENS", 300)
    monkeypatch.setattr(shuffle, "RUN_BYTES", 3000)
    monkeypatch.setattr(shuffle, "BATCH_ROWS", 7)


@pytest.fixture
def source(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in request.param[0]), "utf-8")
    return str(path)


@pytest.fixture
def remote() -> Iterator[str]:
    MemoryFileSystem.store.clear()
    yield REMOTE
    MemoryFileSystem.store.clear()


def recipe(keys: dict[str, Any], **more: Any) -> turnmill.Recipe:
    given = {"template": "qwen3", "stop": ["<|im_end|>"], "now": "2026-01-02", **keys, **more}
    return turnmill.Recipe(tokenizer=DEMO, **given)


def written(output: str) -> tuple[list[Any], list[Any], pa.Schema]:
    """The samples, the entries of the index beside them, and the columns of the samples."""
    opened = reader.open_output(output, "")
    rows: list[Any] = []
    entries: list[Any] = []
    for shard in opened.record["shards"]:
        data = opened.path / shard["data"]
        table = format_of(data).read(data)
        rows += table.to_pylist()
        with (opened.path / shard["index"]).open("rb") as file:
            entries += pq.read_table(pa.BufferReader(file.read())).to_pylist()
    return rows, entries, table.schema


@pytest.mark.parametrize("source", KINDS.values(), ids=KINDS, indirect=True)
@pytest.mark.parametrize("form", ["arrow", "parquet"])
def test_samples_are_those_without_a_shuffle(
    tmp_path: Path, source: str, form: str, request: pytest.FixtureRequest
) -> None:
    keys = request.node.callspec.params["source"][1]
    outputs = [str(tmp_path / name) for name in ("plain", "out")]
    plain, shuffled = (
        turnmill.prepare(source, output, recipe(keys, format=form, shuffle=shuffles))
        for output, shuffles in zip(outputs, (False, True), strict=True)
    )
    assert shuffled.columns == plain.columns
    trainers = [[step.trainer for step in run.next_steps] for run in (plain, shuffled)]
    assert trainers[0] == trainers[1]
    (rows, entries, schema), (moved, moved_entries, moved_schema) = map(written, outputs)
    assert moved_schema == schema
    assert len(list(Path(outputs[1]).glob("data-shuffled-*"))) > 1
    by_place = {
        (entry["row"], entry["sample"]): row for entry, row in zip(entries, rows, strict=True)
    }
    places = [(entry["row"], entry["sample"]) for entry in moved_entries]
    assert sorted(places) == sorted(by_place)
    assert places != sorted(places)
    assert moved == [by_place[place] for place in places]


@pytest.mark.parametrize("source", [KINDS["every column"]], ids=["chats"], indirect=True)
@pytest.mark.parametrize("form", ["arrow", "parquet"])
def test_a_remote_output_is_that_of_this_machine(
    tmp_path: Path, source: str, form: str, remote: str
) -> None:
    keys = {"format": form, "shuffle": True, "dedup": "exact", "validation": 0.2, "columns": EVERY}
    for output in (str(tmp_path / "out"), remote):
        turnmill.prepare(source, output, recipe(keys))
    assert written(remote) == written(str(tmp_path / "out"))
    assert str(turnmill.show(remote, source=f"{source}:3")).count("What is 2?") == 1
    assert turnmill.check(remote).ok
    again = turnmill.prepare(source, remote, recipe(keys))
    assert again.shards_reused == again.shards
