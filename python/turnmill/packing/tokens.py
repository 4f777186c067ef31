"""The token store: the samples of a written output by number, read in place."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from turnmill.errors import DataError
from turnmill.output.files import TRAIN
from turnmill.output.formats import format_of
from turnmill.output.reader import Output
from turnmill.storage.local import open_native, read_table
from turnmill.storage.remote import AnyPath

TOKEN_COLUMNS = ("input_ids", "labels", "weights")
"""Columns with an entry for each token that packing copies; others can be derived."""
_KEPT_GROUPS = 8
"""Row groups of Parquet data that are kept decoded: those of one window of samples."""

_MOST_NARROW = np.iinfo(np.uint16).max

_Lists = tuple[npt.NDArray[Any], npt.NDArray[Any]]
"""Offsets of the lists of a column, and the values of all of them."""


class TokenStore:
    """The samples of an output: mapped into memory, or decoded by row group from Parquet."""

    def __init__(self, output: Output, split: str = TRAIN) -> None:
        self._path = output.path
        self._blocks: list[_Block] = [
            block
            for shard in output.shards_of(split)
            for block in _blocks(output.path / shard["data"])
        ]
        rows = [0, *(block.rows for block in self._blocks)]
        self._first = np.cumsum(rows, dtype=np.int64)
        self.columns = [name for name in TOKEN_COLUMNS if name in _names(self._blocks)]
        self._decoded: OrderedDict[int, dict[str, _Lists]] = OrderedDict()

    def __len__(self) -> int:
        """Number of samples."""
        return int(self._first[-1])

    def parts(
        self,
        column: str,
        samples: npt.NDArray[Any],
        starts: npt.NDArray[Any],
        lengths: npt.NDArray[Any],
    ) -> Iterator[npt.NDArray[Any]]:
        """Ranges of a column, one for each of ``samples``: ``lengths`` tokens from ``starts`` on.

        Raises:
            DataError: A sample is shorter than the index says.
        """
        blocks = np.searchsorted(self._first, samples, "right") - 1
        rows = samples - self._first[blocks]
        for block, row, start, length in zip(
            blocks.tolist(), rows.tolist(), starts.tolist(), lengths.tolist(), strict=True
        ):
            offsets, values = self._lists(block)[column]
            first = offsets[row] + start
            if first + length > offsets[row + 1]:
                raise self._other_length()
            yield values[first : first + length]

    def sample(self, number: int) -> dict[str, npt.NDArray[Any]]:
        """One sample, copied: its ids, its labels, and its weights if there are any."""
        block = int(np.searchsorted(self._first, number, "right")) - 1
        row = number - int(self._first[block])
        found = {
            name: values[offsets[row] : offsets[row + 1]].copy()
            for name, (offsets, values) in self._lists(block).items()
        }
        found.setdefault("labels", found["input_ids"].copy())
        return found

    @property
    def costly_blocks(self) -> list[int] | None:
        """Samples of each block, if a block has to be decoded as a whole."""
        if not any(block.costly for block in self._blocks):
            return None
        return [block.rows for block in self._blocks]

    def _lists(self, number: int) -> dict[str, _Lists]:
        found = self._decoded.get(number)
        if found is None:
            block = self._blocks[number]
            table = block.load()
            found = {name: _flat(table[name]) for name in self.columns}
            self._decoded[number] = found
            if block.costly and len(self._decoded) > _KEPT_GROUPS:
                self._decoded.popitem(last=False)
        return found

    def _other_length(self) -> DataError:
        message = "a sample is shorter than the index of the output says"
        hint = "`turnmill check` compares every file with its hash"
        return DataError(message, code="broken-output", path=str(self._path), hint=hint)


class _Block:
    """Samples that are read at once."""

    def __init__(
        self, rows: int, names: list[str], load: Callable[[], Any], *, costly: bool
    ) -> None:
        self.rows = rows
        self.names = names
        self.load = load
        self.costly = costly
        """Whether loading decodes the data, so that keeping it takes memory."""


def _blocks(path: AnyPath) -> list[_Block]:
    if path.suffix != ".parquet":
        return [
            _Block(batch.num_rows, batch.schema.names, partial(_itself, batch), costly=False)
            for batch in format_of(path).read(path).to_batches()
        ]
    with open_native(path) as opened:
        file = pq.ParquetFile(opened)
        names = file.schema_arrow.names
        groups = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    return [
        _Block(rows, names, partial(_row_group, path, group), costly=True)
        for group, rows in enumerate(groups)
    ]


def _itself(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch


def _row_group(path: AnyPath, group: int) -> pa.Table:
    with open_native(path) as opened:
        file = pq.ParquetFile(opened)
        columns = [name for name in TOKEN_COLUMNS if name in file.schema_arrow.names]
        return file.read_row_group(group, columns)


def _names(blocks: list[_Block]) -> list[str]:
    return blocks[0].names if blocks else list(TOKEN_COLUMNS)


def _flat(column: Any) -> _Lists:
    lists = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    # Not `to_numpy`, which imports pandas: a quarter of a second.
    return np.from_dlpack(lists.offsets), np.from_dlpack(lists.values)


def sample_lengths(output: Output) -> npt.NDArray[np.uint16 | np.int32]:
    """The length of every sample, from the index files; 16 bits wide where all lengths fit.

    Raises:
        DataError: The index has another number of samples than the run record says.
    """
    told = sum(shard["samples"] for shard in output.training)
    # Filled in place: arrays that are joined take twice the memory.
    lengths: npt.NDArray[Any] = np.empty(told, np.uint16)
    found = 0
    for shard in output.training:
        for chunk in read_table(output.path / shard["index"], ["length"])["length"].chunks:
            values = np.from_dlpack(chunk)
            if values.max(initial=0) > _MOST_NARROW:
                lengths = lengths.astype(np.int32, copy=False)
            here = lengths[found : found + len(values)]
            here[:] = values[: len(here)]
            found += len(values)
    if found != told:
        message = f"the index has {found:,} samples, the run record says {told:,}"
        hint = "run the same `turnmill prepare` again: it repairs what is damaged"
        raise DataError(message, code="broken-output", path=str(output.path), hint=hint)
    return lengths
