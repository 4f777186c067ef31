"""What callers of the API hand over, checked before any work, so that an error names it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from turnmill.errors import ArgumentError

if TYPE_CHECKING:
    from turnmill.recipe import Recipe

MOST_THREADS = 65_535


def thread_count(threads: Any) -> int | None:
    """A number of threads; ``None`` stands for all cores.

    Raises:
        ArgumentError: It is no whole number above 0, or more than any machine has.
    """
    if threads is None or (is_whole(threads) and 0 < threads <= MOST_THREADS):
        return None if threads is None else int(threads)
    message = f"threads cannot be {threads!r}"
    hint = f"threads takes a whole number from 1 to {MOST_THREADS:,}, or None for all cores"
    raise ArgumentError(message, code="invalid-threads", hint=hint)


def position(value: Any, name: str) -> Any:
    """A number of rows, or the place of one, counted from 0; ``None`` where it was not given.

    Raises:
        ArgumentError: It is no whole number from 0.
    """
    if value is None or (is_whole(value) and value >= 0):
        return value
    message = f"{name} cannot be {value!r}"
    raise ArgumentError(message, code="invalid-position", hint=f"{name} takes a number from 0")


def whole_number(value: Any, name: str, least: int, most: int) -> int:
    """A whole number in a range.

    Raises:
        ArgumentError: It is none, or outside.
    """
    if is_whole(value) and least <= value <= most:
        return int(value)
    message = f"{name} cannot be {value!r}"
    hint = f"{name} takes a whole number from {least:,} to {most:,}"
    raise ArgumentError(message, code=f"invalid-{name}", hint=hint)


def is_whole(value: Any) -> bool:
    """Whether it is a whole number; numpy's are too, truth values are not."""
    return hasattr(value, "__index__") and not isinstance(value, bool)


def path_text(path: Any, what: str) -> str:
    """A path as text; ``what`` begins the sentence of the error.

    Raises:
        ArgumentError: It is no path.
    """
    if isinstance(path, str | os.PathLike):
        return os.fspath(path)
    message = f"{what} is a path, not {_kind(path)}"
    raise ArgumentError(message, code="invalid-path", hint="give a str or a pathlib.Path")


def checked_recipe(recipe: Any) -> Recipe:
    """A recipe.

    Raises:
        ArgumentError: It is something else, such as a dict of its keys.
    """
    from turnmill.recipe import Recipe

    if isinstance(recipe, Recipe):
        return recipe
    hint = "make one: turnmill.Recipe(tokenizer=…), or turnmill.Recipe.from_toml(PATH)"
    if isinstance(recipe, dict):
        hint = "make one of the dict: turnmill.Recipe(**recipe)"
    message = f"a recipe is a turnmill.Recipe, not {_kind(recipe)}"
    raise ArgumentError(message, code="invalid-recipe", hint=hint)


def _kind(value: Any) -> str:
    return "None" if value is None else f"an object of type {type(value).__name__}"
