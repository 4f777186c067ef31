"""A row that is longer than any row should be is left out; the others are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pyarrow import parquet

import turnmill

pytestmark = pytest.mark.slow

TOKENIZER = Path(turnmill.__file__).parent / "demo" / "tokenizer"
MEGABYTE = 1 << 20
SAID = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
ROW = json.dumps({"messages": SAID})


def write(path: Path, before: str, after: str, megabytes: int) -> None:
    with path.open("w") as file:
        file.write(before + '{"messages": "')
        for _ in range(megabytes):
            file.write("x" * MEGABYTE)
        file.write('"}' + after)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("rows.jsonl", f"{ROW}\n", f"\n{ROW}\n"),
        ("rows.json", f"[{ROW}, ", f", {ROW}]"),
    ],
)
def test_a_row_of_many_megabytes_is_left_out(
    tmp_path: Path, name: str, before: str, after: str
) -> None:
    source = tmp_path / name
    write(source, before, after, 300)
    run = turnmill.prepare(source, output=tmp_path / "out", tokenizer=TOKENIZER)
    source.unlink()
    assert (run.rows, run.samples, run.rejected) == (3, 2, {"invalid-json": 1})
    (reject,) = parquet.read_table(tmp_path / "out" / "rejects.parquet").to_pylist()
    assert reject["row"] == 1
    assert "301 MB long, and at most 256 MB are read" in reject["reason"]
