"""Errors that are known at the same time are told at the same time, not one for each try."""

from __future__ import annotations

from turnmill.errors import TurnmillError


class Problems:
    """Collects errors, and raises the first with the others in its ``more``.

    >>> problems = Problems()
    >>> with problems:
    ...     raise TurnmillError("one")
    >>> with problems:
    ...     raise TurnmillError("two")
    >>> try:
    ...     problems.tell()
    ... except TurnmillError as error:
    ...     print(error, *more(error))
    one two
    """

    def __init__(self) -> None:
        self.found: list[Exception] = []

    def __bool__(self) -> bool:
        return bool(self.found)

    def __enter__(self) -> None:
        """Begins a step; work after it goes on if the step fails."""

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> bool:
        """Keeps an error of turnmill or of a file for later."""
        if isinstance(error, TurnmillError | OSError):
            self.add(error)
            return True
        return False

    def add(self, error: Exception) -> None:
        """Keeps an error with those that it was found with, unless it says the same as another."""
        for one in (error, *more(error)):
            if not any(type(one) is type(old) and str(one) == str(old) for old in self.found):
                self.found.append(one)

    def tell(self) -> None:
        """Raises what was found, if anything was.

        Raises:
            TurnmillError: The first problem.
            OSError: The first problem is one with a file.
        """
        if not self.found:
            return
        first, *others = self.found
        vars(first)["more"] = tuple(others)
        for other in others:
            notes = "".join(f"\n  {note}" for note in getattr(other, "__notes__", ()))
            first.add_note(f"another error: {other}{notes}")
        raise first


def more(error: BaseException) -> tuple[Exception, ...]:
    """The errors that were found together with one."""
    others: tuple[Exception, ...] = getattr(error, "more", ())
    return others
