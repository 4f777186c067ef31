"""Single rows of an input, for looking at them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from turnmill import _core
from turnmill.encoder.feed import whole
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
    """Whether it is an element of a JSON array, which may go over several lines."""


@dataclass(frozen=True)
class EncodedRow:
    """What became of one row."""

    samples: list[dict[str, Any]]
    rejects: list[dict[str, Any]]
    counts: dict[str, int]
    """How often each rule was counted."""


def rows_of(input_: Input) -> Iterator[PickedRow]:
    """Every row of an input, in order, cut as a run cuts them.

    Raises:
        DataError: A JSON array does not end, or is none.
    """
    if input_.columnar:
        return _columnar_rows(input_)
    if isinstance(input_, MemoryInput):
        return (PickedRow(row, None, data) for row, data in enumerate(input_.rows))
    return _text_rows(input_)


def _columnar_rows(input_: Input) -> Iterator[PickedRow]:
    row = 0
    for batch, _ in input_.batches(whole(input_)):
        for i in range(batch.num_rows):
            yield PickedRow(row, None, batch.slice(i, 1))
            row += 1


def _text_rows(input_: FileInput) -> Iterator[PickedRow]:
    array = input_.format == "array"
    splitter = _core.Splitter(array)
    for block, _ in input_.blocks(Part()):
        yield from (PickedRow(*found, array=array) for found in splitter.feed(block))
    yield from (PickedRow(*found, array=array) for found in splitter.finish())


def encode_row(picked: PickedRow, encoder: Any, input_: Input, schema: str) -> EncodedRow:
    """What a run would make of one row.

    Args:
        picked: The row.
        encoder: Made from the recipe.
        input_: The input it is of.
        schema: The schema of that input.
    """
    # A row of lines is fed behind a line end: at the start of a file a byte order mark is dropped.
    lines = isinstance(picked.data, bytes) and not picked.array
    shard = encoder._open_shard(
        schema=schema,
        path=input_.name,
        array=picked.array,
        first_row=picked.row,
        first_line=(picked.line or 1) - lines,
        threads=1,
        own_keys=input_.own_keys,
    )
    outputs = [_feed(shard, picked), shard.finish()]
    return EncodedRow(
        [row for o in outputs for b in o.samples for row in pa.record_batch(b).to_pylist()],
        [row for o in outputs for b in o.rejects for row in pa.record_batch(b).to_pylist()],
        shard.counts(),
    )


def _feed(shard: Any, picked: PickedRow) -> Any:
    if isinstance(picked.data, pa.RecordBatch):
        return shard.feed_batch(picked.data)
    if not isinstance(picked.data, bytes):
        return shard.feed_rows([picked.data])
    return shard.feed_bytes(b"[%b]" % picked.data if picked.array else b"\n%b\n" % picked.data)
