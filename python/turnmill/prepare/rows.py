"""Single rows of an input, for looking at them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from turnmill.errors import DataError
from turnmill.prepare.files import Part
from turnmill.prepare.inputs import Input


@dataclass(frozen=True)
class PickedRow:
    """One input row, as a line of JSON or a record batch of one row."""

    row: int
    line: int | None
    data: bytes | pa.RecordBatch


def rows_of(input_: Input) -> Iterator[PickedRow]:
    """Every row of an input, in order.

    Raises:
        DataError: A JSON array does not end, or is none.
    """
    if input_.columnar:
        return _columnar_rows(input_)
    if input_.format == "array":
        return _array_rows(input_)
    return _line_rows(input_)


def _part(input_: Input) -> Part:
    if input_.format in {"dicts", "table", "dataset"}:
        return Part(0, len(input_.rows))
    return Part()


def _columnar_rows(input_: Input) -> Iterator[PickedRow]:
    row = 0
    for batch, _ in input_.batches(_part(input_)):
        for i in range(batch.num_rows):
            yield PickedRow(row, None, batch.slice(i, 1))
            row += 1


def _line_rows(input_: Input) -> Iterator[PickedRow]:
    has_lines = input_.format == "lines"
    row = 0
    for number, line in enumerate(_lines(input_), 1):
        if line.strip():
            yield PickedRow(row, number if has_lines else None, line)
            row += 1


def _lines(input_: Input) -> Iterator[bytes]:
    rest = b""
    for block, _ in input_.blocks(_part(input_)):
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
    if rest:
        yield rest


def _array_rows(input_: Input) -> Iterator[PickedRow]:
    text = b"".join(block for block, _ in input_.blocks(Part())).decode("utf-8-sig", "replace")
    decoder = json.JSONDecoder()
    position, row = text.index("[") + 1, 0
    line, counted = 1, 0
    while (position := _skip(text, position)) < len(text) and text[position] != "]":
        line, counted = line + text.count("\n", counted, position), position
        end = _element_end(decoder, text, position, input_.name, line, row)
        yield PickedRow(row, line, text[position:end].replace("\n", " ").encode())
        position, row = end, row + 1


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n,":
        position += 1
    return position


def _element_end(
    decoder: json.JSONDecoder, text: str, position: int, path: str, line: int, row: int
) -> int:
    try:
        _, end = decoder.raw_decode(text, position)
    except ValueError as error:
        message = f"the JSON array is broken: {error}"
        raise DataError(message, code="invalid-json", path=path, line=line, row=row) from error
    return end


def encode_row(picked: PickedRow, shard: Any) -> tuple[list[Any], list[Any]]:
    """The samples and the rejects of one row, as Arrow tables' rows.

    Args:
        picked: The row.
        shard: A shard encoder opened for it alone.
    """
    if isinstance(picked.data, bytes):
        outputs = [shard.feed_bytes(picked.data + b"\n"), shard.finish()]
    else:
        outputs = [shard.feed_batch(picked.data), shard.finish()]
    samples = [row for o in outputs for b in o.samples for row in pa.record_batch(b).to_pylist()]
    rejects = [row for o in outputs for b in o.rejects for row in pa.record_batch(b).to_pylist()]
    return samples, rejects
