"""Every system call of the commands that write, and of checks, broken one at a time.

What the sweep looks for is in ``fault_sweep.py``. The default run takes a few calls of some
commands, the whole run (marked ``full``) each call of all; with ``-s`` that prints the figures of
docs/trust.md.
"""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import failing_store
import file_calls
import turnmill
from fault_sweep import Figures, started
from small_rows import TOKENIZER, json_lines, rows

# Some hundred processes, which a busy machine runs one after another.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SAMPLE = 4
MODEL = ("--tokenizer", str(TOKENIZER), "--threads", "1", "-q")
STORE = "fsspec+objects://bucket/out"
INPUTS = ("a.jsonl", "b.jsonl.gz", "c.parquet", "d.arrow", "e.jsonl.bz2")


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "begun").mkdir()
    monkeypatch.chdir(tmp_path / "begun")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return file_calls.compiled(tmp_path_factory.mktemp("library"))


def inputs() -> None:
    Path("a.jsonl").write_bytes(json_lines(40) + b"{broken\n")
    Path("b.jsonl.gz").write_bytes(gzip.compress(json_lines(20, start=40), mtime=0))
    table = pa.Table.from_pylist(rows(20, start=60))
    pq.write_table(table, "c.parquet")
    with pa.ipc.new_file("d.arrow", table.schema) as writer:
        writer.write_table(pa.Table.from_pylist(rows(20, start=80)))
    Path("e.jsonl.bz2").write_bytes(bz2.compress(json_lines(5, start=100)))
    Path("f.csv").write_text("prompt,completion\nhello,world\n")


def prepared(*given: str, shard: tuple[int, int] | None = None, **keys: object) -> None:
    inputs()
    recipe = turnmill.Recipe(tokenizer=TOKENIZER, **keys)
    turnmill.prepare(list(given or INPUTS), "out", recipe, threads=1, shard=shard)


def with_packs() -> None:
    prepared()
    turnmill.pack("out", 200, write=True)


def first_part() -> None:
    prepared(shard=(1, 2))


def both_parts() -> None:
    first_part()
    prepared(shard=(2, 2))


def in_store() -> None:
    inputs()
    failing_store.register()
    recipe = turnmill.Recipe(tokenizer=TOKENIZER)
    turnmill.prepare("a.jsonl", STORE, recipe, threads=1)


Begin = Callable[[], None]
COMMANDS: dict[str, tuple[Begin, tuple[str, ...]]] = {
    "prepare": (inputs, ("prepare", *INPUTS, "-o", "out", *MODEL)),
    "prepare, a table": (inputs, ("prepare", "f.csv", "-o", "out", *MODEL)),
    "prepare, chosen": (
        inputs,
        ("prepare", *INPUTS, "-o", "out", *MODEL, "--validation", "0.2", "--dedup", "exact"),
    ),
    "prepare, shuffled, Parquet": (
        inputs,
        ("prepare", *INPUTS, "-o", "out", *MODEL, "--shuffle", "--format", "parquet", "--report"),
    ),
    "prepare, more inputs": (
        lambda: prepared("a.jsonl"),
        ("prepare", *INPUTS, "-o", "out", *MODEL),
    ),
    "prepare --overwrite": (
        with_packs,
        ("prepare", "a.jsonl", "c.parquet", "-o", "out", *MODEL, "--overwrite", "--max-length=40"),
    ),
    "prepare --shard": (
        first_part,
        ("prepare", *INPUTS, "-o", "out", *MODEL, "--shard", "2/2"),
    ),
    "merge": (both_parts, ("merge", "out", "-q")),
    "pack --write": (prepared, ("pack", "out", "--length", "200", "--write", "-q")),
    "export": (with_packs, ("export", "out/pack-200-0", "--to", "nemo", "-o", "there", "-q")),
    "export, plain": (prepared, ("export", "out", "--to", "megatron", "-o", "there", "-q")),
    "prepare, in a store": (inputs, ("prepare", *INPUTS, "-o", STORE, *MODEL)),
    "prepare, more inputs, in a store": (in_store, ("prepare", *INPUTS, "-o", STORE, *MODEL)),
    "prepare --overwrite, in a store": (
        in_store,
        ("prepare", "a.jsonl", "-o", STORE, *MODEL, "--overwrite", "--max-length=40"),
    ),
    "check, in a store": (in_store, ("check", STORE, "--json", "-q")),
    "check": (with_packs, ("check", "out", "--json", "-q")),
    "check --files": (with_packs, ("check", "out", "--files", "--json", "-q")),
}


SAMPLED = (
    "prepare",
    "prepare, more inputs",
    "prepare --overwrite",
    "merge",
    "pack --write",
    "export",
    "prepare, in a store",
    "check",
)


def figures(command: str, library: Path, most: int | None) -> Figures:
    begin, words = COMMANDS[command]
    begin()
    folder = Path.cwd().parent / "work"
    folder.mkdir()
    return started(library, list(words), Path.cwd(), folder, most)


@pytest.mark.parametrize("command", SAMPLED)
def test_no_fault_goes_unnoticed(command: str, library: Path) -> None:
    found = figures(command, library, SAMPLE)
    assert found.faults + found.missed == SAMPLE
    assert found.wrong == []


@pytest.mark.full
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_fault_goes_unnoticed_at_any_call(command: str, library: Path) -> None:
    found = figures(command, library, None)
    print(f"\n{command}: {found}")
    assert found.faults > 50
    assert found.wrong == []
