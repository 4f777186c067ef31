"""The index of a pack: which samples, or ranges of samples, are in each packed row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from turnmill.storage.local import named, open_native, read_table, whole_file
from turnmill.storage.remote import AnyPath

_GROUP_PACKS = 16_384
"""Packs in a row group of the file."""
_NOTHING = np.zeros(0, np.int32)


@dataclass(frozen=True)
class PackIndex:
    """Packs in flat arrays: pack ``i`` has the segments from ``offsets[i]`` to ``offsets[i + 1]``.

    A segment is a document, whole unless the strategy is ``split``.
    """

    offsets: npt.NDArray[np.int64]
    """Where the segments of each pack start; one entry more than packs."""
    documents: npt.NDArray[np.int32]
    """The sample of each segment, counted from 0 over the whole output."""
    starts: npt.NDArray[np.int32]
    """Where the segment starts in its sample, in tokens."""
    lengths: npt.NDArray[np.int32]
    """Tokens of the segment."""

    def __len__(self) -> int:
        """Number of packs."""
        return len(self.offsets) - 1

    def segments(self, first: int, last: int) -> PackIndex:
        """The packs from ``first`` up to but not including ``last``."""
        here = slice(int(self.offsets[first]), int(self.offsets[last]))
        offsets = self.offsets[first : last + 1] - self.offsets[first]
        return PackIndex(offsets, self.documents[here], self.starts[here], self.lengths[here])

    @property
    def tokens(self) -> npt.NDArray[np.int64]:
        """Tokens of each pack."""
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.lengths, dtype=np.int64)])
        tokens: npt.NDArray[np.int64] = np.diff(ends[self.offsets])
        return tokens


def joined(parts: Sequence[PackIndex]) -> PackIndex:
    """The packs of all parts, one after another."""
    begins = np.cumsum([0, *(len(part.documents) for part in parts)])
    offsets = [part.offsets[:-1] + begin for part, begin in zip(parts, begins, strict=False)]
    return PackIndex(
        np.concatenate([*offsets, begins[-1:]]).astype(np.int64),
        np.concatenate([_NOTHING, *(part.documents for part in parts)]),
        np.concatenate([_NOTHING, *(part.starts for part in parts)]),
        np.concatenate([_NOTHING, *(part.lengths for part in parts)]),
    )


def write_index(path: AnyPath, parts: Iterable[PackIndex]) -> str:
    """Writes an index as Parquet, one row for each pack, and returns the file's SHA-256."""
    schema = pa.schema(
        {
            "documents": pa.list_(pa.int64()),
            "starts": pa.list_(pa.int32()),
            "seq_lengths": pa.list_(pa.int32()),
        }
    )
    with whole_file(path) as file:
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for group in _groups(parts):
                writer.write_table(_table(group, schema))
        return file.sha256


def _groups(parts: Iterable[PackIndex]) -> Iterator[PackIndex]:
    """The packs of each row group, at least one."""
    held: list[PackIndex] = []
    room, is_first = _GROUP_PACKS, True
    for part in parts:
        start = 0
        while len(part) - start >= room:
            yield joined([*held, part.segments(start, start + room)])
            start, held, room, is_first = start + room, [], _GROUP_PACKS, False
        held.append(part.segments(start, len(part)))
        room -= len(part) - start
    if is_first or room < _GROUP_PACKS:
        yield joined(held)


def _table(part: PackIndex, schema: pa.Schema) -> pa.Table:
    columns = (part.documents.astype(np.int64), part.starts, part.lengths)
    return pa.Table.from_arrays([lists(part.offsets, values) for values in columns], schema=schema)


def lists(offsets: npt.NDArray[np.int64], values: npt.NDArray[Any]) -> pa.ListArray:
    """Flat values as an Arrow array of lists; the offsets must fit into 32 bits."""
    flat = pa.Array.from_buffers(
        pa.from_numpy_dtype(values.dtype),
        len(values),
        [None, pa.py_buffer(np.ascontiguousarray(values))],
    )
    bounds = pa.Array.from_buffers(
        pa.int32(), len(offsets), [None, pa.py_buffer(offsets.astype(np.int32))]
    )
    return pa.ListArray.from_arrays(bounds, flat)


def read_index(path: AnyPath) -> PackIndex:
    """Reads an index back."""
    return _of_table(read_table(path))


def index_parts(path: AnyPath) -> Iterator[PackIndex]:
    """Reads an index back, a row group at a time."""
    with named(path), open_native(path) as file:
        opened = pq.ParquetFile(file)
        for group in range(opened.num_row_groups):
            yield _of_table(opened.read_row_group(group, use_threads=False))


def _of_table(table: pa.Table) -> PackIndex:
    documents, starts, lengths = (
        _values(table[name]) for name in ("documents", "starts", "seq_lengths")
    )
    sizes = [np.diff(np.from_dlpack(chunk.offsets)) for chunk in table["documents"].chunks]
    offsets = np.cumsum(np.concatenate([[0], *sizes]), dtype=np.int64)
    return PackIndex(offsets, documents.astype(np.int32), starts, lengths)


def _values(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    chunks = [np.from_dlpack(chunk.flatten()) for chunk in column.chunks]
    return np.concatenate(chunks) if chunks else np.zeros(0, np.int32)
