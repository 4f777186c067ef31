"""The files of one shard: samples, their index, and the rejects."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from turnmill.errors import DataError
from turnmill.storage.local import HashingFile, whole_file
from turnmill.storage.remote import AnyPath

STAGING = ".turnmill"
"""Directory inside an output for the plan, receipts and rejects of single shards."""
BATCH_SAMPLES = 1000
"""Samples in a record batch of the data files."""
PARQUET_GROUP_BATCHES = 10
"""Record batches in a row group of Parquet data."""


@dataclass(frozen=True)
class ShardFiles:
    """Where the files of a shard lie, relative to the output directory."""

    data: str
    index: str
    rejects: str
    receipt: str


def shard_files(name: str, format_: str) -> ShardFiles:
    """The file names of the shard called ``name``; ``format_`` is ``arrow`` or ``parquet``."""
    return ShardFiles(
        data=f"data-{name}.{format_}",
        index=f"index-{name}.parquet",
        rejects=f"{STAGING}/rejects-{name}.parquet",
        receipt=f"{STAGING}/receipt-{name}.json",
    )


def column_names(data: AnyPath) -> list[str]:
    """The columns of a data file."""
    with data.open("rb") as file:
        if data.suffix == ".parquet":
            return list(pq.read_schema(file).names)
        return list(pa.ipc.open_stream(file).schema.names)


@dataclass
class Sink:
    """Takes the batches of one kind and writes them to one file. Empty until the first batch."""

    file: HashingFile
    source: str | None = None
    """Put before every row of the index and the rejects."""
    data_format: str = "parquet"
    group_batches: int = 1
    rows: int = 0
    """Rows written so far."""
    _writer: Any = None
    _held: list[pa.RecordBatch] = field(default_factory=list)

    def write(self, batches: Sequence[Any]) -> None:
        """Writes batches that come by Arrow capsule."""
        for batch in batches:
            record_batch = pa.record_batch(batch)
            if self.source is not None:
                record_batch = _with_source(record_batch, self.source)
            self.rows += record_batch.num_rows
            self._held.append(record_batch)
            if len(self._held) >= self.group_batches:
                self._flush()

    def close(self) -> None:
        """Writes what is held and the end of the file."""
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        if not self._held:
            return
        table = pa.Table.from_batches(self._held)
        self._held = []
        if self._writer is None:
            self._writer = _writer(self.file, table.schema, self.data_format)
        if self.data_format == "arrow":
            self._writer.write_table(table)
        else:
            self._writer.write_table(table, row_group_size=max(1, table.num_rows))


def _with_source(batch: pa.RecordBatch, source: str) -> pa.RecordBatch:
    sources = _repeated(source, batch.num_rows)
    return pa.RecordBatch.from_arrays(
        [sources, *batch.columns], names=["source", *batch.schema.names]
    )


def _repeated(text: str, count: int) -> pa.StringArray:
    """``text``, ``count`` times. ``pa.repeat`` would import pandas: a quarter of a second."""
    encoded = text.encode()
    ends = np.arange(count + 1, dtype=np.int32) * len(encoded)
    return pa.StringArray.from_buffers(count, pa.py_buffer(ends), pa.py_buffer(encoded * count))


def _writer(file: HashingFile, schema: pa.Schema, format_: str) -> Any:
    if format_ == "arrow":
        return pa.ipc.new_stream(file, schema)
    return pq.ParquetWriter(file, schema, compression="zstd", **_encodings(schema, format_))


def _encodings(schema: pa.Schema, format_: str) -> dict[str, Any]:
    """Ids and labels take a sixth less room byte-split than in a dictionary, and half the time."""
    if format_ != "parquet-data":
        return {}
    split = {
        f"{column.name}.list.element"
        if pa.types.is_list(column.type)
        else column.name: "BYTE_STREAM_SPLIT"
        for column in schema
        if _four_bytes(column.type)
    }
    return {"use_dictionary": False, "column_encoding": split}


def _four_bytes(type_: pa.DataType) -> bool:
    inner = type_.value_type if pa.types.is_list(type_) else type_
    return bool(pa.types.is_int32(inner) or pa.types.is_float32(inner))


@dataclass(frozen=True)
class Sinks:
    """The three sinks of a shard."""

    samples: Sink
    index: Sink
    rejects: Sink

    def hashes(self) -> dict[str, str]:
        """SHA-256 of each file, once the sinks are closed."""
        return {
            "data": self.samples.file.sha256,
            "index": self.index.file.sha256,
            "rejects": self.rejects.file.sha256,
        }


class TooManyRejectsError(DataError):
    """More rows are rejected than ``max_rejects`` allows."""


@contextlib.contextmanager
def open_sinks(
    directory: AnyPath, files: ShardFiles, *, source: str, format_: str
) -> Iterator[Sinks]:
    """Opens the files of a shard; all appear when the block ends without an error.

    Where it ends in `TooManyRejectsError` the rejects appear alone: they say why.
    """
    stopped = None
    with whole_file(directory / files.rejects) as file:
        rejects = Sink(file, source, group_batches=PARQUET_GROUP_BATCHES)
        try:
            with (
                whole_file(directory / files.index) as index,
                whole_file(directory / files.data) as data,
            ):
                sinks = Sinks(
                    Sink(data, None, "arrow")
                    if format_ == "arrow"
                    else Sink(data, None, "parquet-data", PARQUET_GROUP_BATCHES),
                    Sink(index, source, group_batches=PARQUET_GROUP_BATCHES),
                    rejects,
                )
                yield sinks
                sinks.samples.close()
                sinks.index.close()
        except TooManyRejectsError as error:
            stopped = error
        rejects.close()
    if stopped is not None:
        raise stopped
