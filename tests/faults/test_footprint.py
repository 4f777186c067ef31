"""What the commands leave on a machine, and what they do not touch.

The commands run one after another in a process whose system calls ``file_calls.c`` writes down.
"""

from __future__ import annotations

import stat
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import file_calls
import turnmill
from file_calls import calls
from small_rows import TOKENIZER, json_lines

# Every command runs, several times: on a busy machine that takes its time.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MODEL = f"--tokenizer {TOKENIZER} -q"
COMMANDS = f"""\
prepare a.jsonl -o out {MODEL} --report --validation 0.2 --dedup exact
prepare a.jsonl -o whole {MODEL} --format parquet
prepare a.jsonl -o whole {MODEL} --overwrite
prepare a.jsonl -o shuffled {MODEL} --shuffle
prepare a.jsonl b.jsonl -o parts {MODEL} --shard 1/2
prepare a.jsonl b.jsonl -o parts {MODEL} --shard 2/2
merge parts -q
pack out --length 200 --write -q
export out --to datasets -o there/datasets -q
export out/pack-200-0 --to nemo -o there/nemo -q
export out --to mds -o there/mds -q
export out --to numpy -o there/numpy -q
export out --to messages -o there/messages -q
check out -q
check out --files -q
check a.jsonl {MODEL}
show out --sample 0
show out --source a.jsonl:3
stats out
report out -q
"""
WRITTEN = ("out", "whole", "shuffled", "parts", "there")
SCRIPT = """
import contextlib, io, sys
from turnmill.cli import main
for line in sys.argv[1].splitlines():
    with contextlib.redirect_stdout(io.StringIO()):
        code = main(line.split())
    if code:
        sys.exit(f"{line}: exit {code}")
"""
CHANGING = ("create", "open-to-write", "mkdir", "rename", "link", "unlink", "truncate")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("footprint")


@cache
def ran(place: Path, umask: int) -> Path:
    """A directory in which all commands ran, as a user with an empty home."""
    room = place / f"{umask:03o}"
    for name in ("data", "home", "temporary"):
        (room / name).mkdir(parents=True)
    (room / "data/a.jsonl").write_bytes(json_lines(60))
    (room / "data/b.jsonl").write_bytes(json_lines(20, start=60))
    environment = {
        **file_calls.watched(file_calls.compiled(place), room / "calls.log"),
        "HOME": str(room / "home"),
        "TMPDIR": str(room / "temporary"),
        "PYTHONPATH": str(Path(turnmill.__file__).parents[1]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONWARNINGS": "ignore",
    }
    del environment["XDG_CACHE_HOME"]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, COMMANDS],
        check=False,
        capture_output=True,
        text=True,
        cwd=room / "data",
        env=environment,
        umask=umask,
    )
    assert done.returncode == 0, done.stderr
    return room


def test_no_command_opens_a_socket(place: Path) -> None:
    opened = [what for kind, what in calls(ran(place, 0o022) / "calls.log") if kind == "socket"]
    assert opened == []


def test_a_socket_would_be_seen(place: Path, tmp_path: Path) -> None:
    environment = file_calls.watched(file_calls.compiled(place), tmp_path / "calls.log")
    script = "import socket; socket.socket().close()"
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
    assert ("socket", "domain 2") in calls(tmp_path / "calls.log")


def test_nothing_is_changed_outside_the_output_and_the_cache(place: Path) -> None:
    room = ran(place, 0o022)
    ours = [*(f"{room}/data/{name}" for name in WRITTEN), f"{room}/home/.cache/turnmill"]
    made = {f"{room}/home/.cache", "/dev/null"}
    changed = {path for kind, path in calls(room / "calls.log") if kind in CHANGING}
    assert len(changed) > 100
    assert {path for path in changed - made if not path.startswith(tuple(ours))} == set()
    assert list((room / "temporary").iterdir()) == []
    kept = sorted(path.name for path in (room / "home").rglob("*") if path.is_dir())
    assert kept == [".cache", "self-check", "turnmill"]


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_permissions_follow_the_umask(umask: int, place: Path) -> None:
    work = ran(place, umask) / "data"
    made = [path for name in WRITTEN for path in [work / name, *(work / name).rglob("*")]]
    assert sum(path.is_file() for path in made) > 80
    for path in made:
        expected = (0o777 if path.is_dir() else 0o666) & ~umask
        assert stat.S_IMODE(path.stat().st_mode) == expected, path
