"""The index of a data file, entered where something is wanted: by row groups and their bounds.

A file has a row group for about ten thousand samples, and says of each column between which values
it lies there. So a sample, a row or the longest samples are found without reading all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from turnmill.storage.local import open_native
from turnmill.storage.remote import AnyPath

_BATCH_ROWS = 1 << 16


@dataclass(frozen=True)
class Group:
    """A row group: samples that follow one another."""

    number: int
    first: int
    """The number in the file of its first sample."""
    rows: int
    metadata: pq.RowGroupMetaData

    def bounds(self, name: str) -> tuple[Any, Any] | None:
        """The least and the greatest value of a column; ``None`` if the file does not say."""
        for i in range(self.metadata.num_columns):
            found = self.metadata.column(i)
            if found.path_in_schema == name:
                known = found.statistics
                return (known.min, known.max) if known is not None and known.has_min_max else None
        return None

    def may_hold(self, name: str, value: Any) -> bool:
        """Whether a value of a column may stand in it."""
        bounds = self.bounds(name)
        return bounds is None or bounds[0] <= value <= bounds[1]


class IndexFile:
    """One index file. Its end is read once, its rows as they are asked for."""

    def __init__(self, path: AnyPath) -> None:
        self._path = path

    @cached_property
    def _metadata(self) -> pq.FileMetaData:
        with open_native(self._path) as file:
            return pq.ParquetFile(file).metadata

    @cached_property
    def groups(self) -> list[Group]:
        """The row groups, in order."""
        found, first = [], 0
        for number in range(self._metadata.num_row_groups):
            metadata = self._metadata.row_group(number)
            found.append(Group(number, first, metadata.num_rows, metadata))
            first += metadata.num_rows
        return found

    def group_of(self, sample: int) -> Group:
        """The row group of a sample, by its number in the file."""
        return next(group for group in self.groups if sample < group.first + group.rows)

    def read(self, group: Group, columns: list[str]) -> pa.Table:
        """Some columns of a row group."""
        with open_native(self._path) as file:
            opened = pq.ParquetFile(file, metadata=self._metadata, read_dictionary=["source"])
            return opened.read_row_group(group.number, columns, use_threads=False)

    def batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Some columns of all rows, some rows at a time."""
        with open_native(self._path) as file:
            opened = pq.ParquetFile(file, metadata=self._metadata, read_dictionary=["source"])
            yield from opened.iter_batches(_BATCH_ROWS, columns=columns)


def numbers(rows: pa.RecordBatch | pa.Table, name: str) -> npt.NDArray[Any]:
    """A column of numbers; of a batch without a copy."""
    column = rows.column(name)
    chunk = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    values: npt.NDArray[Any] = np.from_dlpack(chunk)
    return values
