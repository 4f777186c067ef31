"""The package as a whole: what it exports, what importing it costs, doctests."""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import turnmill

LATE = ("numpy", "pyarrow", "tomllib", "hashlib", "multiprocessing", "asyncio")


def test_what_is_exported_is_there_once_and_documented() -> None:
    assert len(set(turnmill.__all__)) == len(turnmill.__all__)
    for name in turnmill.__all__:
        exported = getattr(turnmill, name)
        assert isinstance(exported, str) or exported.__doc__, name


def test_importing_it_imports_nothing_heavy() -> None:
    script = f"import sys, turnmill; print([m for m in {LATE} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


@pytest.mark.parametrize(
    ("keys", "late"),
    [
        ({}, ["pandas", "pyarrow.compute", "pyarrow.dataset"]),
        ({"shuffle": True, "dedup": "exact", "validation": 0.2}, ["pandas", "pyarrow.dataset"]),
    ],
)
def test_a_run_imports_no_module_that_takes_long_and_is_not_needed(
    tmp_path: Path, keys: dict[str, Any], late: list[str]
) -> None:
    demo = Path(turnmill.__file__).parent / "demo"
    rows = (demo / "data" / "messages.jsonl").read_text("utf-8")
    Path(tmp_path, "rows.jsonl").write_text(rows * 2 + "{broken\n", "utf-8")
    script = f"""
import sys, turnmill
recipe = turnmill.Recipe(tokenizer={str(demo / "tokenizer")!r}, **{keys!r})
run = turnmill.prepare("rows.jsonl", "out", recipe, threads=1)
assert run.rejected, "rejects have code of their own"
print([m for m in {late!r} if m in sys.modules])
"""
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert run.stdout == "[]\n", run.stderr


def test_a_debug_build_says_so() -> None:
    script = "import turnmill"
    run = subprocess.run(
        [sys.executable, "-W", "always", "-c", script], capture_output=True, text=True, check=True
    )
    warned = "built without optimisation" in run.stderr
    assert warned == turnmill.build_info()["debug"]


@pytest.mark.parametrize("name", ["", "encoder", "errors", "recipe", "template", "tokenizer"])
def test_doctests(name: str) -> None:
    module = importlib.import_module(f"turnmill.{name}".rstrip("."))
    assert doctest.testmod(module).failed == 0
