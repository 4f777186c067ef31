"""A run in parts (`--shard i/n`, `merge`) writes what one machine writes, byte for byte."""

from __future__ import annotations

import errno
import filecmp
import itertools
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

import turnmill
from fixtures import ROOT
from killed_runs import KilledRuns
from sets import assert_same_bytes, files_of
from small_rows import TOKENIZER, rows
from turnmill.cli import main
from turnmill.inputs import files
from turnmill.prepare import shuffle, shuffled
from turnmill.storage import local

PARTS = Path("out/.turnmill/parts")
EVERYTHING: dict[str, Any] = {
    "dedup": "exact",
    "validation": 0.2,
    "shuffle": True,
    "seed": 3,
    "carry": ["id"],
}


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards and files of a few rows, and two inputs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(files, "PART_BYTES", 2000)
    monkeypatch.setattr(shuffled, "FILE_TOKENS", 600)
    monkeypatch.setattr(shuffle, "RUN_BYTES", 3000)
    write("a.jsonl", [*rows(60), *rows(10)])
    write("b.jsonl", [{**row, "id": n} for n, row in enumerate(rows(30, start=50))])
    Path("b.jsonl").write_text(Path("b.jsonl").read_text() + "no JSON\n")


def write(name: str, found: list[dict[str, Any]]) -> None:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in found), "utf-8")


def recipe(**keys: Any) -> turnmill.Recipe:
    return turnmill.Recipe(tokenizer=TOKENIZER, **keys)


def inputs(weight: str | None = None) -> list[Any]:
    return [turnmill.Input("a.jsonl", weight=weight, cap=50 if weight else None), "b.jsonl"]


def make_part(number: int, count: int, *, weight: str | None = None, **keys: Any) -> Any:
    return turnmill.prepare(inputs(weight), "out", recipe(**keys), shard=(number, count))


def whole(weight: str | None = None, **keys: Any) -> Any:
    """The same on one machine."""
    return turnmill.prepare(inputs(weight), "whole", recipe(**keys))


def assert_whole() -> None:
    assert_same_bytes(Path("out"), Path("whole"))
    assert not PARTS.exists()


@pytest.mark.parametrize("count", [1, 3, 30])
@pytest.mark.parametrize(
    ("weight", "keys"),
    [
        (None, {}),
        (None, {"format": "parquet", "validation": 0.2}),
        ("1.5 epochs", EVERYTHING),
    ],
)
def test_any_number_of_parts_in_any_order_gives_the_bytes_of_one_machine(
    count: int, weight: str | None, keys: dict[str, Any]
) -> None:
    alone = whole(weight, **keys)
    assert count == 30 or alone.shards > count
    order = list(range(1, count + 1))
    random.Random(count).shuffle(order)
    parts = [make_part(number, count, weight=weight, **keys) for number in order]
    assert sum(part.rows for part in parts) == alone.rows
    assert sum(part.shards for part in parts) == alone.shards
    merged = turnmill.merge("out")
    assert_whole()
    left = {"output", "seconds", "shards_reused"}
    told, expected = merged.to_dict(), alone.to_dict()
    assert {k: told[k] for k in told if k not in left} == {
        k: expected[k] for k in expected if k not in left
    }
    assert turnmill.check_files("out").ok


def test_parts_run_at_the_same_time(tmp_path: Path) -> None:
    script = f"""
import sys, turnmill
from turnmill.inputs import files
files.PART_BYTES = 2000
turnmill.prepare(["a.jsonl", "b.jsonl"], "out", turnmill.Recipe(tokenizer={str(TOKENIZER)!r}),
    shard=(int(sys.argv[1]), 3), threads=1)
"""
    env = {**os.environ, "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", script]
    running = [subprocess.Popen([*command, str(n)], env=env, cwd=tmp_path) for n in (1, 2, 3)]
    assert [process.wait(timeout=120) for process in running] == [0, 0, 0]
    turnmill.merge("out")
    whole()
    assert_whole()


def test_packs_are_made_of_the_whole() -> None:
    keys = {"max_length": 128, "pack": 128, **EVERYTHING}
    for number in (1, 2):
        assert make_part(number, 2, **keys).pack is None
    merged = turnmill.merge("out", report=True)
    alone = whole(**keys)
    assert merged.pack is not None
    assert alone.pack is not None
    assert {**merged.pack.to_dict(), "path": 0} == {**alone.pack.to_dict(), "path": 0}
    assert Path("out/report.html").exists()
    Path("out/report.html").unlink()
    assert filecmp.cmp("out/pack-128-3/packs.parquet", "whole/pack-128-3/packs.parquet")


