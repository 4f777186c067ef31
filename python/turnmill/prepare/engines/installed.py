"""The library of an engine, if it is installed and of a version that is known to work."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from turnmill.errors import ArgumentError, TurnmillError


def library(module: str, package: str, least: tuple[int, int], below: int) -> Any:
    """The module of an engine.

    Args:
        module: Its name.
        package: The package that holds it; the extra of turnmill is called like the module's start.
        least: The oldest version that is known.
        below: The first major version that is not known.

    Raises:
        TurnmillError: It is missing, or its version is not known.
    """
    extra = module.partition(".")[0].removeprefix("py")
    hint = f"pip install 'turnmill[{extra}]'"
    try:
        loaded = importlib.import_module(module)
    except ImportError as error:
        message = f"the engine {extra} needs the package {package}, which is not installed"
        raise TurnmillError(message, code="no-engine", hint=hint) from error
    try:
        found = version(package)
    except PackageNotFoundError:  # Spark brings its own to the programs that it starts
        found = loaded.__version__
    if not least <= _numbers(found) < (below, 0):
        known = f"{least[0]}.{least[1]} up to, not including, {below}"
        raise TurnmillError(
            f"turnmill does not know {package} {found}: it knows {known}",
            code="unknown-engine-version",
            hint=hint,
        )
    return loaded


def _numbers(text: str) -> tuple[int, int]:
    major, minor, *_ = [*text.split("."), "0"]
    return int(major), int("".join(filter(str.isdigit, minor)) or 0)


def in_use(engine: str, how: str) -> ArgumentError:
    """The error for the address of another cluster than the one that this process uses."""
    message = f"this process uses {engine} already, so engine_address cannot name a cluster"
    return ArgumentError(
        message, code="engine-in-use", hint=f"leave it out to use that one, or {how}"
    )


def first_line(error: BaseException) -> str:
    """The first line of what an engine says, or the kind of its error."""
    return next(_lines(error), type(error).__name__)


def last_line(error: BaseException) -> str:
    """The last line of what an engine says, or the kind of its error."""
    return [type(error).__name__, *_lines(error)][-1]


def _lines(error: BaseException) -> Iterator[str]:
    return (line for line in str(error).splitlines() if line.strip())
