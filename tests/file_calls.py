"""The system calls of a program on files, seen and broken by ``file_calls.c``.

A C compiler is needed, which building turnmill takes too. Only Linux lets a library stand between a
program and its C library in this way.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_suffix(".c")
SHORT, TORN, KILL = -1, -2, -3
"""What can become of a call besides an error: half of its bytes, half and then SIGKILL, SIGKILL."""


@cache
def compiled(folder: Path) -> Path:
    """The library, compiled into ``folder``; skips the test where that cannot be."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("the system calls of programs are seen on Linux only, with a C compiler")
    made = folder / "file_calls.so"
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", str(made), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    return made


def watched(made: Path, log: Path, root: Path | None = None) -> dict[str, str]:
    """The environment of a program whose calls on paths below ``root`` are lines of ``log``."""
    below = {"CALLS_ROOT": str(root)} if root else {}
    return {**os.environ, "LD_PRELOAD": str(made), "CALLS_LOG": str(log), **below}


def arm(root: Path, log: Path, kind: str, at: int, how: int, *, sticks: bool = False) -> None:
    """Chooses the call that goes wrong in this process, which has the library loaded.

    Args:
        root: Only calls on paths below it count.
        log: Every call is a line in it; the broken ones begin with ``!``.
        kind: Of the calls of this kind,
        at: the one with this number, from 0; none if it is negative.
        how: An ``errno``, or what else becomes of it.
        sticks: Whether all later ones go wrong too.
    """
    texts = [os.fsencode(root), os.fsencode(log), kind.encode()]
    calls_arm = ctypes.CDLL(None).calls_arm
    calls_arm.argtypes = [ctypes.c_char_p] * 3 + [ctypes.c_long, ctypes.c_int, ctypes.c_int]
    calls_arm(*texts, at, how, int(sticks))


def calls(log: Path) -> list[tuple[str, str]]:
    """The kind and path of every call in a log."""
    lines = log.read_text(errors="surrogateescape").splitlines()
    return [(kind, path) for kind, _, path in (line.partition(" ") for line in lines)]
