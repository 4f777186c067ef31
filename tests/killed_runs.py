"""Runs that end in SIGKILL at a chosen call, for tests of resuming."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import turnmill

SCRIPT = """
import sys, os
sys.path[:0] = [{python!r}]
import warnings; warnings.simplefilter("ignore")
import turnmill
point, left = sys.argv[1], int(sys.argv[2])
real = getattr(os, point)
def die(*args, **keys):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), 9)
    return real(*args, **keys)
setattr(os, point, die)
output = sys.argv[3]
{run}
"""


def killed_run(run: str, point: str, left: int, output: str, *, timeout: int = 60) -> int:
    """The exit code of a program that dies at a call of ``os``.

    Args:
        run: The program, which prepares into ``output``.
        point: The name of the function of ``os``.
        left: Calls of it that succeed before.
        output: The output directory.
        timeout: Seconds after which the test fails.
    """
    script = SCRIPT.format(python=str(Path(turnmill.__file__).parents[1]), run=run)
    command = [sys.executable, "-c", script, point, str(left), output]
    return subprocess.run(command, check=False, timeout=timeout).returncode
