"""Every file of an output is vouched for: flipped, cut or deleted, one by one, each is noticed."""

from __future__ import annotations

import fcntl
import importlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import turnmill
from small_rows import TOKENIZER, json_lines, rows
from turnmill import check_files
from turnmill.cli import main
from turnmill.errors import DataError, TurnmillError

pytestmark = pytest.mark.slow

FORMS: dict[str, dict[str, Any]] = {
    "arrow": {},
    "parquet": {"format": "parquet"},
    "apart": {"validation": 0.3, "dedup": "exact"},
}


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def made(**keys: Any) -> Path:
    alone = b'{"messages": [{"role": "user", "content": "alone"}]}\n'
    Path("a.jsonl").write_bytes(json_lines(20) + alone)
    Path("b.jsonl").write_bytes(json_lines(20, start=20))
    recipe = turnmill.Recipe(tokenizer=TOKENIZER, **keys)
    turnmill.prepare(["a.jsonl", "b.jsonl"], "out", recipe, threads=1)
    turnmill.pack("out", 256, write=True)
    return Path("out")


def flip(path: Path) -> None:
    data = path.read_bytes()
    at = len(data) // 2
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


def flip_the_end(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def link(path: Path) -> None:
    path.rename("elsewhere")
    path.symlink_to(Path("elsewhere").absolute())


HARMS: list[Callable[[Path], None]] = [flip, flip_the_end, cut, Path.unlink, link]


@pytest.mark.parametrize("form", FORMS)
def test_no_harm_to_any_file_goes_unnoticed(form: str) -> None:
    made(**FORMS[form])
    files = sorted(path for path in Path("out").rglob("*") if path.is_file())
    files.remove(Path("out/.turnmill/lock"))  # empty, and made again by whoever needs it
    assert check_files("out").ok
    assert len(check_files("out").intact) == len(files) - 2, "all but the two manifests themselves"
    for file in files:
        name = str(file.relative_to("out"))
        for harm in HARMS:
            shutil.copytree("out", "whole")
            harm(file)
            found = check_files("out")
            assert list(found.damaged) == [name], (harm.__name__, name)
            shutil.rmtree("out")
            Path("whole").rename("out")
    assert check_files("out").ok


@pytest.mark.parametrize("form", FORMS)
def test_the_same_command_heals_what_was_damaged(form: str) -> None:
    made(**FORMS[form])
    whole = {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()}
    for path in whole:
        # Without its plan and its names nothing says that the output is of this recipe.
        if path.name not in {"plan.json", "names.json", "lock"} and "pack-" not in str(path):
            flip(path)
    assert not check_files("out").ok
    made(**FORMS[form])
    assert check_files("out").ok
    differing = {path.name for path, data in whole.items() if path.read_bytes() != data}
    assert differing <= {"run.json"}


def test_a_check_of_the_content_tells_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    out = made()
    assert turnmill.check(out).ok
    flip(out / "serving" / "README.md")
    (out / "dataset_info.json").unlink()
    findings = turnmill.check(out)
    notes = {
        name: [place["note"] for place in found.evidence]
        for name, found in findings.rules.items()
        if found.severity == "error"
    }
    assert notes["broken-input"] == ["dataset_info.json is missing"]
    (changed,) = notes["stale-cache"]
    assert changed.startswith("serving/README.md was changed after it was written; ")
    assert "every data file among them" in changed
    assert findings.facts["replay"]["by"] == "rendered", "the samples are compared all the same"
    assert main(["check", "out"]) == 1
    assert "serving/README.md was changed" in capsys.readouterr().out


def test_what_the_command_says(capsys: pytest.CaptureFixture[str]) -> None:
    out = made()
    (out / "mine.txt").write_text("mine")
    assert main(["check", "--files", "out"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("ok: all ")
    assert "note: not in the manifest: mine.txt" in said
    data, _ = sorted(out.glob("data-*.arrow"))
    flip(data)
    assert main(["check", "--files", "out"]) == 1
    said = capsys.readouterr().out
    assert f"not ok: 1 file is not what was written\n  {data.name} was changed" in said
    assert "1 of 2 data files among them" not in said, "the pack's file counts too"
    assert "2 of 3 data files among them" in said
    assert "hint: run the same `turnmill prepare` again" in said
    assert main(["check", "--files", "out", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["damaged"] == {data.name: "was changed after it was written"}
    assert (told["ok"], told["foreign"]) == (False, ["mine.txt"])


def test_a_stranger_that_loaders_would_take_for_data() -> None:
    out = made(format="parquet")
    shutil.copy(next(out.glob("data-*.parquet")), out / "data-mine.parquet")
    found = check_files(out)
    assert found.damaged == {"data-mine.parquet": "is not turnmill's, and would be loaded as data"}
    shutil.copy(out / "data-mine.parquet", out / "mine.parquet")
    assert check_files(out).foreign == ["mine.parquet"]


@pytest.mark.parametrize("changed", ["{}", "[]", "", "no JSON", '{"files": {}}'])
def test_a_manifest_that_is_none(changed: str) -> None:
    out = made()
    (out / "manifest.json").write_text(changed)
    found = check_files(out)
    assert found.damaged == {"manifest.json": "was changed after it was written"}


def test_a_run_that_was_stopped_leaves_no_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    made()

    def stop(*_args: Any, **_keys: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(importlib.import_module("turnmill.prepare.run"), "commit", stop)
        with pytest.raises(KeyboardInterrupt):
            made()
    assert check_files("out").damaged == {
        "manifest.json": "is missing: the run was stopped before its end"
    }
    made()
    assert check_files("out").ok


@pytest.mark.parametrize("check", [turnmill.check, check_files])
def test_a_check_of_an_output_at_work_says_so(check: Callable[[Path], Any]) -> None:
    out = made()
    with (out / ".turnmill" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("process 7")
        lock.flush()
        with pytest.raises(TurnmillError, match="process 7 is writing to this output") as raised:
            check(out)
    assert raised.value.code == "output-locked"
    assert raised.value.hint == "check it when the run has ended"
    assert check(out).ok


def test_files_that_are_no_output() -> None:
    Path("data").mkdir()
    with pytest.raises(DataError, match="did not write this directory"):
        check_files("data")


def test_an_output_behind_a_uri() -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    uri = "fsspec+memory://bucket/vouched"
    turnmill.prepare(rows(5), uri, turnmill.Recipe(tokenizer=TOKENIZER), threads=1)
    assert check_files(uri).ok
    store = MemoryFileSystem()
    store.pipe("/bucket/vouched/serving/Modelfile", b"FROM elsewhere")
    store.pipe("/bucket/vouched/mine.txt", b"mine")
    found = check_files(uri)
    assert list(found.damaged) == ["serving/Modelfile"]
    assert found.foreign == ["mine.txt"]
    store.rm("/bucket/vouched", recursive=True)
