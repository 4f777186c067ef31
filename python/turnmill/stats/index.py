"""One pass over the index of an output: lengths, trained shares, turns, duplicates, by source.

The pass reads a row group at a time. Besides counts it keeps sixteen bytes for each sample, because
rows that stand twice may be far apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from turnmill.output.reader import Output, sources_of
from turnmill.storage.local import open_native
from turnmill.storage.remote import AnyPath

SHARE_BINS = 20
_COLUMNS = ["source", "sample", "turns", "length", "trained", "hash", "conversation"]
_BATCH_ROWS = 1 << 16
Numbers = npt.NDArray[np.int64]


@dataclass
class SourceCounts:
    """What was counted of the samples of one input."""

    rows: int = 0
    samples: int = 0
    tokens: int = 0
    trained: int = 0
    turns: int = 0
    lengths: Numbers = field(default_factory=lambda: np.zeros(0, np.int64))
    """How many samples have each length, from 0."""


@dataclass
class IndexCounts:
    """What was counted of all samples."""

    sources: dict[str, SourceCounts] = field(default_factory=dict)
    turns: Numbers = field(default_factory=lambda: np.zeros(0, np.int64))
    """How many samples have each number of turns, from 0."""
    shares: Numbers = field(default_factory=lambda: np.zeros(SHARE_BINS, np.int64))
    """How many samples have each trained share, in steps of a twentieth."""
    untrained: int = 0
    """Samples without a trained token."""
    duplicate_rows: int = 0
    """Rows with the same bytes as one before them."""
    duplicate_conversations: int = 0
    """Rows with the same conversation as one before them, however it was written."""

    @property
    def lengths(self) -> Numbers:
        """How many samples of all sources have each length, from 0."""
        total = np.zeros(0, np.int64)
        for source in self.sources.values():
            total = _added(total, source.lengths)
        return total


def count_index(output: Output) -> IndexCounts:
    """Counts what the index of an output tells."""
    counts = IndexCounts({name: SourceCounts() for name in output.sources})
    hashes: list[npt.NDArray[np.uint64]] = []
    conversations: list[npt.NDArray[np.uint64]] = []
    for shard in output.record["shards"]:
        for batch in index_batches(output.path / shard["index"], _COLUMNS):
            first = column(batch, "sample") == 0
            for name, places in sources_of(shard, batch):
                some, rows = batch.take(pa.array(places)), int(first[places].sum())
                _count(some, rows, counts.sources[name], counts)
            hashes.append(column(batch, "hash")[first])
            conversations.append(_starts(batch.column("conversation"))[first])
    counts.duplicate_rows = _repeated(hashes)
    counts.duplicate_conversations = _repeated(conversations)
    return counts


def index_batches(path: AnyPath, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """The rows of an index file, some at a time."""
    with open_native(path) as file:
        yield from pq.ParquetFile(file).iter_batches(_BATCH_ROWS, columns=columns)


def extremes(output: Output, number: int, *, longest: bool) -> list[int]:
    """The numbers of the longest samples, or of the shortest, the most extreme first."""
    found: list[tuple[int, int]] = []
    first = 0
    for shard in output.record["shards"]:
        for batch in index_batches(output.path / shard["index"], ["length"]):
            lengths = column(batch, "length").astype(np.int64)
            keys = -lengths if longest else lengths
            order = np.argsort(keys, kind="stable")[:number]
            found += [(int(keys[i]), first + int(i)) for i in order]
            found = sorted(found)[:number]
            first += batch.num_rows
    return [sample for _, sample in found]


def column(batch: pa.RecordBatch, name: str) -> npt.NDArray[Any]:
    """A column of numbers, without a copy."""
    values: npt.NDArray[Any] = np.from_dlpack(batch.column(name))
    return values


def _count(batch: pa.RecordBatch, rows: int, source: SourceCounts, counts: IndexCounts) -> None:
    lengths, trained, turns = (column(batch, name) for name in ("length", "trained", "turns"))
    source.rows += rows
    source.samples += batch.num_rows
    source.tokens += int(lengths.sum(dtype=np.int64))
    source.trained += int(trained.sum(dtype=np.int64))
    source.turns += int(turns.sum(dtype=np.int64))
    source.lengths = _added(source.lengths, np.bincount(lengths))
    counts.turns = _added(counts.turns, np.bincount(turns))
    bins = np.minimum(trained.astype(np.int64) * SHARE_BINS // np.maximum(lengths, 1), 19)
    counts.shares += np.bincount(bins, minlength=SHARE_BINS)
    counts.untrained += int((trained == 0).sum())


def _added(one: Numbers, other: Numbers) -> Numbers:
    """The sum of two counts, the shorter one filled up with zeros."""
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    total = longer.astype(np.int64)
    total[: len(shorter)] += shorter
    return total


def _starts(column: pa.FixedSizeBinaryArray) -> npt.NDArray[np.uint64]:
    """The first eight bytes of values of sixteen: enough to tell ten million apart."""
    halves = np.frombuffer(column.buffers()[1], np.uint64)
    return halves[2 * column.offset :: 2][: len(column)]


def _repeated(parts: list[npt.NDArray[np.uint64]]) -> int:
    """How many values stood before."""
    if not parts:
        return 0
    values = np.concatenate(parts)
    values.sort()
    return int((values[1:] == values[:-1]).sum())