def test_rows_in_memory_and_counts_that_differ() -> None:
    """Shards do not depend on how many parts there are, so any parts that hold all will do."""
    data = rows(40)
    keys = recipe(dedup="exact")
    for shard in ((1, 2), (2, 2), (3, 3)):
        turnmill.prepare(data, "out", keys, shard=shard)
    turnmill.merge("out")
    turnmill.prepare(data, "whole", keys)
    assert_whole()


def test_the_sources_may_be_gone_when_parts_are_merged() -> None:
    whole(**EVERYTHING)
    for number in (1, 2):
        make_part(number, 2, **EVERYTHING)
    Path("a.jsonl").rename("elsewhere.jsonl")
    turnmill.merge("out")
    assert_whole()
    Path("elsewhere.jsonl").rename("a.jsonl")
    again = turnmill.prepare(inputs(), "out", recipe(**EVERYTHING))
    assert again.shards_reused == again.shards, "a merged output goes on as any other"


def test_parts_made_apart_may_be_brought_together() -> None:
    """Parts write into directories of their own, so machines need to share nothing."""
    for number in (1, 2, 3):
        output = f"machine-{number}"
        turnmill.prepare(inputs(), output, recipe(**EVERYTHING), shard=(number, 3))
        shutil.copytree(output, "out", dirs_exist_ok=True)
    turnmill.merge("out")
    whole(**EVERYTHING)
    assert_whole()


def test_more_inputs_are_added_by_parts() -> None:
    turnmill.prepare("a.jsonl", "out", recipe(**EVERYTHING))
    for number in (1, 2):
        make_part(number, 2, **EVERYTHING)
    turnmill.merge("out")
    whole(**EVERYTHING)
    assert_whole()


def test_a_store_behind_a_uri(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryFileSystem, "store", {})
    place = "fsspec+memory://bucket/out"
    for number in (1, 2, 3):
        turnmill.prepare(inputs(), place, recipe(**EVERYTHING), shard=(number, 3))
    turnmill.merge(place)
    whole(format="parquet", **EVERYTHING)
    prefix = "/bucket/out/"
    stored = {
        name.removeprefix(prefix): file.getvalue()
        for name, file in MemoryFileSystem.store.items()
        if name.startswith(prefix)
    }
    # The recipes differ in `format`, which the place decided.
    told_apart = {"run.json", "turnmill.json", ".turnmill/plan.json", "manifest.json"}
    names = set(files_of(Path("whole"))) - told_apart
    assert set(stored) - told_apart == names
    differ = [name for name in names if stored[name] != Path("whole", name).read_bytes()]
    assert [name for name in differ if not name.endswith("state.json")] == []


def test_a_part_goes_on_where_it_stopped_and_is_not_merged_before() -> None:
    seen = itertools.count()

    def stop(_progress: Any) -> None:
        if next(seen) > 2:
            raise KeyboardInterrupt

    make_part(1, 2)
    with pytest.raises(KeyboardInterrupt):
        turnmill.prepare(inputs(), "out", recipe(), shard=(2, 2), progress=stop)
    with pytest.raises(turnmill.DataError, match="part 2 of 2 was begun and is not finished"):
        turnmill.merge("out")
    assert not Path("out/turnmill.json").exists()
    again = make_part(2, 2)
    assert 0 < again.shards_reused < again.shards
    turnmill.merge("out")
    whole()
    assert_whole()


def test_a_missing_part_is_named() -> None:
    make_part(1, 4)
    make_part(3, 4)
    with pytest.raises(turnmill.DataError, match=r"missing: part 2 of 4, part 4 of 4") as caught:
        turnmill.merge("out")
    assert "--shard 2/4" in (caught.value.hint or "")
    assert caught.value.code == "missing-part"


def test_parts_of_another_recipe_or_other_data_are_foreign() -> None:
    make_part(1, 2)
    with pytest.raises(turnmill.RecipeError, match="other"):
        make_part(1, 2, max_length=50)
    make_part(2, 2, max_length=50)
    with pytest.raises(turnmill.DataError, match=r"recipe\.max_length: null, now 50"):
        turnmill.merge("out")
    shutil.rmtree(PARTS / "2-of-2")
    with Path("a.jsonl").open("a") as file:
        file.write(json.dumps(rows(1, start=99)[0]) + "\n")
    make_part(2, 2)
    with pytest.raises(turnmill.DataError, match=r"inputs\.0: a\.jsonl\.key") as caught:
        turnmill.merge("out")
    assert caught.value.code == "other-part"
    make_part(1, 2)
    turnmill.merge("out")
    whole()
    assert_whole()


