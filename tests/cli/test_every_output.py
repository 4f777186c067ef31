"""Every command that reads an output, on an output of every kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pytest

import turnmill
from turnmill.cli import main

pytestmark = pytest.mark.slow

TOKENIZER = str(Path(turnmill.__file__).parent / "demo" / "tokenizer")


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _chat(n: int) -> dict[str, Any]:
    return {"messages": [_message("user", f"What is {n}?"), _message("assistant", f"It is {n}.")]}


def _pair(n: int) -> dict[str, Any]:
    prompt, chosen = _chat(n)["messages"]
    rejected = _message("assistant", f"No, {n}.")
    return {"prompt": [prompt], "chosen": [chosen], "rejected": [rejected]}


def _judged(n: int) -> dict[str, Any]:
    return {**_chat(n), "label": n % 2 == 0}


def _text(n: int) -> dict[str, Any]:
    return {"text": f"The number {n}."}


def _completion(n: int) -> dict[str, Any]:
    return {"prompt": f"What is {n}?", "completion": f" It is {n}."}


def _segments(n: int) -> dict[str, Any]:
    parts = (False, f"What is {n}? "), (True, f"It is {n}.<|im_end|>")
    return {"segments": [{"label": label, "text": text} for label, text in parts]}


KINDS: dict[str, tuple[Any, list[str]]] = {
    "chats": (_chat, []),
    "parquet": (_chat, ["--format", "parquet"]),
    "shuffled": (_chat, ["--shuffle"]),
    "two sets": (_chat, ["--validation", "0.3"]),
    "packed": (_chat, ["--pack", "64", "--max-length", "64"]),
    "texts": (_text, []),
    "completions": (_completion, []),
    "prompts": (_chat, ["--train-on", "none"]),
    "segments": (_segments, []),
    "pairs": (_pair, []),
    "judged answers": (_judged, []),
}
COMMANDS = ["check", "check --files", "show -n 3", "show --longest -n 2", "stats", "stats --json"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_command_takes_it(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    row, flags = KINDS[kind]
    Path("a.jsonl").write_text("".join(json.dumps(row(n)) + "\n" for n in range(30)), "utf-8")
    words = ["prepare", "a.jsonl", "-o", "out", "--tokenizer", TOKENIZER, "--report", *flags]
    assert main(words) == 0, capsys.readouterr().err
    assert "<html" in Path("out/report.html").read_text("utf-8")
    for command in COMMANDS:
        name, *rest = command.split()
        assert main([name, "out", *rest]) == 0, (command, capsys.readouterr())
    assert main(["export", "out", "--to", "datasets", "-o", "exported"]) == 0
    data = datasets.load_from_disk("exported")
    sets = data.values() if isinstance(data, datasets.DatasetDict) else [data]
    assert sum(len(each) for each in sets) == 30
