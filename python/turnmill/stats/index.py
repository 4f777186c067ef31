"""One pass over the index of an output: lengths, trained shares, turns, duplicates, by source.

The pass reads a row group at a time. Besides counts it keeps sixteen bytes for each sample, because
rows that stand twice may be far apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from turnmill.output.index import Group, IndexFile, numbers
from turnmill.output.reader import Output, naming, sources_of

SHARE_BINS = 20
_COLUMNS = ["sample", "turns", "length", "trained", "hash", "conversation"]
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
    shards = output.record["shards"]
    samples = sum(shard["samples"] for shard in shards)
    hashes, conversations = (np.empty(samples, np.uint64) for _ in range(2))
    rows = 0
    for shard in shards:
        for batch in IndexFile(output.path / shard["index"]).batches(naming(shard, _COLUMNS)):
            first = numbers(batch, "sample") == 0
            for name, places in sources_of(shard, batch):
                whole = len(places) == batch.num_rows
                some = batch if whole else batch.take(pa.array(places))
                _count(some, int(first[places].sum()), counts.sources[name], counts)
            here = slice(rows, rows := rows + int(first.sum()))
            hashes[here] = numbers(batch, "hash")[first]
            conversations[here] = _starts(batch.column("conversation"))[first]
    counts.duplicate_rows = _repeated(hashes[:rows])
    counts.duplicate_conversations = _repeated(conversations[:rows])
    return counts


def extremes(output: Output, number: int, *, longest: bool) -> list[int]:
    """The numbers of the longest samples, or of the shortest, the most extreme first.

    Only row groups are read whose bounds promise such lengths.
    """
    groups = _by_promise(output, longest=longest)
    found: list[tuple[int, int]] = []
    for promised, first, file, group in groups:
        if len(found) == number and found[-1] <= (promised, first):
            break
        lengths = numbers(file.read(group, ["length"]), "length").astype(np.int64)
        keys = -lengths if longest else lengths
        order = np.argsort(keys, kind="stable")[:number]
        found = sorted(found + [(int(keys[i]), first + int(i)) for i in order])[:number]
    return [sample for _, sample in found]


def _by_promise(output: Output, *, longest: bool) -> list[tuple[float, int, IndexFile, Group]]:
    """Row groups, the most promising first: the best key, and the number of the first sample."""
    found: list[tuple[float, int, IndexFile, Group]] = []
    first = 0
    for shard in output.record["shards"]:
        file = IndexFile(output.path / shard["index"])
        for group in file.groups:
            bounds = group.bounds("length")
            best = -np.inf if bounds is None else -bounds[1] if longest else bounds[0]
            found.append((best, first, file, group))
            first += group.rows
    return sorted(found, key=lambda promise: promise[:2])


def _count(batch: pa.RecordBatch, rows: int, source: SourceCounts, counts: IndexCounts) -> None:
    lengths, trained, turns = (numbers(batch, name) for name in ("length", "trained", "turns"))
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


def _repeated(values: npt.NDArray[np.uint64]) -> int:
    """How many values stood before; they are sorted for that."""
    values.sort()
    return int((values[1:] == values[:-1]).sum())
