"""The written bytes depend on the input and the recipe, on nothing else."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fixtures
import turnmill
from sets import assert_same_bytes
from turnmill.encoder.session import ShardOptions
from turnmill.inputs import files

pytestmark = pytest.mark.slow

DEMO = fixtures.ROOT / "python" / "turnmill" / "demo"
TOKENIZER = str(DEMO / "tokenizer")
INPUTS = [
    str(DEMO / "data" / name)
    for name in ("messages.jsonl", "sharegpt.json", "alpaca.jsonl", "prompt-completion.jsonl")
]


def recipe(**keys: Any) -> turnmill.Recipe:
    return turnmill.Recipe(tokenizer=TOKENIZER, now="2026-01-02T03:04:05", **keys)


@pytest.mark.parametrize("threads", [2, 7])
def test_any_number_of_threads_writes_the_same_bytes(tmp_path: Path, threads: int):
    turnmill.prepare(INPUTS, tmp_path / "one", recipe(), threads=1)
    turnmill.prepare(INPUTS, tmp_path / "many", recipe(), threads=threads)
    assert_same_bytes(tmp_path / "one", tmp_path / "many")


def every_form(folder: Path) -> list[str]:
    """The demo data as files of every form, with rows that are rejected."""
    lines = Path(INPUTS[0]).read_bytes()
    # Single lines of the demo data are broken on purpose.
    rows = [json.loads(line) for line in lines.splitlines()[:10]]
    table = pa.Table.from_pylist(rows[:5])
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(lines, mtime=0))
    (folder / "b.jsonl.zst").write_bytes(pa.Codec("zstd").compress(lines, asbytes=True))
    (folder / "c.json").write_text(json.dumps(rows, indent=1))
    (folder / "d.jsonl").write_bytes(lines)
    pq.write_table(table, folder / "e.parquet", row_group_size=2)
    with pa.ipc.new_file(folder / "f.arrow", table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return [*sorted(map(str, folder.iterdir())), *INPUTS[1:]]


@pytest.mark.parametrize("form", ["arrow", "parquet"])
def test_inputs_of_every_form_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(files, "PART_BYTES", 3000)
    monkeypatch.setattr(files, "BLOCK_BYTES", 4096)
    (tmp_path / "data").mkdir()
    inputs = every_form(tmp_path / "data")
    for threads, rows in ((1, 3), (2, 10_000), (7, 3), (7, 10_000)):
        monkeypatch.setenv("TURNMILL_CHUNK_ROWS", str(rows))
        output = tmp_path / f"{threads}-{rows}"
        run = turnmill.prepare(inputs, output, recipe(format=form), threads=threads)
        assert run.shards > len(inputs)
        assert run.rejected
        assert_same_bytes(tmp_path / "1-3", output)


def shard(threads: int, chunk_rows: int | None, block: int) -> dict[str, pa.Table]:
    """The demo messages through one shard, in pieces of the given sizes."""
    data = Path(INPUTS[0]).read_bytes()
    encoder = turnmill.Encoder(recipe())
    options = ShardOptions("messages", INPUTS[0], threads=threads, chunk_rows=chunk_rows)
    opened = encoder._session.open_shard(options)
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
