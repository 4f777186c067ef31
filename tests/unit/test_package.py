"""The package as a whole: what it exports, what importing it costs, doctests."""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys

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
