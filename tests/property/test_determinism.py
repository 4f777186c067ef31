"""The written bytes depend on the input and the recipe, on nothing else."""

from __future__ import annotations

import filecmp
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import fixtures
import turnmill

DEMO = fixtures.ROOT / "python" / "turnmill" / "demo"
TOKENIZER = str(DEMO / "tokenizer")
INPUTS = [
    str(DEMO / "data" / name)
    for name in ("messages.jsonl", "sharegpt.json", "alpaca.jsonl", "prompt-completion.jsonl")
]
# What may differ between two runs: times, host, threads.
RUN_FACTS = {"run.json"}


def recipe(**keys: Any) -> turnmill.Recipe:
    return turnmill.Recipe(tokenizer=TOKENIZER, now="2026-01-02T03:04:05", **keys)


def files_of(folder: Path) -> list[str]:
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in paths if path.name not in RUN_FACTS)


def assert_same_bytes(first: Path, second: Path) -> None:
    assert files_of(first) == files_of(second)
    different = [
        name for name in files_of(first) if not filecmp.cmp(first / name, second / name, False)
    ]
    assert different == []


@pytest.mark.parametrize("threads", [2, 7])
def test_any_number_of_threads_writes_the_same_bytes(tmp_path: Path, threads: int):
    turnmill.prepare(INPUTS, tmp_path / "one", recipe(), threads=1)
    turnmill.prepare(INPUTS, tmp_path / "many", recipe(), threads=threads)
    assert_same_bytes(tmp_path / "one", tmp_path / "many")


def shard(threads: int, chunk_rows: int | None, block: int) -> dict[str, pa.Table]:
    """The demo messages through one shard, in pieces of the given sizes."""
    data = Path(INPUTS[0]).read_bytes()
    encoder = turnmill.Encoder(recipe())
    opened = encoder._open_shard(
        schema="messages",
        path=INPUTS[0],
        array=False,
        first_row=0,
        first_line=1,
        threads=threads,
        chunk_rows=chunk_rows,
    )
    outputs = [opened.feed_bytes(data[at : at + block]) for at in range(0, len(data), block)]
    outputs.append(opened.finish())
    return {
        name: pa.Table.from_batches(
            [pa.record_batch(batch) for output in outputs for batch in getattr(output, name)]
        )
        for name in ("samples", "index", "rejects")
    }


@pytest.mark.parametrize("chunk_rows", [3, 10_000])
@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("block", [997, 1 << 20])
def test_any_size_of_pieces_gives_the_same_tables(threads: int, chunk_rows: int, block: int):
    expected, found = shard(1, None, 1 << 22), shard(threads, chunk_rows, block)
    for name, table in expected.items():
        assert found[name].equals(table), name
        # Batches are cut by rows, not by pieces of input.
        cuts = [len(batch) for batch in table.to_batches()]
        assert [len(batch) for batch in found[name].to_batches()] == cuts, name


def test_rows_one_by_one_are_the_rows_together():
    rows = [
        {"messages": [{"role": "user", "content": str(n)}, {"role": "assistant", "content": "ok"}]}
        for n in range(20)
    ]
    encoder = turnmill.Encoder(recipe())
    together = encoder.encode(rows).table.drop(["row", "sample"])
    apart = [encoder.encode([row]).table.drop(["row", "sample"]) for row in rows]
    assert pa.concat_tables(apart).to_pylist() == together.to_pylist()
