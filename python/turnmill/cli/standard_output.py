"""Standard output: what is written there is data, whatever it is connected to."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from typing import Any


def prepare_streams() -> None:
    """A character that a terminal or pipe cannot show is escaped, and never an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_json(value: Any) -> None:
    """Prints a value as one line of JSON, in ASCII where the stream is not UTF-8."""
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "")
    print(json.dumps(value, ensure_ascii=encoding != "utf8"))


def flush() -> None:
    """Sends what is still held.

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
    """Drops what is held if nobody can take it; the interpreter would complain at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
