"""Single rows of an input, for a closer look at them."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from turnmill import _core
from turnmill.inputs.files import FileInput, InputPart
from turnmill.inputs.find import Input
from turnmill.inputs.memory import MemoryInput


@dataclass(frozen=True)
class PickedRow:
    """One input row: JSON text, a dict, or a record batch of one row."""

    row: int
    line: int | None
    data: Any
    array: bool = False
    """Whether it is an element of a JSON array, which may span several lines."""


def rows_of(input_: Input) -> Iterator[PickedRow]:
    """Every row of an input, in order, cut as a run cuts them.

    Raises:
        DataError: A JSON array does not end, or is not one.
    """
    return rows_in(input_, input_.whole if input_.columnar else InputPart())


def rows_in(input_: Input, part: InputPart) -> Iterator[PickedRow]:
    """The rows of a part of an input, numbered as in the whole.

    Raises:
        DataError: A JSON array does not end, or is not one.
    """
    if input_.columnar:
        return _columnar_rows(input_, part)
    if isinstance(input_, MemoryInput):
        stop = len(input_.rows) if part.stop < 0 else part.stop
        return (PickedRow(row, None, input_.rows[row]) for row in range(part.start, stop))
    return _text_rows(input_, part)


def find_row(input_: Input, part: InputPart, row: int, line: int | None) -> PickedRow | None:
    """One row of an input; ``None`` if it is not there, or only after a long search.

    Args:
        input_: The input.
        part: The part of it that holds the row.
        row: Its number, from 0 over the whole input.
        line: Its line, from 1, if the input has lines.
    """
    if isinstance(input_, FileInput) and input_.format == "lines" and line is not None:
        text = _line(input_, part, line)
        return None if text is None else PickedRow(row, line, text)
    if input_.columnar:
        return _columnar_row(input_, part, row)
    if row >= FARTHEST_ROW:
        return None
    return next((found for found in rows_of(input_) if found.row == row), None)


FARTHEST_ROW = 100_000
"""Rows of an input without lines that are read to find one; a look must not take minutes."""


def _line(input_: FileInput, part: InputPart, line: int) -> bytes | None:
    """A line of a part. Line ends are only counted up to the block that holds it."""
    number, carried = part.first_line, b""
    for block, _ in input_.blocks(part):
        ends = block.count(b"\n")
        if number + ends > line:
            return (carried + block).split(b"\n")[line - number]
        # What follows the last line end is the start of the line that has not ended.
        carried = block.rpartition(b"\n")[2] if ends else carried + block
        number += ends
    return carried if number == line and carried.strip() else None


class ColumnarRows(Sequence[PickedRow]):
    """The rows of a part of a table; each becomes a batch of one row when it is asked for."""

    def __init__(self, input_: Input, part: InputPart) -> None:
        self._batches = [batch for batch, _ in input_.batches(part)]
        self._ends = list(itertools.accumulate(batch.num_rows for batch in self._batches))
        self._first = part.first_row

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, place: int) -> PickedRow: ...
    @overload
    def __getitem__(self, place: slice) -> list[PickedRow]: ...
    def __getitem__(self, place: int | slice) -> PickedRow | list[PickedRow]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(place)
        number = bisect.bisect_right(self._ends, place)
        before = self._ends[number - 1] if number else 0
        batch = self._batches[number].slice(place - before, 1)
        return PickedRow(self._first + place, None, batch)


def _columnar_row(input_: Input, part: InputPart, row: int) -> PickedRow | None:
    first = part.first_row
    for batch, _ in input_.batches(part):
        if row < first + batch.num_rows:
            return PickedRow(row, None, batch.slice(row - first, 1))
        first += batch.num_rows
    return None


def _columnar_rows(input_: Input, part: InputPart) -> Iterator[PickedRow]:
    row = part.first_row
    for batch, _ in input_.batches(part):
        for i in range(batch.num_rows):
            yield PickedRow(row, None, batch.slice(i, 1))
            row += 1


def _text_rows(input_: FileInput, part: InputPart) -> Iterator[PickedRow]:
    array = input_.format == "array"
    splitter = _core.Splitter(array)
    for block, _ in input_.blocks(part):
        yield from (_placed(found, part, array=array) for found in splitter.feed(block))
    yield from (_placed(found, part, array=array) for found in splitter.finish())


def _placed(found: tuple[int, int, bytes], part: InputPart, *, array: bool) -> PickedRow:
    row, line, data = found
    return PickedRow(row + part.first_row, line + part.first_line - 1, data, array=array)
