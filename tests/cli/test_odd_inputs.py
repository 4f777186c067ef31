"""Inputs that are read as nobody expects: named twice, without rows, among outputs, not UTF-8."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import turnmill
from turnmill import _core
from turnmill.encoder.inspect import inspect_input
from turnmill.encoder.session import Session
from turnmill.errors import DataError
from turnmill.inputs import files
from turnmill.inputs.find import find_inputs

TOKENIZER = Path(turnmill.__file__).parent / "demo" / "tokenizer"
RECIPE = turnmill.Recipe(tokenizer=TOKENIZER, max_rejects=1.0)
ROW = {
    "messages": [
        {"role": "user", "content": "What is a turn?"},
        {"role": "assistant", "content": "One answer."},
    ]
}
LINE = (json.dumps(ROW) + "\n").encode()


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def prepare(given: Any, output: str = "out", **keys: Any) -> Any:
    recipe = turnmill.Recipe(tokenizer=TOKENIZER, **{"max_rejects": 1.0, **keys})
    return turnmill.prepare(given, output, recipe)


NOT_UTF8 = LINE.replace(b"answer", b"ans\xffwer")
NEW_LINE_IN_TEXT = LINE.replace(b"answer", b"ans\nwer")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("not UTF-8.jsonl", LINE + NOT_UTF8 + LINE),
        ("mark in the middle.jsonl", b"\xef\xbb\xbf" + LINE + b"\xef\xbb\xbf" + LINE + LINE),
        ("form feed.jsonl", LINE + b"\x0c\n" + LINE),
        ("not UTF-8.json", b"[" + b",".join([LINE, NOT_UTF8, LINE]) + b"]"),
        ("line end in a text.json", b"[" + b",".join([LINE, NEW_LINE_IN_TEXT, LINE]) + b"]"),
        ("broken row.json", b"[" + LINE + b', {"messages": oops}, ' + LINE + b"]"),
    ],
)
def test_show_reads_a_row_as_a_run_does(name: str, text: bytes) -> None:
    Path(name).write_bytes(text)
    run = prepare(name)
    written = [turnmill.show("out", row=row)[0] for row in range(run.rows)]
    raw = list(turnmill.show(name, recipe=RECIPE, n=10))
    assert [(row.line, row.reject) for row in raw] == [(row.line, row.reject) for row in written]
    assert [row.samples for row in raw] == [row.samples for row in written]
    assert run.rows == 3


def test_rows_before_a_broken_place_come_before_its_error() -> None:
    splitter = _core.Splitter(array=True)
    assert splitter.feed(b"[1,\n2] more") == [(0, 1, b"1"), (1, 2, b"2")]
    with pytest.raises(DataError, match="something follows the end"):
        splitter.finish()


@pytest.mark.parametrize("more", [b"again", b"\0"])
def test_rows_behind_the_end_of_an_arrow_stream_are_not_lost_in_silence(more: bytes) -> None:
    table = pa.table({"messages": [ROW["messages"]] * 4})
    with pa.ipc.new_stream("a.arrows", table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    stream = Path("a.arrows").read_bytes()
    assert prepare("a.arrows").rows == 4
    Path("a.arrows").write_bytes(stream + (stream if more == b"again" else more))
    with pytest.raises(DataError, match=f"follows the end .* at byte {len(stream):,}") as caught:
        prepare("a.arrows", "other")
    assert (caught.value.path, caught.value.code) == ("a.arrows", "broken-input")
    assert not Path("other", "state.json").exists()


@pytest.mark.parametrize("name", ["a.jsonl", "a.arrows"])
def test_ctrl_c_while_a_file_is_closed_is_not_swallowed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first rows are looked at, and the rest of the file is left unread."""
    Path("a.jsonl").write_bytes(LINE * 3)
    table = pa.table({"messages": [ROW["messages"]] * 4})
    with pa.ipc.new_stream("a.arrows", table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    (input_,) = find_inputs(name)
    session = Session(RECIPE)

    @contextlib.contextmanager
    def interrupted(path: str) -> Iterator[Any]:
        try:
            with pa.OSFile(path) as file:
                yield file
        finally:
            raise KeyboardInterrupt

    monkeypatch.setattr(files, "open_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        inspect_input(input_, session)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_a_first_row_that_is_longer_than_a_block(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "BLOCK_BYTES", 1000)
    long = {"messages": [{**ROW["messages"][0], "content": "word " * 1000}, ROW["messages"][1]]}
    rows = [json.dumps(long), json.dumps(ROW)]
    Path(name).write_text("\n".join(rows) if name == "a.jsonl" else f"[{','.join(rows)}]")
    assert prepare(name).samples == 2


def test_an_input_without_rows_has_the_columns_of_the_others() -> None:
    Path("a.jsonl").write_text('{"text": "to be"}\n')
    Path("none.jsonl").write_text("")
    prepare(["none.jsonl", "a.jsonl"])
    data = datasets.load_from_disk("out")
    assert (data.column_names, len(data)) == (["input_ids"], 1)


def test_a_glob_that_matches_an_earlier_output() -> None:
    Path("data").mkdir()
    Path("data/a.jsonl").write_bytes(LINE * 3)
    for glob in ("data/*", "data/**/*"):
        prepare(glob, "data/out")
        assert prepare(glob, "data/out").rows == 3
    with pytest.raises(DataError, match="an output of turnmill"):
        prepare("data/out/*.arrow", "again")


def test_a_remote_directory_that_holds_an_earlier_output() -> None:
    # Not fsspec's memory://, which gives all readers of a file one position.
    Path("data").mkdir()
    Path("data/a.jsonl").write_bytes(LINE * 3)
    uri = f"fsspec+file://{Path.cwd()}/data"
    prepare(uri, f"{uri}/out")
    again = prepare(uri, f"{uri}/out")
    assert (again.rows, again.shards_reused) == (3, 1)
    with pytest.raises(DataError, match="an output of turnmill"):
        prepare(f"{uri}/out", "again")


def test_a_file_given_twice_with_other_fields() -> None:
    answers = [[ROW["messages"][0], {"role": "assistant", "content": text}] for text in "ab"]
    Path("a.jsonl").write_text(json.dumps({"one": answers[0], "two": answers[1]}) + "\n")
    given = [
        turnmill.Input("a.jsonl", schema="messages", fields={name: "messages"})
        for name in ("one", "two", "three")
    ]
    prepare(given)
    shown = turnmill.show("out", source="a.jsonl:1")
    trained = [row.samples[0].pieces[1].text for row in shown if row.samples]
    assert trained == ["a", "b"]
    assert [row.reject is None for row in shown] == [True, True, False]


def test_a_pipe_is_refused_before_it_is_read() -> None:
    os.mkfifo("pipe")
    with pytest.raises(DataError, match="can be read only once"):
        prepare("pipe")


def test_what_a_directory_cannot_give_is_an_error_and_not_left_out() -> None:
    Path("data").mkdir()
    Path("data/a.jsonl").write_bytes(LINE)
    Path("data/b.jsonl").symlink_to("nowhere")
    with pytest.raises(FileNotFoundError) as raised:
        prepare("data")
    assert raised.value.filename == "data/b.jsonl"


def test_an_empty_name_is_not_this_directory() -> None:
    Path("a.jsonl").write_bytes(LINE)
    with pytest.raises(DataError, match="the name of an input is empty"):
        prepare("")


def test_a_name_that_is_not_utf8() -> None:
    name = os.fsdecode(b"\xc4\xe3.jsonl")
    Path(name).write_bytes(LINE)
    with pytest.raises(DataError, match="the name of the file is not UTF-8") as raised:
        prepare(name)
    assert raised.value.path == "\\xc4\\xe3.jsonl"


def test_a_bad_row_in_memory_is_a_reject() -> None:
    class Unreadable:
        def __repr__(self) -> str:
            raise ZeroDivisionError

    nested: Any = ROW
    for _ in range(3000):
        nested = {"a": nested}
    circle: list[Any] = []
    circle.append(circle)
    bad = [
        None,
        5,
        "text",
        {"messages": [{"role": "user", "content": b"bytes"}]},
        {"messages": nested},
    ]
    fine = [{**ROW, "number": np.int64(1), "seen": Unreadable(), "circle": circle}, ROW]
    run = prepare([*fine, *bad])
    assert (run.samples, run.rows) == (2, 7)
    rejects = pq.read_table("out/rejects.parquet").to_pylist()
    encoded = turnmill.Encoder(RECIPE).encode([*fine, *bad]).rejects.to_pylist()
    for written, made in zip(rejects, encoded, strict=True):
        assert {key: written[key] for key in made} == made


def test_rows_in_memory_are_told_apart_by_what_they_hold() -> None:
    long = np.arange(5000)
    prepare([{**ROW, "x": long}])
    assert prepare([{**ROW, "x": long}]).shards_reused == 1
    changed = long.copy()
    changed[2500] = 0
    assert prepare([{**ROW, "x": changed}]).shards_reused == 0
