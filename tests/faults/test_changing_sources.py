"""Sources that something writes to while a run reads them, or between two runs."""

from __future__ import annotations

import bz2
import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import turnmill
from file_hashes import hashes
from small_rows import TOKENIZER, json_lines, rows
from turnmill.encoder.session import Session
from turnmill.errors import DataError
from turnmill.inputs import files

pytestmark = pytest.mark.slow

COUNT = 400


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(files, "PART_BYTES", 8_000)
    monkeypatch.setattr(files, "BLOCK_BYTES", 4_000)
    monkeypatch.setattr(files, "HASHED_BYTES", 3_000)


def run(source: Path, output: str = "out") -> Any:
    return turnmill.prepare(source, output, turnmill.Recipe(tokenizer=TOKENIZER), threads=1)


def as_csv(count: int) -> bytes:
    lines = [f'"question {i}","answer {i}"' for i in range(count)]
    return "\n".join(["prompt,completion", *lines]).encode()


def as_arrow(count: int, make: Callable[..., Any]) -> bytes:
    table = pa.Table.from_pylist(rows(count))
    sink = pa.BufferOutputStream()
    with make(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=50)
    return sink.getvalue().to_pybytes()


def as_parquet(count: int) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows(count)), sink, row_group_size=100)
    return sink.getvalue().to_pybytes()


FORMS: dict[str, Callable[[int], bytes]] = {
    "a.jsonl": json_lines,
    "a.json": lambda count: json.dumps(rows(count)).encode(),
    "a.jsonl.gz": lambda count: gzip.compress(json_lines(count), mtime=0),
    "a.jsonl.bz2": lambda count: bz2.compress(json_lines(count)),
    "a.utf16.jsonl": lambda count: json_lines(count).decode().encode("utf-16"),
    "a.csv": as_csv,
    "a.parquet": as_parquet,
    "a.arrow": lambda count: as_arrow(count, pa.ipc.new_file),
    "b.arrow": lambda count: as_arrow(count, pa.ipc.new_stream),
}


def cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def cut_at_a_line(data: bytes) -> bytes:
    return data[: data.rindex(b"\n", 0, len(data) * 2 // 3) + 1] if b"\n" in data else cut(data)


def appended(data: bytes) -> bytes:
    return data + data[-200:]


def flipped(data: bytes) -> bytes:
    """One bit of the last row's text, or of what it is compressed to."""
    at = data.rfind(b"399") if b"399" in data else len(data) * 2 // 3
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def changed_after_the_plan(
    monkeypatch: pytest.MonkeyPatch, source: Path, change: Callable[[bytes], bytes], shard: int = 0
) -> None:
    """The source changes before a shard is opened; its time stays as it was."""
    open_shard, left = Session.open_shard, [shard]

    def opened(session: Session, options: Any, *rest: Any) -> Any:
        if left[0] == 0:
            before = source.stat()
            source.write_bytes(change(source.read_bytes()))
            os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
        left[0] -= 1
        return open_shard(session, options, *rest)

    monkeypatch.setattr(Session, "open_shard", opened)


@pytest.mark.parametrize(
    ("form", "change"),
    [
        *((form, change) for form in FORMS for change in (cut, flipped)),
        ("a.jsonl", cut_at_a_line),
        ("a.jsonl", appended),
        ("a.parquet", appended),
    ],
)
def test_a_source_that_changes_after_the_plan_is_refused(
    form: str, change: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, whole = Path(form), FORMS[form](COUNT)
    source.write_bytes(whole)
    run(source, "whole")
    with monkeypatch.context() as patch:
        changed_after_the_plan(patch, source, change)
        with pytest.raises(DataError, match="not what it was when the run began") as raised:
            run(source)
    assert (raised.value.code, raised.value.path) == ("source-changed", form)
    assert "finished shards are kept" in str(raised.value.hint)
    made = {path.stem.removeprefix("data-") for path in Path("out").glob("data-*")}
    receipts = Path("out/.turnmill").glob("receipt-*")
    assert made == {path.stem.removeprefix("receipt-") for path in receipts}
    assert not made or change is flipped, "only a change further on leaves finished shards"
    source.write_bytes(whole)
    run(source)
    assert hashes("out") == hashes("whole")


@pytest.mark.parametrize("form", ["a.jsonl", "a.parquet", "a.arrow"])
def test_shards_read_before_the_change_are_kept(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source, whole = Path(form), FORMS[form](COUNT)
    source.write_bytes(whole)
    shards = run(source, "whole").shards
    assert shards > 2
    with monkeypatch.context() as patch:
        changed_after_the_plan(patch, source, flipped, shard=1)
        with pytest.raises(DataError, match="not what it was"):
            run(source)
    done = len(list(Path("out/.turnmill").glob("receipt-*")))
    assert 0 < done < shards
    source.write_bytes(whole)
    assert run(source).shards_reused == done
    assert hashes("out") == hashes("whole")


def test_a_source_that_vanishes_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path("a.jsonl")
    source.write_bytes(json_lines(COUNT))
    open_shard = Session.open_shard

    def opened(session: Session, options: Any, *rest: Any) -> Any:
        source.unlink(missing_ok=True)
        return open_shard(session, options, *rest)

    monkeypatch.setattr(Session, "open_shard", opened)
    with pytest.raises(FileNotFoundError) as raised:
        run(source)
    assert raised.value.filename == "a.jsonl"


def test_a_row_that_is_wrong_in_a_source_that_stays_is_told_as_that() -> None:
    source = Path("a.json")
    source.write_bytes(cut(json.dumps(rows(COUNT)).encode()))
    with pytest.raises(DataError) as raised:
        run(source)
    assert raised.value.code != "source-changed"


def test_a_changed_source_between_two_runs_is_a_new_input() -> None:
    source = Path("a.jsonl")
    source.write_bytes(json_lines(COUNT))
    run(source)
    source.write_bytes(flipped(json_lines(COUNT)))
    assert run(source).shards_reused == 0
    run(source, "again")
    assert hashes("out") == hashes("again")


def test_a_check_names_the_sources_that_it_cannot_compare_with() -> None:
    for name in ("a.jsonl", "b.jsonl", "c.jsonl"):
        Path(name).write_bytes(json_lines(5, start=ord(name[0])))
    recipe = turnmill.Recipe(tokenizer=TOKENIZER)
    turnmill.prepare(["a.jsonl", "b.jsonl", "c.jsonl"], "out", recipe, threads=1)
    assert turnmill.check("out").facts["replay"]["by"] == "rendered"
    Path("b.jsonl").write_bytes(flipped(Path("b.jsonl").read_bytes()))
    Path("c.jsonl").unlink()
    findings = turnmill.check("out")
    lost = "b.jsonl is different now, c.jsonl is gone"
    said = f"the samples are not compared with their sources: {lost}; "
    (note,) = [note for note in findings.facts["notes"] if note.startswith(said)]
    assert note in findings.to_dict()["notes"]
    assert "a.jsonl" not in note
    Path("c.jsonl").write_bytes(json_lines(5, start=ord("c")))
    (note,) = turnmill.check("out").to_dict()["notes"]
    assert "c.jsonl" not in note
    assert "b.jsonl is different" in note
