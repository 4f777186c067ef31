"""A single row is found in its part of an input, wherever blocks of the file end."""

from __future__ import annotations

import gzip
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from turnmill.inputs import files, rows, text
from turnmill.inputs.files import InputPart
from turnmill.inputs.find import find_inputs
from turnmill.inputs.rows import find_row, rows_of


def found(path: Path, part: InputPart, row: int, line: int | None) -> Any:
    return find_row(find_inputs(str(path))[0], part, row, line)


@pytest.mark.parametrize("block", [1, 3, 7, 4096])
@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("compressed", [False, True])
def test_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, end: str, compressed: bool
) -> None:
    for module in (files, text):
        monkeypatch.setattr(module, "BLOCK_BYTES", block)
    lines = ['{"n": 0}', "", '{"n": 1}', '{"n": 22222}', "  ", '{"n": 3}']
    path = tmp_path / ("rows.jsonl.gz" if compressed else "rows.jsonl")
    content = ("\n".join(lines) + end).encode()
    path.write_bytes(gzip.compress(content) if compressed else content)
    every = list(rows_of(find_inputs(str(path))[0]))
    assert len(every) == 4
    for picked in every:
        one = found(path, InputPart(), picked.row, picked.line)
        assert (one.data, one.line) == (picked.data, picked.line)
    assert found(path, InputPart(), 4, 7 + bool(end)) is None


def test_a_part_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PART_BYTES", 20)
    monkeypatch.setattr(files, "HASHED_BYTES", 16)
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f'{{"n": {n}}}\n' + "\n" * (n % 2) for n in range(12)))
    input_ = find_inputs(str(path))[0]
    _, parts = input_.survey(threading.Event())
    assert len(parts) > 3
    every = list(rows_of(input_))
    for part in parts:
        inside = [one for one in every if one.line is not None and one.row >= part.first_row]
        one = find_row(input_, part, inside[0].row, inside[0].line)
        assert one is not None
        assert one.data == inside[0].data


@pytest.mark.parametrize("kind", ["parquet", "array"])
def test_rows_without_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    path = tmp_path / f"rows.{'json' if kind == 'array' else kind}"
    if kind == "parquet":
        pq.write_table(pa.table({"n": range(10)}), path, row_group_size=4)
        one = found(path, InputPart(1, 2, 4), 6, None)
        assert one.data.to_pylist() == [{"n": 6}]
        assert found(path, InputPart(2, 3, 8), 10, None) is None
        return
    path.write_text('[{"n": 0},\n {"n": 1}]')
    assert found(path, InputPart(), 1, 2).data == b'{"n": 1}'
    monkeypatch.setattr(rows, "FARTHEST_ROW", 1)
    assert found(path, InputPart(), 1, 2) is None
