"""The engine that every run has: this process, one shard after another, on all threads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from turnmill.errors import ArgumentError
from turnmill.prepare.engines.engine import Task


class Local:
    """Calls tasks here."""

    def __init__(self, address: str | None = None, threads: int | None = None) -> None:
        if address is not None:
            message = "the engine local has no address"
            raise ArgumentError(message, code="invalid-engine", hint="give engine='ray' with it")
        self.threads = threads

    def run(self, task: Task, items: Sequence[Any]) -> Iterator[Any]:
        """Calls them in order."""
        return map(task, items)

    def close(self) -> None:
        """Nothing was started."""
