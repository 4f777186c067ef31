"""Tables in several files, each of a bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from turnmill.export.result import Written
from turnmill.output.formats import FORMATS, Writer
from turnmill.storage.local import HashingFile, whole_file

FILE_BYTES = 1 << 29
"""Bytes of Arrow data after which the next file begins."""


@dataclass(frozen=True)
class TableFiles:
    """How tables become files."""

    writer: Callable[[HashingFile, pa.Schema], Writer]
    ending: str
    """Of the names of the files."""

    def write(self, directory: Path, batches: Iterator[pa.RecordBatch], written: Written) -> None:
        """Writes all batches, and adds the files to ``written``."""
        while (first := next(batches, None)) is not None:
            name = f"data-{len(written.files):05}.{self.ending}"
            with whole_file(directory / name) as file:
                written.columns = list(first.schema.names)
                self._write_file(file, first, batches)
                written.files[name] = file.sha256

    def _write_file(
        self, file: HashingFile, first: pa.RecordBatch, batches: Iterator[pa.RecordBatch]
    ) -> None:
        writer = self.writer(file, first.schema)
        batch: pa.RecordBatch | None = first
        held = 0
        while batch is not None:
            writer.write_table(pa.Table.from_batches([batch]))
            held += batch.nbytes
            batch = next(batches, None) if held < FILE_BYTES else None
        writer.close()


def _parquet(file: HashingFile, schema: pa.Schema) -> Writer:
    """Parquet that readers of any age take; each batch is a row group."""
    writer: Writer = pq.ParquetWriter(file, schema, compression="zstd")
    return writer


ARROW = TableFiles(FORMATS["arrow"].writer, "arrow")
PARQUET = TableFiles(_parquet, "parquet")
PACKED_PARQUET = TableFiles(_parquet, "idx.parquet")
"""Megatron-Bridge knows packed data by this ending."""
