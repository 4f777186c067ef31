"""The shuffle: samples of all shards in a random order, with little memory.

The order is known from the number of samples alone. The samples follow it in two steps: each shard
is *scattered* (read once, and its samples written in the order in which they are needed, in runs
that fit into memory), then each file of the output is *gathered*, with a piece from every run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from turnmill import _core
from turnmill.output.files import VALIDATION, ChosenFiles, chosen_files
from turnmill.output.formats import Format
from turnmill.prepare.chosen import passes
from turnmill.prepare.draws import draws, streams
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
        numbers = unshuffled[np.argsort(draws(streams(seed, 2)[1], len(unshuffled)), kind="stable")]
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
        return np.argsort(self.numbers, kind="stable").astype(np.int32)


@dataclass(frozen=True)
class Run:
    """Some samples of a shard, in the order of the data set."""

    path: Path
    batch: int
    """Which record batch of the file."""
    source: str
    """The input that they come from."""
    ranks: Ranks
    columns: pa.Schema
    """Those of their index, without the source."""


def scatter(
    order: Order,
    shard: int,
    ranks: Ranks,
    batches: Iterator[pa.RecordBatch],
    index: AnyPath,
    path: Path,
) -> Iterator[Run]:
    """Writes the samples of a shard in the order in which the files of the output need them.

    Args:
        order: The order.
        shard: Which of the waiting shards.
        ranks: The places of its samples, ordered by their numbers.
        batches: Its samples.
        index: Its index.
        path: The file to write.
    """
    waiting, first = order.waiting[shard], int(order.firsts[shard])
    numbers = order.numbers[ranks] - first
    entries = _Rows(_index_of(index, waiting.side))
    done = 0
    with pa.OSFile(str(path), "wb") as file:
        writer = None
        for number, held in enumerate(_runs(batches)):
            size = sum(map(len, held))
            here = slice(*np.searchsorted(numbers, [done, done + size]))
            order_here = np.argsort(ranks[here])
            rows = numbers[here][order_here] - done
            table = pa.concat_tables([_named(entries.next(size))])
            batch = _joined(_gathered(held, rows), table.take(pa.array(rows)))
            if writer is None:
                writer = pa.ipc.new_file(file, batch.schema)
            writer.write_batch(batch)
            source, there = waiting.receipt.identity["source"], ranks[here][order_here]
            yield Run(path, number, source, there, table.schema)
            done += size
        if writer is not None:
            writer.close()


def gather(file: ShuffledFile, runs: Sequence[Run]) -> tuple[pa.RecordBatch, pa.Table]:
    """The samples of a file of the output and their index, which has the columns of all inputs.

    Args:
        file: Which.
        runs: Every run of the data set.
    """
    pieces: list[pa.RecordBatch] = []
    entries: list[pa.Table] = []
    ranks: list[Ranks] = []
    readers: dict[Path, Any] = {}
    for run in runs:
        start, stop = np.searchsorted(run.ranks, [file.ranks.start, file.ranks.stop])
        # A file without samples takes the columns of any.
        if start == stop and (pieces or run is not runs[-1]):
            continue
        if run.path not in readers:
            readers[run.path] = pa.ipc.open_file(pa.memory_map(str(run.path)))
        piece = readers[run.path].get_batch(run.batch).slice(start, stop - start)
        pieces.append(_data_of(piece))
        entries.append(_index_in(pa.Table.from_batches([piece]), run.source))
        ranks.append(run.ranks[start:stop])
    order = np.argsort(np.concatenate(ranks))
    columns = pa.unify_schemas([run.columns for run in runs]).empty_table()
    entries.append(_index_in(columns, ""))
    index = pa.concat_tables(entries, promote_options="default")
    return _gathered(pieces, order), index.take(pa.array(order))


def _runs(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Batches, as many at a time as are put in order together; at least one list."""
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        if held and size + batch.nbytes > RUN_BYTES:
            yield held
            held, size = [], 0
        held.append(batch)
        size += batch.nbytes
    yield held


def _gathered(batches: Sequence[pa.RecordBatch], rows: npt.NDArray[Any]) -> pa.RecordBatch:
    """Rows of batches, by their number among all rows of them."""
    ends = np.cumsum([len(batch) for batch in batches])
    sources = np.searchsorted(ends, rows, "right")
    begins = np.concatenate([[0], ends])[sources]
    picks = [_unsigned(sources), _unsigned(rows - begins)]
    return pa.record_batch(_core.gather(list(batches), *picks))


def _unsigned(numbers: npt.NDArray[Any]) -> pa.Array:
    # Not `pa.array`, which imports pandas if it is installed.
    buffer = pa.py_buffer(numbers.astype(np.uint32))
    return pa.Array.from_buffers(pa.uint32(), len(numbers), [None, buffer])


def _index_of(path: AnyPath, side: npt.NDArray[np.bool_]) -> Iterator[pa.RecordBatch]:
    """The entries of the index for the samples of one side."""
    first = 0
    with path.open("rb") as file:
        table = pq.ParquetFile(file)
        yield pa.RecordBatch.from_pylist([], schema=table.schema_arrow)  # for its columns
        for batch in table.iter_batches():
            here = pa.array(side[first : first + len(batch)])
            first += len(batch)
            yield batch.filter(here)


class _Rows:
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
    """The index as it travels: without the source, which is that of the run."""
    own = index.drop_columns(["source"])
    return own.rename_columns([f"{_INDEX}{name}" for name in own.column_names])


def _joined(samples: pa.RecordBatch, index: pa.Table) -> pa.RecordBatch:
    (entries,) = index.combine_chunks().to_batches() or [
        pa.RecordBatch.from_pylist([], schema=index.schema)
    ]
    return pa.RecordBatch.from_arrays(
        [*samples.columns, *entries.columns], names=[*samples.schema.names, *entries.schema.names]
    )


def _data_of(piece: pa.RecordBatch) -> pa.RecordBatch:
    return piece.select([name for name in piece.schema.names if not name.startswith(_INDEX)])


def _index_in(piece: pa.Table, source: str) -> pa.Table:
    names = [name for name in piece.column_names if name.startswith(_INDEX)]
    table = piece.select(names)
    sources = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(len(piece), np.int32)), pa.array([source], pa.string())
    ).cast(pa.string())
    table = table.rename_columns([name.removeprefix(_INDEX) for name in names])
    return table.add_column(0, "source", sources)
