"""Handles Ctrl-C while the command's own modules are imported and cannot catch it yet."""

from __future__ import annotations

import os
import signal
import sys
from itertools import pairwise
from typing import Any


def begin() -> None:
    """If this process is the command, lets Ctrl-C end it quietly until `ready`."""
    if _is_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def ready() -> None:
    """Gives Ctrl-C back to Python, because from now on the command catches it."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _is_command() -> bool:
    """Whether this process is `turnmill …` or `python -m turnmill …`, rather than a user of it."""
    program = os.path.basename(sys.argv[0] if sys.argv else "")  # noqa: PTH119 - pathlib is slow
    as_module = program == "-m" and ("-m", "turnmill") in pairwise(sys.orig_argv)
    return program in {"turnmill", "turnmill.exe"} or as_module


def _leave(*_: Any) -> None:
    os.write(2, b"interrupted\n")
    os._exit(130)
