"""Runs that end in SIGKILL at a chosen call, for tests of resuming.

Every run is a fork of one process that has imported turnmill already, so hundreds of kills take
seconds.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

import turnmill

EVERY = [pytest.param(1, marks=pytest.mark.full), 3]
"""Calls between two kills: each call in the full tests, and a sample."""

SERVER = """
import json, os, sys, traceback, warnings
sys.path[:0] = [{python!r}]
warnings.simplefilter("ignore")
import turnmill

def run(step, output):
    exec({run!r}, dict(turnmill=turnmill, step=step, output=output))

def kill_at(point, left):
    real = getattr(os, point)
    def die(*args, **keys):
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), 9)
        return real(*args, **keys)
    setattr(os, point, die)

for line in sys.stdin:
    point, left, step, output = json.loads(line)
    if child := os.fork():
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(code, flush=True)
        continue
    sys.stdout = sys.stderr
    try:
        if left is not None:
            kill_at(point, left)
        run(step, output)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
"""


class KilledRuns:
    """A program that can be run, and killed, many times."""

    def __init__(self, run: str) -> None:
        """Starts the process.

        Args:
            run: The program. It knows ``turnmill``, ``step`` and ``output``.
        """
        server = SERVER.format(python=str(Path(turnmill.__file__).parents[1]), run=run)
        self._process = subprocess.Popen(
            [sys.executable, "-c", server], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def run(self, output: str, *, step: str = "", point: str = "", left: int | None = None) -> int:
        """The exit code of one run; that of a killed one is -9.

        Args:
            output: The output directory.
            step: What the program is told.
            point: The name of the function of ``os`` at which the run dies.
            left: Calls of it that succeed before; None for a run to the end.
        """
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps([point, left, step, output]), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def kills(self, output: str, point: str, every: int, *, step: str = "") -> Iterator[int]:
        """Runs until one ends, each killed so many calls later than the one before.

        Args:
            output: The output directory.
            point: The name of the function of ``os`` at which the runs die.
            every: Calls between two kills.
            step: What the program is told.

        Yields:
            After each kill, the calls that succeeded before it.
        """
        left = 1
        while code := self.run(output, step=step, point=point, left=left):
            assert code == -signal.SIGKILL, f"the run ended with {code}, see its messages"
            yield left
            left += every
