"""What an engine is: it calls a task on items, on machines of its own, and gives what comes back.

An engine knows nothing of shards. A task gives the same for the same item, whoever calls it and
how often, and keeps its errors in what it gives. So an engine may call it again where a worker
died, or start a second copy of a slow call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from turnmill.errors import TurnmillError


class Task(Protocol):
    """A function to call elsewhere. It pickles small: the tokenizer is not in it."""

    @property
    def name(self) -> str:
        """What one call is, for people: ``shard``."""

    def __call__(self, item: Any, /) -> Any:
        """Does the work for one item."""


class Engine(Protocol):
    """Calls tasks on workers. To add one, see ``docs/engines/README.md``."""

    @property
    def threads(self) -> int | None:
        """Processors that each call has; ``None``: all of this machine."""

    def run(self, task: Task, items: Sequence[Any]) -> Iterator[Any]:
        """Calls ``task`` on each item and gives each result when it comes, in any order.

        Closing the iterator early stops what is left.

        Raises:
            TurnmillError: The engine itself failed.
        """

    def close(self) -> None:
        """Stops what the engine started."""


@contextmanager
def results(engine: Engine, task: Task, items: Sequence[Any]) -> Iterator[Iterator[Any]]:
    """What an engine gives, and the end of it.

    It is closed here, not when an error that holds it is freed: no call may write when the output
    is unlocked.
    """
    given = engine.run(task, items)
    try:
        yield given
    finally:
        if close := getattr(given, "close", None):
            close()


def incomplete(task: Task, number: int) -> TurnmillError:
    """The error for an engine that ended before it gave that many results."""
    return TurnmillError(
        f"the engine ended, and of the task {task.name} {number:,} of the results are missing",
        code="engine-failed",
        hint="run the same command again: finished shards are kept",
    )
