"""The shuffle: samples of all shards in a random order, with little memory.

The order is known from the number of samples alone. The samples follow it in two steps: each shard
is *scattered* (its samples written in the order in which they are needed, in runs that fit into
memory), then each file of the output is *gathered*, with a piece from every run. Until then they
have a form of half the size, which the core makes and from which it makes the columns.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from turnmill import _core
from turnmill._splitmix64 import draws, streams
from turnmill.output.columns import (
    empty_batch,
    flag_column,
    number_column,
    sample_columns,
    text_column,
)
from turnmill.output.files import VALIDATION, ChosenFiles, chosen_files
from turnmill.output.formats import FORMATS, Format
from turnmill.output.recut import BATCH_ROWS
from turnmill.output.waiting import waiting_entries
from turnmill.prepare.chosen import passes
from turnmill.prepare.shard import Receipt
from turnmill.storage.remote import AnyPath

FILE_TOKENS = 16 << 20
"""Tokens of a file of the output, about; part of the format, never a setting."""
RUN_BYTES = 96 << 20
"""Bytes of the samples that are put in order at a time; the output does not depend on it."""
_INDEX = "index."
"""Before the names of the columns of the index, which travel with the samples."""

Ranks = npt.NDArray[np.int32]
"""Places in the order of a data set."""


@dataclass(frozen=True)
class Waiting:
    """The samples of one shard that belong to one data set."""

    shard: str
    receipt: Receipt
    """That of the shard."""
    split: str | None
    side: npt.NDArray[np.bool_]
    """Which samples of the shard these are."""
    copies: npt.NDArray[np.int32]
    """How often each is written."""

    @property
    def kind(self) -> str:
        """What the receipt of the shard calls the file where they wait."""
        return "apart" if self.split == VALIDATION else "data"


@dataclass(frozen=True)
class ShuffledFile:
    """A file of the output: the samples at some places of the order."""

    number: int
    split: str | None
    ranks: slice
    origin: str
    """A hash of the shards that the samples come from."""
    samples: str
    """A hash of which samples they are."""

    @property
    def name(self) -> str:
        """Takes the place of the name of a shard."""
        return f"shuffled-{self.number:05}"

    def files(self, format_: Format) -> ChosenFiles:
        """Where the samples go."""
        return chosen_files(self.name, self.split, format_)

    def identity(self) -> dict[str, Any]:
        """What decides the bytes of the files."""
        number = self.ranks.stop - self.ranks.start
        return {"of": self.origin, "number": number, "samples": self.samples}


@dataclass(frozen=True)
class Order:
    """The order of one data set."""

    waiting: list[Waiting]
    firsts: npt.NDArray[np.int64]
    """The number of the first sample of each shard, among all that wait."""
    numbers: Ranks
    """The number of the sample at each place."""
    files: list[ShuffledFile]

    @classmethod
    def of(cls, waiting: list[Waiting], split: str | None, seed: int, size: int) -> Order:
        """The order of the samples that ``waiting`` holds.

        Args:
            waiting: Those of each shard, in order.
            split: The data set.
            seed: The recipe's.
            size: Samples of a file.
        """
        counts = [len(part.copies) for part in waiting]
        firsts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        written = [
            np.flatnonzero(some).astype(np.int32) + np.int32(first)
            for part, first in zip(waiting, firsts.tolist(), strict=False)
            for some in passes(part.copies)
        ]
        unshuffled = np.concatenate([np.zeros(0, np.int32), *written])
        del written
        # SplitMix64 never draws a number twice, so the order does not depend on the way of sorting.
        numbers = unshuffled[np.argsort(draws(streams(seed, 2)[1], len(unshuffled)))]
        hashes = [part.receipt.sha256[kind] for part in waiting for kind in (part.kind, "index")]
        origin = hashlib.sha256("".join(hashes).encode()).hexdigest()
        files = []
        for number, start in enumerate(range(0, max(1, len(numbers)), size)):
            ranks = slice(start, min(start + size, len(numbers)))
            samples = hashlib.sha256(numbers[ranks].tobytes()).hexdigest()
            files.append(ShuffledFile(number, split, ranks, origin, samples))
        return cls(waiting, firsts, numbers, files)

    def by_number(self) -> Ranks:
        """The places, ordered by the numbers of their samples."""
        places = np.full(int(self.firsts[-1]), -1, np.int32)
        places[self.numbers] = np.arange(len(self.numbers), dtype=np.int32)
        found = places[places >= 0]
        if len(found) == len(self.numbers):
            return found
        # Some samples are there more than once.
        return np.argsort(self.numbers, kind="stable").astype(np.int32)


@dataclass(frozen=True)
class SortedRun:
    """Some samples of a shard, in the order of the data set, in a file of their own."""

    path: Path
    source: str
    """The input that they come from."""
    ranks: Ranks
    columns: pa.Schema
    """Those of their index, which does not repeat the source."""

    def pieces(self, start: int, stop: int) -> Iterator[pa.RecordBatch]:
        """The samples from ``start`` up to ``stop``, mapped; at least one piece."""
        with pa.memory_map(str(self.path)) as file:
            reader = pa.ipc.open_file(file)
            last = max(stop - 1, start)
            for number in range(start // BATCH_ROWS, last // BATCH_ROWS + 1):
                batch = reader.get_batch(min(number, reader.num_record_batches - 1))
                first = number * BATCH_ROWS
                low = max(start - first, 0)
                yield batch.slice(low, min(stop - first, BATCH_ROWS) - low)


def scatter(
    order: Order, shard: int, ranks: Ranks, stored: AnyPath, index: AnyPath, room: Path
) -> Iterator[SortedRun]:
    """Writes the samples of a shard in the order in which the files of the output need them.

    Args:
        order: The order.
        shard: Which of the waiting shards.
        ranks: The places of its samples, ordered by their numbers.
        stored: Where its samples wait.
        index: Its index.
        room: The directory for the runs.
    """
    waiting, first = order.waiting[shard], int(order.firsts[shard])
    source = waiting.receipt.identity["source"]
    numbers = order.numbers[ranks] - first
    entries = _RowQueue(_index_of(index, waiting.side))
    done = 0
    for number, held in enumerate(_runs(stored)):
        size = sum(map(len, held))
        here = slice(*np.searchsorted(numbers, [done, done + size]))
        in_order = np.argsort(ranks[here])
        rows = numbers[here][in_order] - done
        travelling = _named(entries.next(size)).take(number_column(rows))
        path = room / f"{shard}-{number}.arrow"
        _write_run(path, held, rows, travelling)
        yield SortedRun(path, source, ranks[here][in_order], travelling.schema)
        done += size


def _write_run(
    path: Path, held: list[pa.RecordBatch], rows: npt.NDArray[Any], index: pa.Table
) -> None:
    """Writes rows of the batches, and beside each its entry of the index."""
    gatherer = _core.Gatherer(held, [])
    with pa.OSFile(str(path), "wb") as file, contextlib.ExitStack() as stack:
        writer = None
        for start, picks in _picks(held, rows):
            entries = index.slice(start, BATCH_ROWS)
            batch = _joined(gatherer.rows(*picks), entries, held[0].schema)
            if writer is None:
                writer = stack.enter_context(pa.ipc.new_file(file, batch.schema))
            writer.write_batch(batch)


def gather(file: ShuffledFile, runs: Sequence[SortedRun]) -> tuple[Iterator[_core.Batch], pa.Table]:
    """The samples of a file of the output and their index, which has the columns of all inputs.

    Args:
        file: Which.
        runs: Every run of the data set.
    """
    pieces: list[pa.RecordBatch] = []
    entries: list[pa.Table] = []
    sources: list[str] = []
    ranks: list[Ranks] = []
    for run in runs:
        start, stop = np.searchsorted(run.ranks, [file.ranks.start, file.ranks.stop])
        # A file without samples takes the columns of any.
        if start == stop and (pieces or run is not runs[-1]):
            continue
        found = list(run.pieces(int(start), int(stop)))
        pieces += map(_data_of, found)
        entries.append(_index_in(pa.Table.from_batches(found)))
        sources.append(run.source)
        ranks.append(run.ranks[start:stop])
    order = np.argsort(np.concatenate(ranks))
    columns = pa.unify_schemas([run.columns for run in runs])
    entries.append(_index_in(pa.Table.from_batches([empty_batch(columns)])))
    index = pa.concat_tables(entries, promote_options="default").take(number_column(order))
    number = np.repeat(np.arange(len(ranks)), [len(some) for some in ranks])[order]
    source = text_column(sources).take(number_column(number))
    return _samples(pieces, order), index.add_column(0, "source", source)


def _samples(pieces: list[pa.RecordBatch], rows: npt.NDArray[Any]) -> Iterator[_core.Batch]:
    """Rows of samples that waited, as batches with the columns of the output."""
    gatherer = _core.Gatherer(pieces, sample_columns(pieces[0].schema))
    return (gatherer.samples(*picks) for _, picks in _picks(pieces, rows))


def _picks(
    batches: Sequence[pa.RecordBatch], rows: npt.NDArray[Any]
) -> Iterator[tuple[int, tuple[pa.Array, pa.Array]]]:
    """Rows of batches, by their number among all rows of them, some at a time; at least once.

    Each comes with the place of the first: from which batches they are, and which rows of them.
    """
    sizes = [len(batch) for batch in batches]
    begins = np.cumsum([0, *sizes])
    sources = np.repeat(np.arange(len(batches), dtype=np.uint32), sizes)[rows]
    found = number_column(sources)
    places = number_column((rows - begins[sources]).astype(np.uint32))
    for start in range(0, max(1, len(rows)), BATCH_ROWS):
        yield start, (found.slice(start, BATCH_ROWS), places.slice(start, BATCH_ROWS))


def _runs(path: AnyPath) -> Iterator[list[pa.RecordBatch]]:
    """Batches of a stored file, as many at a time as are put in order together."""
    if not isinstance(path, Path):
        yield from _parted(FORMATS["arrow"].batches(path))
        return
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    reader = pa.ipc.open_stream(pa.py_buffer(mapped))
    for held in _parted(reader):
        yield held or [empty_batch(reader.schema)]
        # What was read stays in the system's cache but no longer counts as memory in use.
        mapped.madvise(mmap.MADV_DONTNEED)


def _parted(batches: Iterable[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        if held and size + batch.nbytes > RUN_BYTES:
            yield held
            held, size = [], 0
        held.append(batch)
        size += batch.nbytes
    yield held


def _index_of(path: AnyPath, side: npt.NDArray[np.bool_]) -> Iterator[pa.RecordBatch]:
    """The entries of the index for the samples of one side."""
    first = 0
    for batch in waiting_entries(path):
        here = side[first : first + len(batch)]
        first += len(batch)
        yield batch if here.all() else batch.filter(flag_column(here))


class _RowQueue:
    """Rows that are taken from batches, as many at a time as are asked for."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._held: pa.Table | None = None

    def next(self, count: int) -> pa.Table:
        """The next rows."""
        parts = [] if self._held is None else [self._held]
        size = sum(map(len, parts))
        while size < count or not parts:
            parts.append(pa.Table.from_batches([next(self._batches)]))
            size += len(parts[-1])
        table = pa.concat_tables(parts)
        self._held = table.slice(count)
        return table.slice(0, count)


def _named(index: pa.Table) -> pa.Table:
    """The index as it travels, beside the samples."""
    return index.rename_columns([f"{_INDEX}{name}" for name in index.column_names])


def _joined(rows: _core.Batch, index: pa.Table, schema: pa.Schema) -> pa.RecordBatch:
    """Samples beside their entries of the index; ``schema`` says what to make of them."""
    samples = pa.record_batch(rows)
    (entries,) = index.combine_chunks().to_batches() or [empty_batch(index.schema)]
    fields = pa.schema([*samples.schema, *entries.schema], schema.metadata)
    return pa.RecordBatch.from_arrays([*samples.columns, *entries.columns], schema=fields)


def _data_of(piece: pa.RecordBatch) -> pa.RecordBatch:
    return piece.select([name for name in piece.schema.names if not name.startswith(_INDEX)])


def _index_in(piece: pa.Table) -> pa.Table:
    names = [name for name in piece.column_names if name.startswith(_INDEX)]
    return piece.select(names).rename_columns([name.removeprefix(_INDEX) for name in names])
