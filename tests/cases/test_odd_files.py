"""JSON in odd shapes, encodings and compressions is read, or named as what it is."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import turnmill
from cases import shapes
from turnmill.errors import DataError, TurnmillError
from turnmill.inputs.files import InputPart
from turnmill.inputs.kind import read_kind
from turnmill.inputs.rows import rows_of

DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"
RECIPE: dict[str, Any] = {"tokenizer": DEMO, "template": "qwen3", "stop": ["<|im_end|>"]}
FLAGS = ["--tokenizer", str(DEMO), "--template", "qwen3", "--stop", "<|im_end|>"]


def talk(number: int) -> dict[str, Any]:
    return {"messages": [shapes.user(f"{number}é"), shapes.assistant("[5}")], "id": number}


TALKS = [talk(number) for number in range(5)]
PAIRS = [{"instruction": f"{number} 'é\n", "output": "]", "score": None} for number in range(5)]
PRETTY = "\n".join(json.dumps(row, indent=2, ensure_ascii=False) for row in TALKS)
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in TALKS)
OF_PAIRS = {key: [row[key] for row in PAIRS] for key in PAIRS[0]}
OF_TALKS = {"messages": [row["messages"] for row in TALKS]}
SEGMENTS = {"segments": [{"text": "2+3=", "label": False}, {"text": "5", "label": True}]}
LONG = SEGMENTS["segments"] * 40_000
NAMELESS = [{"messages": row["messages"]} for row in TALKS]

TEXTS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "lines": (LINES, TALKS),
    "objects over lines": (PRETTY, TALKS),
    "objects over lines with commas": (PRETTY.replace("\n}\n{", "\n},\n{"), TALKS),
    "objects without a line between them": (LINES.replace("\n", ""), TALKS),
    "one object over lines": (json.dumps(TALKS[0], indent=4), TALKS[:1]),
    "one object in one line": (json.dumps(TALKS[0]), TALKS[:1]),
    "one row of segments": (json.dumps(SEGMENTS), [SEGMENTS]),
    "one row of segments over lines": (json.dumps(SEGMENTS, indent=2), [SEGMENTS]),
    "a long row of segments": (json.dumps({"segments": LONG}), [{"segments": LONG}]),
    "data": (json.dumps({"data": TALKS}), TALKS),
    "data with more": (json.dumps({"version": "1.0", "data": TALKS, "count": 5}), TALKS),
    "train over lines": (json.dumps({"train": TALKS}, indent=1), TALKS),
    "conversations": (json.dumps({"conversations": TALKS}), TALKS),
    "columns": (json.dumps(OF_PAIRS), PAIRS),
    "columns over lines": (json.dumps(OF_PAIRS, indent=2), PAIRS),
    "one column, of conversations": (json.dumps(OF_TALKS), NAMELESS),
    "one column over lines": (json.dumps(OF_TALKS, indent=2), NAMELESS),
    "columns as pandas writes them": (pd.DataFrame(PAIRS).to_json(), PAIRS),
    "one tokenized row": (
        json.dumps({"input_ids": [1, 2], "labels": [-100, 2]}),
        [{"input_ids": [1, 2], "labels": [-100, 2]}],
    ),
    "two halves of a row": (
        json.dumps({"prompt": [shapes.user()], "completion": [shapes.assistant()]}),
        [{"prompt": [shapes.user()], "completion": [shapes.assistant()]}],
    ),
}


def read(path: Path) -> list[Any]:
    """The rows as a run cuts them."""
    return [json.loads(picked.data) for picked in rows_of(read_kind(str(path)))]


@pytest.mark.parametrize("name", TEXTS)
def test_the_rows_are_found_in_any_shape(name: str, tmp_path: Path) -> None:
    text, rows = TEXTS[name]
    for before, after in (("", ""), ("\n \n", "\n\n"), ("\ufeff", "\n")):
        path = tmp_path / "rows.json"
        path.write_text(before + text + after, "utf-8")
        assert read(path) == rows


ENCODINGS = ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", ["lines", "objects over lines", "data"])
def test_text_of_another_encoding_is_read(name: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_bytes(TEXTS[name][0].encode(encoding))
    assert read(path) == TEXTS[name][1]
    run = turnmill.prepare(path, tmp_path / "out", turnmill.Recipe(**RECIPE))
    assert (run.rows, run.rejected) == (5, {})


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "gz": gzip.compress,
}


@pytest.mark.parametrize("suffix", COMPRESSIONS)
def test_compressed_files_are_read_in_all_their_streams(suffix: str, tmp_path: Path) -> None:
    compress = COMPRESSIONS[suffix]
    lines = LINES.encode()
    (tmp_path / f"rows.jsonl.{suffix}").write_bytes(compress(lines[:300]) + compress(lines[300:]))
    run = turnmill.prepare(tmp_path, tmp_path.with_name("out"), turnmill.Recipe(**RECIPE))
    assert run.rows == 5
    (tmp_path / f"rows.jsonl.{suffix}").write_bytes(compress(TEXTS["data"][0].encode("utf-16")))
    assert read(tmp_path / f"rows.jsonl.{suffix}") == TALKS


@pytest.mark.parametrize("suffix", ["bz2", "xz"])
def test_a_compressed_file_that_is_cut_is_an_error(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(COMPRESSIONS[suffix](LINES.encode() * 100)[:-20])
    with pytest.raises(DataError, match="ends too early") as caught:
        turnmill.prepare(path, tmp_path / "out", turnmill.Recipe(**RECIPE))
    assert caught.value.path == str(path)


@given(cut=st.integers(1, 400), name=st.sampled_from(sorted(TEXTS)))
def test_rows_do_not_depend_on_where_blocks_end(
    cut: int, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text, rows = TEXTS[name]
    path = tmp_path_factory.mktemp("rows") / "rows.json"
    path.write_text(text, "utf-8")
    kind = read_kind(str(path))
    if kind.shape is None:
        return
    from turnmill.inputs.text import shaped

    data = path.read_bytes()
    blocks = [(data[at : at + cut], cut) for at in range(0, len(data), cut)]
    array = b"".join(block for block, _ in shaped(iter(blocks), kind.shape, "rows"))
    assert json.loads(array) == rows


def test_lines_are_counted_as_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(PRETTY)
    lines = [picked.line for picked in rows_of(read_kind(str(path)))]
    starts = [number for number, line in enumerate(PRETTY.split("\n"), 1) if line == "{"]
    assert lines == starts


BROKEN = {
    "a second list": json.dumps({"data": TALKS, "more": TALKS}),
    "two splits": json.dumps({"train": TALKS, "data": TALKS}),
    "columns of different lengths over lines": json.dumps({**OF_PAIRS, "output": ["a"]}, indent=1),
    "an object that is cut": PRETTY[:-30],
    "a list that is cut": json.dumps({"data": TALKS})[:-40],
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_rows_stops_the_run(name: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(BROKEN[name])
    with pytest.raises(TurnmillError) as caught:
        turnmill.prepare(path, tmp_path / "out", turnmill.Recipe(**RECIPE))
    assert caught.value.hint


def test_one_broken_line_does_not_change_the_shape(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for broken in ('{"messages": [', '{"messages": []} and more', '{"a": 1}{"b": 2}'):
        path.write_text(broken + "\n" + LINES)
        run = turnmill.prepare(path, tmp_path / "out", turnmill.Recipe(**RECIPE, overwrite=True))
        assert (run.rows, run.rejected) == (6, {"invalid-json": 1})


NAMED: dict[str, tuple[bytes, str]] = {
    "a pointer of Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "git lfs pull",
    ),
    "a zip archive": (b"PK\x03\x04\x14\x00", "unpack"),
    "does not read this format": (b"prompt,answer\na,b\n", "name it .csv or .tsv"),
}


@pytest.mark.parametrize("what", NAMED)
def test_other_files_are_named_as_what_they_are(what: str, tmp_path: Path) -> None:
    content, cure = NAMED[what]
    path = tmp_path / "rows.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=what) as caught:
        read_kind(str(path))
    assert cure in str(caught.value.hint)


@pytest.mark.parametrize("shape", ["wrapped", "objects"])
def test_rows_in_an_object_take_constant_memory(shape: str, tmp_path: Path) -> None:
    said = json.dumps({"text": "a" * 100_000}, indent=1)

    def peak(count: int) -> int:
        text = "\n".join([said] * count)
        if shape == "wrapped":
            text = '{"data": [' + ",".join([said] * count) + "]}"
        path = tmp_path / "rows.json"
        path.write_text(text)
        kind = read_kind(str(path))
        assert kind.shape == shape
        tracemalloc.start()
        for _ in kind.blocks(InputPart()):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(400) < 1.3 * peak(200)


@pytest.mark.parametrize("command", ["prepare", "check", "show", "parity"])
def test_rows_come_from_standard_input(command: str, tmp_path: Path) -> None:
    output = ["-o", str(tmp_path / "out")] if command == "prepare" else []
    made = subprocess.run(
        [sys.executable, "-m", "turnmill", command, "-", *FLAGS, *output],
        input=LINES.encode(),
        capture_output=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    if command == "prepare":
        record = json.loads((tmp_path / "out" / "turnmill.json").read_text())
        assert [input_["name"] for input_ in record["inputs"]] == ["-"]
        assert record["totals"]["rows"] == 5


def test_lists_beside_each_other_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text('{"v": 1, "train": [{"text": "a"}], "test": [{"text": "b"}]}')
    with pytest.raises(DataError, match="follows the list of rows") as caught:
        list(read_kind(str(path)).blocks(InputPart()))
    assert str(caught.value.hint) == "give each list of rows a file of its own: train, test"
