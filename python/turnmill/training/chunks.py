"""Chunks of rows, and the samples that they become."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from turnmill.encoder.feed import feed
from turnmill.encoder.session import Session, ShardOptions
from turnmill.inputs.files import InputPart
from turnmill.inputs.find import Input
from turnmill.inputs.rows import rows_of

_TOKEN_COLUMNS = ("input_ids", "labels", "weights")


@dataclass(frozen=True)
class Chunk:
    """Some rows of one input that follow each other."""

    number: int
    """Of the chunk, from 0 over all inputs."""
    input: Input
    schema: str
    first_row: int
    first_line: int
    piece: Any
    """What a shard is fed with: JSON, a list of dicts or a record batch."""


def chunks(inputs: Sequence[tuple[Input, str]], size: int) -> Iterator[Chunk]:
    """All rows of the inputs, each with its schema, in chunks of at most ``size`` rows."""
    number = 0
    for input_, schema in inputs:
        cut = _batches(input_, size) if input_.columnar else _rows(input_, size)
        for first_row, first_line, piece in cut:
            yield Chunk(number, input_, schema, first_row, first_line, piece)
            number += 1


def _batches(input_: Input, size: int) -> Iterator[tuple[int, int, pa.RecordBatch]]:
    row = 0
    for batch, _ in input_.batches(input_.whole):
        for start in range(0, batch.num_rows, size):
            yield row + start, 1, batch.slice(start, size)
        row += batch.num_rows


def _rows(input_: Input, size: int) -> Iterator[tuple[int, int, Any]]:
    rows = rows_of(input_)
    while picked := list(islice(rows, size)):
        data = [row.data for row in picked]
        first = picked[0]
        if not isinstance(data[0], bytes):
            yield first.row, 1, data
        elif first.array:
            yield first.row, first.line or 1, b"[" + b",".join(data) + b"]"
        else:
            # After a line end: at the start of a file a byte order mark is dropped, and this row
            # may begin with one that is not a mark.
            yield first.row, (first.line or 1) - 1, b"\n" + b"\n".join(data) + b"\n"


@dataclass(frozen=True)
class EncodedChunk:
    """The samples of a chunk, flat, and what was counted."""

    offsets: npt.NDArray[np.int64]
    columns: dict[str, npt.NDArray[Any]]
    rows: int
    rejected: int
    counts: dict[str, int]

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.offsets) - 1

    def sample(self, number: int) -> dict[str, npt.NDArray[Any]]:
        """One sample, copied."""
        here = slice(self.offsets[number], self.offsets[number + 1])
        found = {name: values[here].copy() for name, values in self.columns.items()}
        found.setdefault("labels", found["input_ids"].copy())
        return found


def encode_chunk(chunk: Chunk, session: Session, threads: int) -> EncodedChunk:
    """Encodes the rows of a chunk, as a shard of `turnmill.prepare` does."""
    part = InputPart(first_row=chunk.first_row, first_line=chunk.first_line)
    options = ShardOptions.of(chunk.input, chunk.schema, part, threads=threads)
    shard = session.open_shard(options)
    outputs = [feed(shard, chunk.piece), shard.finish()]
    batches = [pa.record_batch(batch) for output in outputs for batch in output.samples]
    columns: dict[str, list[npt.NDArray[Any]]] = {}
    sizes = [np.zeros(1, np.int64)]
    for batch in batches:
        offsets = np.from_dlpack(batch["input_ids"].offsets)
        sizes.append(np.diff(offsets).astype(np.int64))
        for name in [name for name in _TOKEN_COLUMNS if name in batch.schema.names]:
            values = np.from_dlpack(batch[name].values)[offsets[0] : offsets[-1]]
            columns.setdefault(name, []).append(values)
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    rows, rejected = (sum(getattr(o, name) for o in outputs) for name in ("rows", "rejected"))
    ends: npt.NDArray[np.int64] = np.cumsum(np.concatenate(sizes), dtype=np.int64)
    return EncodedChunk(ends, joined, rows, rejected, dict(shard.counts()))
