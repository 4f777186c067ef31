"""What signals do to the command.

Ctrl-C is handled here while the command's own modules are imported and cannot catch it yet. Later
it is an exception, and so is a request to end from another program: temporary files are removed.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import pairwise
from typing import Any


class Stopped(KeyboardInterrupt):
    """Another program, or a terminal that is gone, asks the command to end."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.exit_code = 128 + number
        """As shells tell it."""


def begin() -> None:
    """If this process is the command, lets signals end it quietly until `ready`."""
    for number, usual in _USUAL.items():
        # What is ignored, as SIGHUP is by `nohup`, stays ignored.
        if _is_command() and signal.getsignal(number) is usual:
            signal.signal(number, _leave)


def ready() -> None:
    """Makes signals exceptions, because from now on the command catches them."""
    for number in _USUAL:
        if signal.getsignal(number) is _leave:
            signal.signal(number, _raise)


def _is_command() -> bool:
    """Whether this process is `turnmill …` or `python -m turnmill …`, rather than a user of it."""
    program = os.path.basename(sys.argv[0] if sys.argv else "")  # noqa: PTH119 - pathlib is slow
    as_module = program == "-m" and ("-m", "turnmill") in pairwise(sys.orig_argv)
    return program in {"turnmill", "turnmill.exe"} or as_module


def _raise(number: int, _frame: Any) -> None:
    raise KeyboardInterrupt if number == signal.SIGINT else Stopped(number)


def _leave(number: int, _frame: Any) -> None:
    told = "interrupted" if number == signal.SIGINT else str(Stopped(number))
    os.write(2, f"{told}\n".encode())
    os._exit(128 + number)


_USUAL = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
}
"""Signals that end the command, each with what Python does on it."""
