"""The examples on pages about training run as they stand, in the order of the page."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import turnmill
from fixtures import ROOT

DEMO = Path(turnmill.__file__).parent / "demo"
PAGES = ("export.md", "training.md")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what the pages speak of."""
    place = tmp_path_factory.mktemp("docs")
    shutil.copy(DEMO / "data" / "messages.jsonl", place / "chats.jsonl")
    shutil.copytree(DEMO / "tokenizer", place / "tokenizer")
    turnmill.prepare(place / "chats.jsonl", place / "out", tokenizer=place / "tokenizer")
    turnmill.pack(place / "out", 4096)
    return place


@pytest.mark.parametrize("page", PAGES)
def test_examples_run(place: Path, page: str) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")
    blocks = re.findall(r"^```python( torch)?\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert blocks
    has_torch = importlib.util.find_spec("torch") is not None
    code = "\n".join(code for torch, code in blocks if has_torch or not torch)
    run = subprocess.run(
        [sys.executable, "-c", f"import turnmill\n{code}"],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
