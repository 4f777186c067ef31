"""Single rows of an input, for a closer look at them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from turnmill import _core
from turnmill.inputs.files import FileInput, Part
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
    if input_.columnar:
        return _columnar_rows(input_)
    if isinstance(input_, MemoryInput):
        return (PickedRow(row, None, data) for row, data in enumerate(input_.rows))
    return _text_rows(input_)


def _columnar_rows(input_: Input) -> Iterator[PickedRow]:
    row = 0
    for batch, _ in input_.batches(input_.whole):
        for i in range(batch.num_rows):
            yield PickedRow(row, None, batch.slice(i, 1))
            row += 1


def _text_rows(input_: FileInput) -> Iterator[PickedRow]:
    array = input_.format == "array"
    splitter = _core.Splitter(array)
    for block, _ in input_.blocks(Part()):
        yield from (PickedRow(*found, array=array) for found in splitter.feed(block))
    yield from (PickedRow(*found, array=array) for found in splitter.finish())