def harm_record(place: Path) -> None:
    text = (place / "part.json").read_text()
    (place / "part.json").write_text(text.replace('"count": 2', '"count": 3'))


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda place: next(place.glob("data-*")).write_bytes(b"x"), "part 2 of 2 is damaged"),
        (lambda place: next(place.glob("index-*")).unlink(), "part 2 of 2 is damaged"),
        (
            lambda place: next(place.glob(".turnmill/receipt-*")).unlink(),
            "part 2 of 2 has no receipt",
        ),
        (harm_record, "the file was changed after it was written"),
    ],
)
def test_a_damaged_part_is_named_and_made_again(harm: Callable[[Path], Any], says: str) -> None:
    make_part(1, 2)
    make_part(2, 2)
    harm(PARTS / "2-of-2")
    with pytest.raises(turnmill.DataError, match=says):
        turnmill.merge("out")
    assert not Path("out/turnmill.json").exists()
    if harm is harm_record:
        shutil.rmtree(PARTS / "2-of-2")
    make_part(2, 2)
    turnmill.merge("out")
    whole()
    assert_whole()


def test_a_run_and_its_parts_exclude_each_other() -> None:
    make_part(1, 1)
    Path("out/.turnmill").mkdir(parents=True, exist_ok=True)
    with local.lock(Path("out/.turnmill/lock"), shared=True):
        with pytest.raises(turnmill.TurnmillError, match="is writing to this output"):
            turnmill.merge("out")
        make_part(1, 1)
    with (
        local.lock(Path("out/.turnmill/lock")),
        pytest.raises(turnmill.TurnmillError, match="is writing to this output"),
    ):
        make_part(1, 1)
    with (
        local.lock(PARTS / "1-of-1/.turnmill/lock"),
        pytest.raises(turnmill.TurnmillError, match="is writing to this output"),
    ):
        make_part(1, 1)


def test_a_file_system_without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: Any) -> None:
        raise OSError(errno.ENOSYS, "no locks")

    monkeypatch.setattr("fcntl.flock", flock)
    make_part(1, 2)
    make_part(2, 2)
    turnmill.merge("out")
    whole()
    assert_whole()


def test_a_file_system_without_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def hardlink_to(*_: Any) -> None:
        raise OSError(errno.EPERM, "no links")

    monkeypatch.setattr(Path, "hardlink_to", hardlink_to)
    make_part(1, 1)
    turnmill.merge("out")
    whole()
    assert_whole()


def test_an_output_of_another_recipe_is_replaced_where_that_is_asked() -> None:
    turnmill.prepare(inputs(), "out", recipe(max_length=40))
    with pytest.raises(turnmill.RecipeError, match="another recipe"):
        make_part(1, 2)
    for number in (1, 2):
        make_part(number, 2, overwrite=True)
    turnmill.merge("out")
    whole()
    record = Path("out/turnmill.json").read_text()
    assert record.replace('"overwrite": true', '"overwrite": false') == (
        Path("whole/turnmill.json").read_text()
    )
    assert files_of(Path("out")) == files_of(Path("whole"))


def test_too_many_rejects_are_told_by_the_merge() -> None:
    write("b.jsonl", [{"messages": [{"role": "user", "content": "Hi"}]}] * 200)
    for number in (1, 2):
        make_part(number, 2)
    with pytest.raises(turnmill.DataError, match=r"more than max_rejects allows") as caught:
        turnmill.merge("out")
    with pytest.raises(turnmill.DataError) as alone:
        whole()
    assert str(caught.value).splitlines()[0] == str(alone.value).splitlines()[0]
    assert filecmp.cmp("out/rejects.parquet", "whole/rejects.parquet", shallow=False)


@pytest.mark.parametrize("shard", [(0, 3), (4, 3), (1,), "1/3", (1.0, 2), (True, 2), 3])
def test_what_is_no_part(shard: Any) -> None:
    with pytest.raises(turnmill.ArgumentError, match="shard cannot be"):
        turnmill.prepare("a.jsonl", "out", recipe(), shard=shard)


def test_a_report_of_a_part_is_refused() -> None:
    with pytest.raises(turnmill.ArgumentError, match="a part has no report"):
        turnmill.prepare("a.jsonl", "out", recipe(), shard=(1, 2), report=True)


