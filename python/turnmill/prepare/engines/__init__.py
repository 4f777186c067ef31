"""Engines by name: this process, Ray, Spark, and those that other packages bring.

A package brings one as an entry point of the group ``turnmill.engines``: a class that is called
with an address and a number of threads, both of which may be ``None``.
"""

from __future__ import annotations

import contextlib
import pkgutil
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Any

from turnmill.errors import ArgumentError
from turnmill.prepare.engines.engine import Engine, Task
from turnmill.prepare.engines.local import Local

__all__ = ["Engine", "Local", "Task", "opened"]

_GROUP = "turnmill.engines"
_OURS = {
    "local": "turnmill.prepare.engines.local:Local",
    "ray": "turnmill.prepare.engines.ray:Ray",
    "spark": "turnmill.prepare.engines.spark:Spark",
}


@contextlib.contextmanager
def opened(engine: Any, address: str | None, threads: int | None) -> Iterator[Engine]:
    """The engine of that name, started, and stopped at the end; or the one given, left as it is.

    Args:
        engine: A name, or an engine.
        address: Where its cluster is.
        threads: Threads of each call.

    Raises:
        ArgumentError: There is none of that name.
        TurnmillError: It is not installed, not of a known version, or cannot be reached.
    """
    if not isinstance(engine, str):
        if not callable(getattr(engine, "run", None)):
            raise _unknown(engine)
        yield engine
        return
    started = _maker(engine)(address, threads)
    try:
        yield started
    finally:
        started.close()


def _maker(name: str) -> Callable[[str | None, int | None], Engine]:
    if name in _OURS:
        maker: Callable[[str | None, int | None], Engine] = pkgutil.resolve_name(_OURS[name])
        return maker
    for found in entry_points(group=_GROUP, name=name):
        other: Callable[[str | None, int | None], Engine] = found.load()
        return other
    raise _unknown(name)


def _unknown(engine: Any) -> ArgumentError:
    known = sorted({*_OURS, *(found.name for found in entry_points(group=_GROUP))})
    hint = f"engines: {', '.join(known)}"
    return ArgumentError(f"engine cannot be {engine!r}", code="invalid-engine", hint=hint)
