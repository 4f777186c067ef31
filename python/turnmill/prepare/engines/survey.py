"""Inputs hashed and cut into shards by the workers of an engine, a file at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from turnmill.inputs.files import FileInput, InputPart
from turnmill.inputs.find import Input
from turnmill.prepare.engines.engine import Engine, incomplete, results
from turnmill.prepare.engines.sent import explained, sent


@dataclass(frozen=True)
class Surveyed:
    """What was found out about a file, or what went wrong."""

    number: int
    sha256: str = ""
    parts: list[InputPart] = field(default_factory=list)
    error: Exception | None = None


@dataclass(frozen=True)
class Survey:
    """Hashes a file and finds where its parts begin."""

    name: str = "survey"

    def __call__(self, item: tuple[int, FileInput]) -> Surveyed:
        """Reads the file once. Errors come back as values."""
        number, input_ = item
        try:
            return Surveyed(number, *input_.survey(threading.Event(), sent=True))
        except Exception as error:  # noqa: BLE001 - raised again by the run
            return Surveyed(number, error=explained(error, input_))


@contextmanager
def surveyed(
    inputs: Sequence[Input], engine: Engine
) -> Iterator[Iterator[tuple[str, list[InputPart]]]]:
    """The survey of each input, in order.

    Raises:
        DataError: The rows of one are in memory, or a worker does not see it.
    """
    items = list(enumerate(map(sent, inputs)))

    def surveys() -> Iterator[tuple[str, list[InputPart]]]:
        task, found = Survey(), dict[int, Surveyed]()
        with results(engine, task, items) as given:
            for one in given:
                if one.error is not None:
                    raise one.error
                found[one.number] = one
        if len(found) < len(items):
            raise incomplete(task, len(items) - len(found))
        for number, _ in items:
            yield found[number].sha256, found[number].parts

    yield surveys()
