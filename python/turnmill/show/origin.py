"""Where written rows come from: the row as it was read, and what was counted of it."""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from functools import cached_property

from turnmill.encoder.row import EncodedRow, encode_row
from turnmill.encoder.session import Session
from turnmill.errors import TurnmillError
from turnmill.inputs.files import Part
from turnmill.inputs.find import Input, find_inputs
from turnmill.inputs.rows import PickedRow, find_row
from turnmill.output.reader import Output, WrittenRow


class Origin:
    """The inputs of an output, as far as they are still there.

    Args:
        output: The output.
        tokenizer: Its tokenizer, where that is now; without one nothing is counted.
    """

    def __init__(self, output: Output, tokenizer: str | None = None) -> None:
        self._output = output
        self._tokenizer = tokenizer
        self._inputs: dict[str, Input | None] = {}
        self._parts: dict[str, list[Part]] = {}

    def row(self, source: str, row: int, line: int | None) -> PickedRow | None:
        """A row as it was read; ``None`` if its input is gone or has changed."""
        try:
            input_ = self._input(source)
            return find_row(input_, self._part(source, row), row, line) if input_ else None
        except (TurnmillError, OSError):
            return None

    def counts(self, written: WrittenRow) -> dict[str, int]:
        """What a run counts of a row by rule, where its input still gives what was written."""
        picked = self.row(written.source, written.row, written.line)
        input_ = self._inputs.get(written.source)
        if picked is None or input_ is None or self._session is None:
            return {}
        try:
            schema = self._output.planned(written.source)["schema"]
            made = encode_row(picked, self._session, input_, schema)
        except TurnmillError:
            return {}
        return made.counts if _same(made, written) else {}

    @cached_property
    def _session(self) -> Session | None:
        try:
            return Session(self._output.recipe(self._tokenizer)) if self._tokenizer else None
        except (TurnmillError, OSError):
            return None  # the template is gone; the samples are what matters

    def _input(self, source: str) -> Input | None:
        if source not in self._inputs:
            self._inputs[source] = None
            self._inputs[source] = find_inputs(self._output.input(source))[0]
        return self._inputs[source]

    def _part(self, source: str, row: int) -> Part:
        """The part of an input that holds a row; the whole of it if nothing says."""
        if source not in self._parts:
            self._parts[source] = self._output.parts(source)
        parts = self._parts[source]
        number = bisect.bisect_right([part.first_row for part in parts], row)
        return parts[number - 1] if number else Part()


def _same(made: EncodedRow, written: WrittenRow) -> bool:
    return _ids(made.samples) == _ids(written.samples)


def _ids(samples: Iterable[dict[str, list[int]]]) -> list[list[int]]:
    return [sample["input_ids"] for sample in samples]
