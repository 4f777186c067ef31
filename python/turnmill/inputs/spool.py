"""Standard input: kept in a file, because rows are read more than once."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import sys
import tempfile
from functools import cache

from turnmill.errors import DataError

STANDARD_INPUT = "-"
"""The name that stands for it."""


@cache
def spooled_input() -> str:
    """The file that holds what came from standard input; it is removed when the process ends.

    Raises:
        DataError: Standard input is a terminal.
    """
    if sys.stdin is None or sys.stdin.isatty():
        message = "`-` reads rows from standard input, and nothing is connected to it"
        raise DataError(message, code="no-input", hint="such as: zcat chat.jsonl.gz | turnmill ...")
    with tempfile.NamedTemporaryFile(prefix="turnmill-", delete=False) as file:
        atexit.register(_remove, file.name)
        shutil.copyfileobj(sys.stdin.buffer, file, 4 << 20)
    return file.name


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 - pathlib may be gone by then
