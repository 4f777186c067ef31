"""Where written rows come from: the row as it was read, and what was counted of it."""

from __future__ import annotations

import bisect
import json
from functools import cached_property

import pyarrow as pa

from turnmill.encoder.row import EncodedRow, encode_row
from turnmill.encoder.session import Session
from turnmill.errors import TurnmillError
from turnmill.inputs.files import InputPart
from turnmill.inputs.find import Input, find_inputs
from turnmill.inputs.rows import PickedRow, find_row
from turnmill.output.reader import Output, WrittenRow

_RAW_KEPT = 4000
"""Characters of a row as it was read that are kept to be seen."""


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
        self._parts: dict[str, list[InputPart]] = {}
        self._last: tuple[tuple[str, int, int | None], PickedRow | None] | None = None
        """The row that was looked for last: a text may be read far to find one."""

    def row(self, source: str, row: int, line: int | None) -> PickedRow | None:
        """A row as it was read; ``None`` if its input is gone or has changed."""
        place = (source, row, line)
        if self._last is None or self._last[0] != place:
            self._last = (place, self._read(*place))
        return self._last[1]

    def _read(self, source: str, row: int, line: int | None) -> PickedRow | None:
        try:
            input_ = self._input(source)
            return find_row(input_, self._part(source, row), row, line) if input_ else None
        except (TurnmillError, OSError):
            return None

    def raw(self, source: str, row: int, line: int | None) -> str:
        """The start of a row as it was read; empty if its input is gone or has changed."""
        picked = self.row(source, row, line)
        return raw_text(picked) if picked else ""

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

    def load(self) -> None:
        """Makes ready what the first row would wait for."""
        _ = self._session

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

    def _part(self, source: str, row: int) -> InputPart:
        """The part of an input that holds a row; the whole of it if nothing says."""
        if source not in self._parts:
            self._parts[source] = self._output.parts(source)
        parts = self._parts[source]
        number = bisect.bisect_right([part.first_row for part in parts], row)
        return parts[number - 1] if number else InputPart()


def _same(made: EncodedRow, written: WrittenRow) -> bool:
    return made.samples == written.samples


def raw_text(picked: PickedRow) -> str:
    """The start of a row, as it was read or as JSON."""
    if isinstance(picked.data, bytes):
        return picked.data[: 4 * _RAW_KEPT].decode("utf-8", "replace")[:_RAW_KEPT]
    value = picked.data
    if isinstance(value, pa.RecordBatch):
        value = pa.Table.from_batches([value]).to_pylist()[0]
    return json.dumps(value, ensure_ascii=False, default=str)[:_RAW_KEPT]
