"""Checks the arguments of API calls before any work, so that an error names the argument."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from turnmill import _core
from turnmill.errors import ArgumentError

MOST_THREADS = 65_535
MOST_SEED = (1 << 64) - 1


def thread_count(threads: Any) -> int | None:
    """A number of threads; ``None`` means all cores.

    Raises:
        ArgumentError: It is not a whole number above 0, or more than any machine has.
    """
    if threads is None or (is_whole(threads) and 0 < threads <= MOST_THREADS):
        return None if threads is None else int(threads)
    message = f"threads cannot be {threads!r}"
    hint = f"threads takes a whole number from 1 to {MOST_THREADS:,}, or None for all cores"
    raise ArgumentError(message, code="invalid-threads", hint=hint)


def position(value: Any, name: str) -> Any:
    """A number of rows, or the index of one, from 0; ``None`` if it was not given.

    Raises:
        ArgumentError: It is not a whole number from 0.
    """
    if value is None or (is_whole(value) and value >= 0):
        return value
    message = f"{name} cannot be {value!r}"
    raise ArgumentError(message, code="invalid-position", hint=f"{name} takes a number from 0")


def whole_number(value: Any, name: str, least: int, most: int) -> int:
    """A whole number in a range.

    Raises:
        ArgumentError: It is not a whole number, or outside the range.
    """
    if is_whole(value) and least <= value <= most:
        return int(value)
    message = f"{name} cannot be {value!r}"
    hint = f"{name} takes a whole number from {least:,} to {most:,}"
    raise ArgumentError(message, code=f"invalid-{name}", hint=hint)


def is_whole(value: Any) -> bool:
    """Whether it is a whole number, of Python or numpy. Truth values are not."""
    return hasattr(value, "__index__") and not isinstance(value, bool)


def path_text(path: Any, what: str) -> str:
    """A path as text; ``what`` begins the sentence of the error.

    Raises:
        ArgumentError: It is not a path.
    """
    if isinstance(path, str | os.PathLike):
        return os.fspath(path)
    message = f"{what} is a path, not {kind_of(path)}"
    raise ArgumentError(message, code="invalid-path", hint="give a str or a pathlib.Path")


def kind_of(value: Any) -> str:
    """What kind of thing a value is, as a part of an error message."""
    return "None" if value is None else f"an object of type {type(value).__name__}"


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The word that starts with ``word``, or has it inside, or else may have been meant."""
    words = list(words)
    longer = [candidate for candidate in words if candidate.startswith(word)]
    inside = [candidate for candidate in words if len(word) > 2 and word in candidate]
    return next(iter(longer or inside), None) or _core.nearest(word, words)
