"""The order of a shuffled set: a function of the recipe and the data alone, in little memory."""

from __future__ import annotations

import hashlib
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fixtures
import sets
import turnmill
from killed_runs import EVERY
from sets import assert_same_bytes, defined_on, entries, places, record, write
from turnmill._splitmix64 import draws
from turnmill.inputs import files
from turnmill.output.manifest import read_manifest, write_manifest
from turnmill.prepare import shuffle, shuffled

TOKENIZER = fixtures.ROOT / "python" / "turnmill" / "demo" / "tokenizer"
PAGE = fixtures.ROOT / "docs" / "set.md"

numbered = partial(sets.numbered, lengths=3)


def recipe(**keys: Any) -> turnmill.Recipe:
    return turnmill.Recipe(tokenizer=TOKENIZER, now="2026-01-02", **{"shuffle": True, **keys})


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards, runs and files of a few rows."""
    monkeypatch.setattr(files, "PART_BYTES", 2000)
    monkeypatch.setattr(shuffled, "FILE_TOKENS", 300)
    monkeypatch.setattr(shuffle, "RUN_BYTES", 3000)


@given(st.integers(0, 2**64 - 1), st.integers(0, 50), st.integers(0, 1000))
def test_draws_are_those_of_splitmix64(seed: int, count: int, first: int) -> None:
    expected = [
        defined_on(PAGE)["splitmix64"](seed, place) for place in range(first, first + count)
    ]
    assert draws(seed, count, first).tolist() == expected


def test_the_published_numbers() -> None:
    # The first outputs for the seed 1234567 of the reference implementation in C.
    assert draws(1_234_567, 3).tolist() == [
        6_457_827_717_110_365_317,
        3_203_168_211_198_807_973,
        9_817_491_932_198_370_423,
    ]


@pytest.mark.parametrize("keys", [{}, {"validation": 0.3, "dedup": "exact", "seed": 2**63}])
def test_the_order_is_what_plain_python_makes_of_it(tmp_path: Path, keys: dict[str, Any]) -> None:
    sources: list[Any] = [
        turnmill.Input(write(tmp_path / "a.jsonl", numbered(60)), weight="1.5 epochs"),
        write(tmp_path / "b.jsonl", numbered(70, first=40)),
    ]
    turnmill.prepare(sources, tmp_path / "plain", recipe(shuffle=False, **keys))
    turnmill.prepare(sources, tmp_path / "out", recipe(**keys))
    ordered = defined_on(PAGE)["shuffled"]
    for split in ("train", "validation") if keys else (None,):
        before, after = (places(tmp_path / name, split) for name in ("plain", "out"))
        assert len(after) > 20
        assert after == ordered(before, keys.get("seed", 0))
        assert after != before
    plain, made = (record(tmp_path / name)["totals"] for name in ("plain", "out"))
    assert plain == made


def test_samples_and_index_move_together(tmp_path: Path) -> None:
    inputs = [
        turnmill.Input(write(tmp_path / "a.jsonl", numbered(60)), carry=["id"], weight="2 epochs"),
        turnmill.Input(write(tmp_path / "b.jsonl", numbered(30, first=60)), carry=["licence"]),
    ]
    output = tmp_path / "out"
    turnmill.prepare(inputs, output, recipe())
    lengths = datasets.load_from_disk(str(output))["length"]
    found = entries(output)
    assert [entry["length"] for entry in found] == list(lengths)
    for entry in found:
        assert entry["id"] == (str(entry["row"]) if "a.jsonl" in entry["source"] else None)
        assert entry["licence"] is None
    for number in (0, 7, len(found) - 1):
        row = found[number]["row"] + (60 if "b.jsonl" in found[number]["source"] else 0)
        assert f"It is {row}." in str(turnmill.show(output, sample=number))
    for source, first, copies in ((inputs[0].path, 0, 2), (inputs[1].path, 60, 1)):
        for line in (1, 30):
            shown = str(turnmill.show(output, source=f"{source}:{line}"))
            assert shown.count(f"What is {first + line - 1}?") == copies
    findings = turnmill.check(output)
    assert findings.ok
    assert "stale-cache" not in findings.rules
    assert findings.facts["replay"]["by"] == "rendered"


def test_check_compares_samples_whatever_their_order(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", numbered(60))
    output = tmp_path / "out"
    turnmill.prepare(source, output, recipe())
    first, second, *_ = record(output)["shards"]
    text = (output / "turnmill.json").read_text()

    def rewritten(name: str, data: bytes) -> None:
        """Puts other samples into a file, and vouches for them everywhere."""
        nonlocal text
        before = hashlib.sha256((output / name).read_bytes()).hexdigest()
        text = text.replace(before, hashlib.sha256(data).hexdigest())
        (output / name).write_bytes(data)
        (output / "turnmill.json").write_text(text)
        write_manifest(output, read_manifest(output) or {})

    rows = pa.ipc.open_stream((output / first["data"]).read_bytes()).read_all()
    index = pq.read_table(output / first["index"])
    turned = list(reversed(range(len(rows))))
    rewritten(first["data"], _stream(rows.take(turned)))
    pq.write_table(index.take(turned), tmp_path / "index")
    rewritten(first["index"], (tmp_path / "index").read_bytes())
    assert "stale-cache" not in turnmill.check(output).rules
    rewritten(second["data"], (output / first["data"]).read_bytes())
    notes = [place["note"] for place in turnmill.check(output).rules["stale-cache"].evidence]
    assert any("is not what" in note for note in notes)


def _stream(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("form", ["arrow", "parquet"])
def test_threads_runs_and_chunks_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    sources = [
        turnmill.Input(write(tmp_path / "a.jsonl", numbered(80)), weight=0.3),
        write(tmp_path / "b.jsonl", numbered(60, first=50)),
    ]
    made = recipe(dedup="exact", validation=0.2, format=form)
    for threads, rows, run in ((1, 3, 1000), (7, 10_000, 10**9)):
        monkeypatch.setenv("TURNMILL_CHUNK_ROWS", str(rows))
        monkeypatch.setattr(shuffle, "RUN_BYTES", run)
        monkeypatch.setattr(files, "BLOCK_BYTES", 997 * threads)
        turnmill.prepare(sources, tmp_path / str(threads), made, threads=threads)
    assert_same_bytes(tmp_path / "1", tmp_path / "7")


def test_new_inputs_make_no_old_shard_again(tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl", numbered(60))
    second = write(tmp_path / "b.jsonl", numbered(60, first=60))
    output = tmp_path / "out"
    turnmill.prepare(first, output, recipe())
    stored = {path: path.stat().st_mtime_ns for path in output.glob(".turnmill/stored-*")}
    assert len(stored) > 1
    before = places(output)
    run = turnmill.prepare([first, second], output, recipe())
    assert run.shards_reused == len(stored)
    assert {path: path.stat().st_mtime_ns for path in stored} == stored
    turnmill.prepare([first, second], tmp_path / "fresh", recipe())
    assert_same_bytes(output, tmp_path / "fresh")
    # The rows that were there keep their order among themselves.
    assert [place for place in places(output) if place[0] == first] == before
    data = {path: path.stat().st_mtime_ns for path in output.glob("data-*")}
    turnmill.prepare([first, second], output, recipe())
    assert {path: path.stat().st_mtime_ns for path in data} == data


def test_inputs_in_another_order_are_another_set(tmp_path: Path) -> None:
    """Shards of the same sizes, so that only their order tells the sets apart."""
    first = write(tmp_path / "a.jsonl", numbered(9, first=10))
    second = write(tmp_path / "b.jsonl", numbered(9, first=20))
    output = tmp_path / "out"
    turnmill.prepare([first, second], output, recipe())
    turnmill.prepare([second, first], output, recipe())
    turnmill.prepare([second, first], tmp_path / "fresh", recipe())
    assert_same_bytes(output, tmp_path / "fresh")


def test_samples_that_were_removed_are_made_again(tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl", numbered(60))
    second = write(tmp_path / "b.jsonl", numbered(20, first=60))
    output = tmp_path / "out"
    turnmill.prepare(first, output, recipe())
    for path in output.glob(".turnmill/stored-*.arrow"):
        path.unlink()
    turnmill.prepare([first, second], output, recipe())
    turnmill.prepare([first, second], tmp_path / "fresh", recipe())
    assert_same_bytes(output, tmp_path / "fresh")


def test_samples_of_one_row_are_shuffled_too(tmp_path: Path) -> None:
    documents = [{"text": f"{n} " + "word " * (400 if n % 5 == 0 else 3)} for n in range(40)]
    source = write(tmp_path / "a.jsonl", documents)
    keys = {"schema": "text", "max_length": 64}
    turnmill.prepare(source, tmp_path / "plain", recipe(shuffle=False, **keys))
    turnmill.prepare(source, tmp_path / "out", recipe(**keys))

    def samples(name: str) -> Counter[tuple[int, ...]]:
        return Counter(map(tuple, datasets.load_from_disk(str(tmp_path / name))["input_ids"]))

    assert samples("plain") == samples("out")
    parts = [entry["sample"] for entry in entries(tmp_path / "out") if entry["row"] == 0]
    assert len(parts) > 3
    assert parts != sorted(parts)
    assert str(turnmill.show(tmp_path / "out", source=f"{source}:1")).count("word") > 300


def test_every_sample_is_as_likely_at_every_place() -> None:
    """A quarter of the samples goes to each quarter of the places."""
    count = 40_000
    order = np.argsort(draws(5, count), kind="stable")
    table = np.histogram2d(np.arange(count) // 10_000, order // 10_000, bins=4)[0]
    assert np.abs(table - 2500).max() < 5 * np.sqrt(2500)


def test_a_validation_set_without_conversations(tmp_path: Path) -> None:
    turnmill.prepare(numbered(3), tmp_path / "out", recipe(validation=1e-9))
    data = datasets.load_from_disk(str(tmp_path / "out"))
    assert (len(data["train"]), len(data["validation"])) == (3, 0)
    assert data["validation"].column_names == data["train"].column_names


def test_another_seed_is_another_recipe(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", numbered(20))
    turnmill.prepare(source, tmp_path / "out", recipe())
    with pytest.raises(turnmill.RecipeError, match=r"recipe\.seed: 0, now 1"):
        turnmill.prepare(source, tmp_path / "out", recipe(seed=1))


RUN = f"""
from turnmill.inputs import files
from turnmill.prepare import shuffle, shuffled
files.PART_BYTES, shuffled.FILE_TOKENS, shuffle.RUN_BYTES = 2000, 600, 3000
recipe = turnmill.Recipe(
    tokenizer={str(TOKENIZER)!r}, dedup="exact", validation=0.2, shuffle=True, seed=3
)
item = turnmill.Input("a.jsonl", weight="1.5 epochs", cap=50)
turnmill.prepare([item, "b.jsonl"], output, recipe, threads=1)
"""


@pytest.mark.slow
@pytest.mark.parametrize("every", EVERY)
@pytest.mark.parametrize("point", ["fsync", "replace"])
def test_a_run_killed_anywhere_ends_with_the_same_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, every: int
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("a.jsonl"), [*numbered(60), *numbered(10)])
    write(Path("b.jsonl"), numbered(20, first=50))

    sets.assert_killed_runs_end_with_the_same_bytes(RUN, point, every)
    assert not list(Path("out/.turnmill").glob(".tmp-*")), "what was on its way is gone"
