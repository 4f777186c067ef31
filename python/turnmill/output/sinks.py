"""Writes the output of a shard to its files."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from turnmill.errors import DataError
from turnmill.output.columns import repeated, sample_columns
from turnmill.output.files import ShardFiles
from turnmill.output.formats import Format, Writer
from turnmill.output.tables import GROUP_BATCHES, TableWriter
from turnmill.output.waiting import WaitingWriter
from turnmill.storage.local import HashingFile, whole_file
from turnmill.storage.remote import AnyPath


@dataclass
class Sink:
    """Writes the batches of one kind to one file, which is opened at the first batch."""

    file: HashingFile
    open_writer: Callable[[HashingFile, pa.Schema], Writer] = TableWriter
    batches_written: int = GROUP_BATCHES
    """Batches that are written at a time."""
    source: str | None = None
    """The input, put before every row of an index and of the rejects."""
    rows: int = 0
    """Rows written so far."""
    columns: list[str] = field(default_factory=list)
    """The columns of the file, once it is closed."""
    valued: set[str] = field(default_factory=set)
    """Those of them in which some row has a value."""
    _writer: Writer | None = None
    _waiting: list[pa.RecordBatch] = field(default_factory=list)

    def write(self, batches: Sequence[Any]) -> None:
        """Writes batches that come by Arrow capsule."""
        for batch in batches:
            record_batch = pa.record_batch(batch)
            if self.source is not None:
                record_batch = with_source(record_batch, self.source)
            self.valued |= _with_values(record_batch)
            self.rows += record_batch.num_rows
            self._waiting.append(record_batch)
            if len(self._waiting) >= self.batches_written:
                self._flush()

    def close(self) -> None:
        """Writes the waiting batches and the end of the file."""
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        if not self._waiting:
            return
        table = pa.Table.from_batches(self._waiting)
        self._waiting = []
        if self._writer is None:
            self._writer = self.open_writer(self.file, table.schema)
            self.columns = sample_columns(table.schema)
        self._writer.write_table(table)


def _with_values(batch: pa.RecordBatch) -> set[str]:
    pairs = zip(batch.schema.names, batch.columns, strict=True)
    return {name for name, column in pairs if column.null_count < len(column)}


def with_source(batch: pa.RecordBatch, source: str) -> pa.RecordBatch:
    """The rows with the input that they come from."""
    sources = repeated(source, batch.num_rows)
    return pa.RecordBatch.from_arrays(
        [sources, *batch.columns], names=["source", *batch.schema.names]
    )


@dataclass(frozen=True)
class Sinks:
    """The three sinks of a shard."""

    samples: Sink
    index: Sink
    rejects: Sink
    apart: Sink | None = None
    """For samples that are set apart, if they go to a file of their own."""

    @property
    def rows(self) -> int:
        """Samples written so far."""
        return self.samples.rows + (self.apart.rows if self.apart else 0)

    def hashes(self) -> dict[str, str]:
        """SHA-256 of each file, once the sinks are closed."""
        hashes = {
            "data": self.samples.file.sha256,
            "index": self.index.file.sha256,
            "rejects": self.rejects.file.sha256,
        }
        return {**hashes, "apart": self.apart.file.sha256} if self.apart else hashes


class TooManyRejectsError(DataError):
    """More rows are rejected than ``max_rejects`` allows, or all are."""

    rejected: int
    """How many were rejected up to then. The last row of a block may have been cut by the stop, so
    what was rejected after them is not told."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _too_many, (super().__reduce__(), self.rejected)


def _too_many(made: tuple[Any, ...], rejected: int) -> TooManyRejectsError:
    """Makes a pickled error again."""
    make, arguments = made
    error: TooManyRejectsError = make(*arguments)
    error.rejected = rejected
    return error


@contextlib.contextmanager
def open_sinks(
    directory: AnyPath,
    files: ShardFiles,
    *,
    source: str,
    format_: Format,
    durable: bool = True,
    waits: bool = False,
) -> Iterator[Sinks]:
    """Opens the files of a shard. All appear when the block ends without an error.

    The receipt and the commit, which come later, make their names durable too.

    If it ends in `TooManyRejectsError`, only the rejects appear: they say why.

    Args:
        directory: The output directory.
        files: Their names.
        source: The input.
        format_: The format of the samples.
        durable: Whether the samples are to be there after a power cut.
        waits: Whether the index waits for a choice among all samples, and is written again then.
    """
    stopped = None
    with whole_file(directory / files.rejects, alone=False) as file:
        rejects = Sink(file, source=source)
        try:
            with contextlib.ExitStack() as stack:
                index = Sink(
                    stack.enter_context(whole_file(directory / files.index, alone=False)),
                    WaitingWriter if waits else TableWriter,
                    source=None if waits else source,
                )
                samples, *apart = [
                    Sink(
                        stack.enter_context(
                            whole_file(directory / name, durable=durable, alone=False)
                        ),
                        format_.writer,
                        format_.batches_written,
                    )
                    for name in (files.data, files.apart)
                    if name is not None
                ]
                yield Sinks(samples, index, rejects, *apart)
                for sink in (samples, *apart, index):
                    sink.close()
        except TooManyRejectsError as error:
            stopped = error
        rejects.close()
    if stopped is not None:
        raise stopped
