"""Parquet tables: the index, the rejects, and the data files of that format."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from turnmill.storage.local import HashingFile

GROUP_BATCHES = 10
"""Record batches in a row group."""


_DIFFER = {"row", "line", "hash", "conversation"}
"""Columns whose values hardly repeat: a dictionary of them takes twice the time and more room."""


class TableWriter:
    """A Parquet file, compressed with Zstandard, in which each table is a row group."""

    def __init__(self, file: HashingFile, schema: pa.Schema, **encodings: Any) -> None:
        repeated = [name for name in schema.names if name not in _DIFFER]
        encodings = {"use_dictionary": repeated, **encodings}
        self._writer = pq.ParquetWriter(file, schema, compression="zstd", **encodings)

    def write_table(self, table: pa.Table) -> None:
        """Writes more rows."""
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))

    def close(self) -> None:
        """Writes the end of the file."""
        self._writer.close()
