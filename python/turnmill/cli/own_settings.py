"""Inputs of a command line with settings of their own: ``code.parquet,weight=0.2,cap=50000``."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

from turnmill._arguments import nearest
from turnmill.cli.arguments import UsageError
from turnmill.errors import RecipeError
from turnmill.recipe import Input

_SETTING = re.compile(r"([a-z_]+)=(.*)")


def _weight(text: str) -> float | str:
    if text.endswith(("epoch", "epochs")):
        return text
    number = float(text.removesuffix("%"))
    return number / 100 if text.endswith("%") else number


def _names(text: str) -> list[str]:
    return text.split("+")


_READERS: dict[str, Callable[[str], Any]] = {
    "weight": _weight,
    "cap": int,
    "carry": _names,
    "ignore": _names,
    "schema": str,
    "split": str,
}
TAKEN = "weight=0.2 or weight=2epochs, cap=50000, carry=id+licence, ignore=NAMES, schema, split"
_HINT = f"an input takes {TAKEN}"


def given_input(text: str) -> str | Input:
    """An input as it was named; with settings of its own, if some follow it after commas.

    A path that exists is a path, whatever it looks like.

    Raises:
        UsageError: A setting is unknown or has a bad value.
    """
    if os.path.exists(text):  # noqa: PTH110 - `-` and URIs are not paths
        return text
    path, settings = _divided(text)
    if not settings:
        return text
    keys = {name: _read(text, name, value) for name, value in settings.items()}
    try:
        return Input(path, **keys)
    except RecipeError as error:
        raise UsageError(f"`{text}`: {error.args[0]}", error.hint or _HINT) from None


def _divided(text: str) -> tuple[str, dict[str, str]]:
    """The path, and the settings at its end."""
    path, *pieces = text.split(",")
    settings: dict[str, str] = {}
    while pieces and (found := _SETTING.fullmatch(pieces[-1])):
        if found[1] in settings:
            raise UsageError(f"`{text}`: `{found[1]}` is given twice", "leave one of them out")
        settings[found[1]] = found[2]
        pieces.pop()
    return ",".join([path, *pieces]), settings


def _read(text: str, name: str, value: str) -> Any:
    if name not in _READERS:
        near = nearest(name, _READERS)
        hint = f"did you mean `{near}`? " if near else ""
        raise UsageError(f"`{text}`: an input has no setting `{name}`", f"{hint}{_HINT}")
    try:
        return _READERS[name](value)
    except ValueError:
        raise UsageError(f"`{text}`: `{name}` cannot be `{value}`", _HINT) from None
