"""Standard streams that are closed, full, gone, or speak another encoding; hostile text in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import turnmill

pytestmark = pytest.mark.slow

PACKAGE = Path(turnmill.__file__).parent
TOKENIZER = PACKAGE / "demo" / "tokenizer"
ESCAPE = "\x1b[2J\x07"


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = [{"role": "user", "content": "Café 你好"}, {"role": "assistant", "content": "“yes”"}]
    Path("a.jsonl").write_text(json.dumps({"messages": said}) + "\n")


def shell(words: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """A command line through bash, with ``turnmill`` as this package's."""
    command = f'turnmill() {{ "{sys.executable}" -m turnmill "$@"; }}; {words}'
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        "PYTHONPATH": str(PACKAGE.parent),
        "PYTHONWARNINGS": "ignore",
        "T": str(TOKENIZER),
        **variables,
    }
    done = subprocess.run(
        ["bash", "-c", command], check=False, capture_output=True, env=environment, timeout=60
    )
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    return done


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-", "2>/dev/full"])
def test_a_run_without_anybody_to_talk_to(closed: str) -> None:
    done = shell(f"turnmill prepare a.jsonl -o out --tokenizer $T {closed}")
    assert Path("out/state.json").exists()
    assert done.returncode == (1 if "full" in closed else 0)


def test_standard_output_that_is_full() -> None:
    for words in ("turnmill --help", "turnmill show a.jsonl --tokenizer $T --json"):
        done = shell(f"{words} >/dev/full")
        assert done.returncode == 1
        assert done.stderr.decode() == (
            "error: no space left on device\n  at standard output\nhint: send it somewhere else\n"
        )


def test_a_reader_that_leaves() -> None:
    done = shell("turnmill show a.jsonl --tokenizer $T --full | true")
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "gbk", "utf-16", "utf-8"])
def test_streams_of_another_encoding(encoding: str) -> None:
    words = "turnmill show a.jsonl --tokenizer $T"
    plain = shell(words, PYTHONIOENCODING=encoding)
    assert plain.returncode == 0
    shown = shell(f"{words} --json", PYTHONIOENCODING=encoding)
    (row,) = json.loads(shown.stdout.decode(encoding))
    assert "Café 你好" in row["samples"][0]["pieces"][0]["text"]


def test_text_of_strangers_does_not_reach_the_terminal_as_control_codes() -> None:
    bad = {"messages": [{"role": f"user{ESCAPE}", "content": ESCAPE}]}
    Path("bad.jsonl").write_text(json.dumps(bad) + "\n")
    Path("keys.jsonl").write_text(json.dumps({ESCAPE: 1}) + "\n")
    name = f"{ESCAPE}.jsonl"
    Path(name).write_bytes(Path("a.jsonl").read_bytes())
    for words in (
        "turnmill show bad.jsonl --tokenizer $T",
        "turnmill prepare bad.jsonl -o bad --tokenizer $T",
        "turnmill prepare keys.jsonl -o keys --tokenizer $T",
        "turnmill prepare $N -o named --tokenizer $T",
        "turnmill show named",
        "turnmill show no$N --tokenizer $T",
        "turnmill check bad.jsonl --tokenizer $T",
    ):
        done = shell(words, N=name)
        assert b"\x1b" not in done.stdout + done.stderr, words
        assert b"\x07" not in done.stdout + done.stderr, words
