"""Reports failures, and chooses their exit code."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from turnmill._environment import traceback
from turnmill._problems import more
from turnmill._start import Stopped
from turnmill._terminal import Terminal, visible
from turnmill.cli.standard_output import flush, give_up, print_json
from turnmill.errors import DataError, InternalError, TurnmillError, os_error_code

DONE = 0
DATA = 1
USAGE = 2
INTERRUPTED = 130

_REPORT = "please report this, with the output of `turnmill --version`"
_ISSUES = "set TURNMILL_TRACEBACK=1 to see where it happened"


def report(error: BaseException, console: Terminal, *, as_json: bool = False) -> int:
    """Prints what went wrong, where, and what to do; returns the exit code.

    Args:
        error: What went wrong.
        console: Where it is told.
        as_json: Whether it is also printed on standard output, as JSON.
    """
    if not isinstance(error, KeyboardInterrupt):
        give_up()
    if isinstance(error, BrokenPipeError):
        return DATA
    if traceback() and not isinstance(error, KeyboardInterrupt):
        raise error
    if as_json:
        with contextlib.suppress(OSError, ValueError):
            others = [to_dict(other) for other in more(error)]
            print_json({"error": to_dict(error), **({"more": others} if others else {})})
            flush()
    if isinstance(error, KeyboardInterrupt):
        return _interrupted(error, console)
    every = (error, *more(error))
    for one in every:
        _tell(one, console)
    return max(exit_code(one) for one in every)


def _tell(error: BaseException, console: Terminal) -> None:
    what, place, hint = describe(error)
    first, *more = visible(what).split("\n")
    console.write(console.style("error", "bold", "red") + ": " + first)
    for line in more:
        console.write(line)
    if place:
        console.write("  at " + console.style(visible(place), "cyan"))
    for line in visible(hint).split("\n") if hint else []:
        console.write(console.style("hint", "bold", "cyan") + ": " + line)


def to_dict(error: BaseException) -> dict[str, Any]:
    """An error as JSON-able values: `code`, `message`, `place` with its parts, and `hint`."""
    what, place, hint = describe(error)
    parts = ("path", "line", "row", "message_index")
    known = {name: getattr(error, name, None) for name in parts}
    if isinstance(error, OSError) and error.filename is not None:
        known["path"] = str(error.filename)
    return {
        "code": _code(error),
        "message": what,
        "place": place or None,
        **known,
        "hint": hint,
    }


def _code(error: BaseException) -> str:
    """The stable name of the problem."""
    if isinstance(error, TurnmillError):
        return error.code or "error"
    if isinstance(error, OSError):
        return os_error_code(error)
    if isinstance(error, MemoryError):
        return "out-of-memory"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else "unexpected"


def describe(error: BaseException) -> tuple[str, str, str | None]:
    """The sentence, the place and the hint of an error."""
    if isinstance(error, KeyboardInterrupt):
        return _told(error), "", _noted_hint(error)
    if isinstance(error, InternalError):
        return str(error), error.place, error.hint or f"{_REPORT}; {_ISSUES}"
    if isinstance(error, TurnmillError):
        return str(error), error.place, error.hint
    if isinstance(error, OSError):
        return _os_error(error)
    if isinstance(error, MemoryError):
        return "out of memory", "", "give fewer --threads"
    return f"{type(error).__name__}: {error}", "", f"{_REPORT}; {_ISSUES}"


def _os_error(error: OSError) -> tuple[str, str, str | None]:
    what = error.strerror or str(error)
    place = str(error.filename) if error.filename is not None else ""
    return what[:1].lower() + what[1:], place, _noted_hint(error) or _hint_by_kind(error)


def _noted_hint(error: BaseException) -> str | None:
    for note in getattr(error, "__notes__", []):
        if note.startswith("hint: "):
            return str(note).removeprefix("hint: ")
    return None


def _hint_by_kind(error: OSError) -> str | None:
    import errno

    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return (
            "make room and run the same command again: finished shards are kept; "
            "`--format parquet` takes a third of the room"
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        path = Path(str(error.filename or "."))
        return f"give another directory with -o, or make {path.parent} writable"
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return "let the process open more files (ulimit -n), and run the same command again"
    if error.errno == errno.ENOMEM:
        return "give fewer --threads, or end other programs, and run the same command again"
    if error.errno in {errno.EIO, errno.ESTALE, errno.ENXIO, errno.ETIMEDOUT}:
        return (
            "the disk, or the connection to it, has a fault, which the log of the system may "
            "explain; run the same command again when it is well"
        )
    if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}:
        return None
    return "run the same command again"


def exit_code(error: BaseException) -> int:
    """1 for the data; 2 for usage, decisions and unexpected errors."""
    return DATA if isinstance(error, DataError | OSError) else USAGE


def _interrupted(error: KeyboardInterrupt, console: Terminal) -> int:
    console.write(console.style(_told(error), "bold", "yellow"))
    hint = _noted_hint(error)
    if hint:
        console.write(console.style("hint", "bold", "cyan") + ": " + hint)
    return error.exit_code if isinstance(error, Stopped) else INTERRUPTED


def _told(error: KeyboardInterrupt) -> str:
    return str(error) if isinstance(error, Stopped) else "interrupted"
