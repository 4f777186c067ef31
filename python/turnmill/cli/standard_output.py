"""Standard output, which holds data, whether it is a terminal, a file or a pipe."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from typing import Any

from turnmill._environment import pager


def prepare_streams() -> None:
    """Escapes characters that a terminal or pipe cannot show, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_json(value: Any) -> None:
    """Prints a value as one line of JSON, in ASCII if the stream is not UTF-8."""
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "")
    print(json.dumps(value, ensure_ascii=encoding != "utf8"))


def print_paged(text: str) -> None:
    """Prints a text; one that is longer than the terminal goes through the pager."""
    lines = shutil.get_terminal_size().lines
    command = pager() if sys.stdout.isatty() and text.count("\n") >= lines else None
    if command is None:
        print(text)
        return
    # A pager that is left early has seen enough; -R lets it draw colours.
    environment = {"LESS": "FRX", **os.environ}
    with contextlib.suppress(BrokenPipeError):
        subprocess.run(command, input=text + "\n", text=True, env=environment, check=False)


def flush() -> None:
    """Writes out what is still buffered.

    Raises:
        OSError: It cannot be written; the error names standard output.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        named = OSError(error.errno, error.strerror, "standard output")
        named.add_note("hint: send it somewhere else")
        raise named from error


def give_up() -> None:
    """Discards the buffer if it can no longer be written.

    The interpreter would otherwise print an error when it exits.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
