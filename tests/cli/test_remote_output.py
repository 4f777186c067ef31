"""Outputs behind a URI, in a file system that lives in this process."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import turnmill
from small_rows import TOKENIZER, json_lines, rows
from turnmill.errors import DataError
from turnmill.inputs import files
from turnmill.prepare.result import Run
from turnmill.storage.remote import RemotePath

DEMO = Path(turnmill.__file__).parent / "demo"
OUT = "fsspec+memory://bucket/some/out"


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    MemoryFileSystem.store.clear()
    yield
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


def run(inputs: Any, output: str, **keys: Any) -> Run:
    recipe = turnmill.Recipe(tokenizer=TOKENIZER, **keys)
    return turnmill.prepare(inputs, output, recipe, threads=2)


def stored() -> dict[str, bytes]:
    """Every object under the output by its name."""
    prefix = "/bucket/some/out/"
    return {
        name.removeprefix(prefix): file.getvalue()
        for name, file in MemoryFileSystem.store.items()
        if name.startswith(prefix)
    }


def written_locally(**keys: Any) -> dict[str, bytes]:
    run("a.jsonl", "out", **keys)
    found = (path for path in Path("out").rglob("*") if path.is_file())
    return {path.relative_to("out").as_posix(): path.read_bytes() for path in found}


@pytest.mark.parametrize("form", [None, "arrow"])
def test_the_files_are_those_of_a_local_output(
    form: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PART_BYTES", 5000)
    Path("a.jsonl").write_bytes(json_lines(300) + b'{"messages": []}\n')
    assert run("a.jsonl", OUT, format=form).format == (form or "parquet")
    local = written_locally(format=form or "parquet")
    remote = stored()
    assert remote.keys() == local.keys() - {".turnmill/lock"}
    # The recipes differ in `format` where it is the place that decided.
    told_apart = {"run.json"} | (
        {"turnmill.json", ".turnmill/plan.json", "manifest.json"} if form is None else set()
    )
    same = remote.keys() - told_apart - {"state.json"}
    assert {name: remote[name] for name in same} == {name: local[name] for name in same}
    assert not [name for name in remote if ".tmp-" in name]


def test_a_run_on_the_same_place_goes_on() -> None:
    Path("a.jsonl").write_bytes(json_lines(10))
    Path("b.jsonl").write_bytes(json_lines(10, start=10))
    run("a.jsonl", OUT)
    again = run(["a.jsonl", "b.jsonl"], OUT)
    assert (again.shards, again.shards_reused) == (2, 1)
    fewer = run("b.jsonl", OUT)
    assert fewer.shards_reused == 1
    assert sum(name.startswith("data-") for name in stored()) == 1
    run(rows(3), OUT, overwrite=True, max_rejects=0.1)
    assert sum(name.startswith("data-") for name in stored()) == 1


def test_a_store_that_fails_leaves_nothing_that_looks_finished(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = RemotePath.replace

    def replace(path: RemotePath, target: RemotePath) -> None:
        if target.name.startswith("data-"):
            raise OSError("the connection was lost")
        real(path, target)

    monkeypatch.setattr(RemotePath, "replace", replace)
    with pytest.raises(OSError, match=r"the connection was lost .*/data-"):
        run(rows(10), OUT)
    assert not [name for name in stored() if name.startswith(("data-", "turnmill.json"))]
    assert not [name for name in stored() if ".tmp-" in name]
    monkeypatch.undo()
    assert run(rows(10), OUT).samples == 10


def test_other_peoples_objects_are_left_alone() -> None:
    MemoryFileSystem().pipe("/bucket/some/out/thesis.tex", b"text")
    with pytest.raises(DataError, match="not made by turnmill"):
        run(rows(3), OUT)
    assert stored() == {"thesis.tex": b"text"}


def test_a_uri_of_an_unknown_kind() -> None:
    for uri in ("zz://bucket/out", "fsspec+nothing://bucket/out"):
        with pytest.raises(DataError, match="the URI cannot be opened") as raised:
            run(rows(3), uri)
        assert raised.value.path == uri
        assert "s3://" in str(raised.value.hint)


def test_a_file_uri_is_a_local_directory(tmp_path: Path) -> None:
    assert run(rows(3), f"file://{tmp_path}/out").format == "arrow"
    assert (tmp_path / "out/state.json").exists()


def test_show_reads_it_back() -> None:
    recipe = turnmill.Recipe(tokenizer=DEMO / "tokenizer", max_rejects=1.0)
    made = turnmill.prepare(DEMO / "data" / "messages.jsonl", OUT, recipe)
    assert "fsspec+memory://bucket/some/out/data-*.parquet" in str(made)
    record = json.loads(stored()["turnmill.json"])
    table = pq.read_table(pa.BufferReader(stored()[record["shards"][0]["data"]]))
    assert len(table) == made.samples
    (shown,) = turnmill.show(OUT, sample=2)
    raw = turnmill.show(DEMO / "data" / "messages.jsonl", recipe=recipe, row=shown.row)
    assert shown.samples == raw[0].samples
    (rejected,) = turnmill.show(OUT, source="messages.jsonl:12")
    assert rejected.reject is not None


def test_check_verifies_it() -> None:
    recipe = turnmill.Recipe(tokenizer=DEMO / "tokenizer", max_rejects=1.0)
    for output in (OUT, "out"):
        turnmill.prepare(DEMO / "data" / "messages.jsonl", output, recipe)
    remote, local = turnmill.check(OUT).to_dict(), turnmill.check("out").to_dict()
    assert remote == local
    index = next(name for name in stored() if name.startswith("index-"))
    MemoryFileSystem().pipe(f"/bucket/some/out/{index}", stored()[index] + b" ")
    assert not turnmill.check(OUT).ok


@pytest.mark.parametrize("form", [None, "arrow"])
def test_it_is_seen_as_a_local_output_is(form: str | None) -> None:
    recipe = turnmill.Recipe(tokenizer=DEMO / "tokenizer", max_rejects=1.0, format=form)
    local_recipe = turnmill.Recipe(
        tokenizer=DEMO / "tokenizer", max_rejects=1.0, format=form or "parquet"
    )
    turnmill.prepare(DEMO / "data" / "messages.jsonl", OUT, recipe)
    turnmill.prepare(DEMO / "data" / "messages.jsonl", "out", local_recipe)
    remote, local = turnmill.stats(OUT).to_dict(), turnmill.stats("out").to_dict()
    assert {**remote, "output": ""} == {**local, "output": ""}
    made = turnmill.report(OUT)
    assert stored()["report.html"].decode() == made.html
    there, here = (
        re.findall(r"<article.*?</article>", page, re.DOTALL)
        for page in (made.html, turnmill.report("out").html)
    )
    assert there == here
    assert len(there) > 8
    with turnmill.view(OUT) as one, turnmill.view("out") as other:
        for place in ("", "row/3", "?text=Sendai", "?least=60", "?rule=left-out", "row/157"):
            pages = [
                re.findall(r"<article.*?</article>|<section.*?</section>", page, re.DOTALL)
                for page in (_page(one.url + place), _page(other.url + place))
            ]
            unlike = [[re.sub(r'href="/[^/]*', "", part) for part in page] for page in pages]
            assert unlike[0] == unlike[1], place


def _page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:
        text: str = answer.read().decode()
        return text
