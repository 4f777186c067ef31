"""What turnmill raises.

Every error says what is wrong in one sentence, where (`path`, `line`, `row`), under which stable
name (`code`) and what to do (`hint`). Files that cannot be opened raise Python's own
`FileNotFoundError`, `PermissionError` and so on. A row that cannot be used is not an exception:
it is listed among the rejects.

>>> from turnmill.errors import DataError
>>> error = DataError("the line is not JSON", code="invalid-json", path="chat.jsonl", line=3)
>>> str(error), error.code, error.line
('the line is not JSON', 'invalid-json', 3)
"""

from __future__ import annotations

import errno
import os
from typing import Any

__all__ = [
    "ArgumentError",
    "DataError",
    "DebugBuildWarning",
    "InternalError",
    "RecipeError",
    "TemplateError",
    "TokenizerError",
    "TurnmillError",
]


class TurnmillError(Exception):
    """Base of every error of turnmill; `str()` gives the sentence without place and hint.

    Attributes:
        code: Stable kebab-case name of the problem.
        path: The file it concerns.
        line: Line in that file, from 1; in a `TemplateError`, of the template.
        row: Input row, from 0.
        message_index: Message inside the row, from 0.
        hint: What to do about it.
        more: Other errors that were known at the same time.
    """

    code: str | None
    path: str | None
    line: int | None
    row: int | None
    message_index: int | None
    hint: str | None
    more: tuple[Exception, ...] = ()

    def __init__(
        self,
        what: str,
        *,
        code: str | None = None,
        path: str | os.PathLike[str] | None = None,
        line: int | None = None,
        row: int | None = None,
        message_index: int | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(what)
        self.code = code
        self.path = None if path is None else os.fspath(path)
        self.line = line
        self.row = row
        self.message_index = message_index
        self.hint = hint
        _add_notes(self, self.place, hint)

    @property
    def place(self) -> str:
        """Where it happened, such as ``chat.jsonl:3, row 2``; empty if the place is not known.

        >>> TurnmillError("no", path="chat.jsonl", line=3, row=2, message_index=1).place
        'chat.jsonl:3, row 2, message 1'
        """
        parts = []
        if self.path is not None:
            parts.append(self.path if self.line is None else f"{self.path}:{self.line}")
        elif self.line is not None:
            parts.append(f"line {self.line}")
        if self.row is not None:
            parts.append(f"row {self.row}")
        if self.message_index is not None:
            parts.append(f"message {self.message_index}")
        return ", ".join(parts)

    def __reduce__(self) -> tuple[Any, ...]:
        details = {
            name: getattr(self, name)
            for name in ("code", "path", "line", "row", "message_index", "hint")
        }
        return _rebuild, (type(self), self.args[0], details)


class DataError(TurnmillError, ValueError):
    """The input data cannot be used, as a whole or as the one row that was asked for."""


class TemplateError(TurnmillError):
    """A chat template does not compile, is refused, or raised where transformers raises."""


class TokenizerError(TurnmillError):
    """A tokenizer's files are missing, broken or of an unknown kind."""


class RecipeError(TurnmillError, ValueError):
    """A recipe has an unknown key or a bad value, or lacks a decision that is needed."""


class ArgumentError(TurnmillError, TypeError, ValueError):
    """An argument of a call has a type or a value that is not allowed."""


class InternalError(TurnmillError):
    """A defect of turnmill; please report it."""


class DebugBuildWarning(UserWarning):
    """The extension was built without optimisation."""


_CLASSES: dict[str, type[TurnmillError]] = {
    "data": DataError,
    "template": TemplateError,
    "tokenizer": TokenizerError,
    "recipe": RecipeError,
    "argument": ArgumentError,
    "internal": InternalError,
}

_ERRNO = {
    "file-not-found": errno.ENOENT,
    "permission-denied": errno.EACCES,
    "file-exists": errno.EEXIST,
    "is-a-directory": errno.EISDIR,
    "not-a-directory": errno.ENOTDIR,
    "disk-full": errno.ENOSPC,
}


def os_error_code(error: OSError) -> str:
    """The stable name of a file error, as `TurnmillError.code` names other problems.

    >>> os_error_code(FileNotFoundError(2, "no such file"))
    'file-not-found'
    """
    return next((code for code, number in _ERRNO.items() if number == error.errno), "io")


def _build(kind: str, what: str, **details: Any) -> Exception:
    """The exception for an error of the core."""
    if kind == "io":
        return _os_error(what, **details)
    return _CLASSES[kind](what, **details)


def _os_error(
    what: str, *, code: str, path: str | None, hint: str | None, **_place: Any
) -> OSError:
    # OSError picks the subclass (FileNotFoundError, ...) by the number.
    error = OSError(_ERRNO.get(code, errno.EIO), what, path)
    _add_notes(error, "", hint)
    return error


def _add_notes(error: Exception, place: str, hint: str | None) -> None:
    """Place and hint, so that a traceback shows them."""
    if place:
        error.add_note(f"at {place}")
    if hint:
        error.add_note(f"hint: {hint}")


def _rebuild(class_: type[TurnmillError], what: str, details: dict[str, Any]) -> TurnmillError:
    return class_(what, **details)
