"""Reports failures, and chooses their exit code."""

from __future__ import annotations

from pathlib import Path

from turnmill._environment import traceback
from turnmill._terminal import Terminal, visible
from turnmill.cli.arguments import UsageError
from turnmill.cli.standard_output import give_up
from turnmill.errors import DataError, InternalError, TurnmillError

DONE = 0
DATA = 1
USAGE = 2
INTERRUPTED = 130

_REPORT = "please report this, with the output of `turnmill --version`"
_ISSUES = "set TURNMILL_TRACEBACK=1 to see where it happened"


def report(error: BaseException, console: Terminal) -> int:
    """Prints what went wrong, where, and what to do; returns the exit code."""
    if isinstance(error, KeyboardInterrupt):
        return _interrupted(error, console)
    give_up()
    if isinstance(error, BrokenPipeError):
        return DATA
    if traceback():
        raise error
    what, place, hint = describe(error)
    first, *more = visible(what).split("\n")
    console.write(console.style("error", "bold", "red") + ": " + first)
    for line in more:
        console.write(line)
    if place:
        console.write("  at " + console.style(visible(place), "cyan"))
    for line in visible(hint).split("\n") if hint else []:
        console.write(console.style("hint", "bold", "cyan") + ": " + line)
    return exit_code(error)


def describe(error: BaseException) -> tuple[str, str, str | None]:
    """The sentence, the place and the hint of an error."""
    if isinstance(error, UsageError):
        return str(error), "", error.hint
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
    return None


def exit_code(error: BaseException) -> int:
    """1 for the data; 2 for usage, decisions and unexpected errors."""
    return DATA if isinstance(error, DataError | OSError) else USAGE


def _interrupted(error: KeyboardInterrupt, console: Terminal) -> int:
    console.write(console.style("interrupted", "bold", "yellow"))
    hint = _noted_hint(error)
    if hint:
        console.write(console.style("hint", "bold", "cyan") + ": " + hint)
    return INTERRUPTED