def test_what_a_killed_merge_left_in_a_part_is_removed() -> None:
    make_part(1, 1)
    left = PARTS / "1-of-1/.turnmill/.tmp-names.json-0123abcd"
    left.write_text("{")
    turnmill.merge("out")
    assert not PARTS.exists()


def test_an_output_without_parts() -> None:
    with pytest.raises(turnmill.DataError, match="there are no parts here"):
        turnmill.merge("out")


def test_another_tokenizer_than_that_of_the_parts(tmp_path: Path) -> None:
    make_part(1, 1)
    shutil.copytree(TOKENIZER, tmp_path / "other")
    config = tmp_path / "other" / "tokenizer.json"
    config.write_text(config.read_text("utf-8") + "\n", "utf-8")
    with pytest.raises(turnmill.RecipeError, match="another tokenizer or template"):
        turnmill.merge("out", tokenizer=tmp_path / "other")
    shutil.copytree(TOKENIZER, tmp_path / "moved")
    turnmill.merge("out", tokenizer=tmp_path / "moved")
    whole()
    assert_whole()


def test_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["prepare", "a.jsonl", "b.jsonl", "-o", "out", "--tokenizer", str(TOKENIZER)]
    assert main([*words, "--shard", "1/2"]) == 0
    said = capsys.readouterr().err
    assert "ok: part 1 of 2 is made" in said
    assert "next: when all parts are made: turnmill merge out" in said
    assert main(["merge", "out"]) == 1
    assert "--shard 2/2" in capsys.readouterr().err
    assert main([*words, "--shard", "2/2", "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["part"] == [2, 2]
    assert main(["merge", "out", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["rows"] == 101
    assert "next: TRL:" in captured.err
    whole()
    assert_whole()
    for bad in ("0/2", "3/2", "2", "a/b", "/"):
        assert main([*words, "--shard", bad]) == 2
        assert "the second of eight; they count from 1/8" in capsys.readouterr().err
    assert main(["merge"]) == 2


def test_the_job_array_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PART_BYTES", 64 << 20)
    page = (ROOT / "docs" / "scale.md").read_text("utf-8")
    (job,) = re.findall(r"```sh\n(#!/bin/bash\n.*?)```", page, re.DOTALL)
    (count,) = re.findall(r"--array=1-(\d+)", job)
    shutil.copytree(TOKENIZER, "tokenizer")
    Path("a.jsonl").rename("chats.jsonl")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for number in range(1, int(count) + 1):
        slurm = {"SLURM_ARRAY_TASK_ID": str(number), "SLURM_ARRAY_TASK_COUNT": count}
        env = {**os.environ, **slurm, "SLURM_CPUS_PER_TASK": "1", "PATH": path}
        subprocess.run(["bash", "-e", "-c", job], env=env, cwd=tmp_path, check=True)
    turnmill.merge("out")
    turnmill.prepare("chats.jsonl", "whole", tokenizer="tokenizer")
    assert_whole()


RUN = """
from turnmill.inputs import files
from turnmill.prepare import shuffle, shuffled
files.PART_BYTES, shuffled.FILE_TOKENS, shuffle.RUN_BYTES = 2000, 600, 3000
if step == "merge":
    turnmill.merge(output, threads=1)
else:
    item = turnmill.Input("a.jsonl", weight="1.5 epochs", cap=50)
    recipe = turnmill.Recipe(tokenizer={tokenizer!r}, **{keys!r})
    turnmill.prepare([item, "b.jsonl"], output, recipe, threads=1, shard=(int(step), 2))
"""


@pytest.mark.slow
@pytest.mark.parametrize("point", ["fsync", "replace", "unlink", "link"])
@pytest.mark.parametrize(
    ("keys", "every"),
    [
        pytest.param({}, 1, marks=pytest.mark.full),
        pytest.param(EVERYTHING, 1, marks=pytest.mark.full),
        (EVERYTHING, 7),
    ],
)
def test_parts_and_merges_killed_anywhere_end_with_the_same_bytes(
    point: str, keys: dict[str, Any], every: int
) -> None:
    killed = 0
    with KilledRuns(RUN.format(tokenizer=str(TOKENIZER), keys=keys)) as runs:
        for step in ("1", "2", "merge"):
            killed += sum(1 for _ in runs.kills("out", point, every=every, step=step))
    assert killed > (0 if point in ("unlink", "link") else 5)
    whole("1.5 epochs", **keys)
    assert_whole()
    assert not list(Path("out/.turnmill").glob(".tmp-*"))
