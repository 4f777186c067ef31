"""The index of a shard while its samples wait: an Arrow stream, which is neither packed nor parsed.

It is read twice, for the choice and for the order, and then written as it stays.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from turnmill.output.formats import FORMATS
from turnmill.storage.local import HashingFile, named
from turnmill.storage.remote import AnyPath


class WaitingWriter:
    """Writes each table as one record batch."""

    def __init__(self, file: HashingFile, schema: pa.Schema) -> None:
        self._writer = pa.ipc.new_stream(file, schema)

    def write_table(self, table: pa.Table) -> None:
        """Writes more rows."""
        self._writer.write_table(table.combine_chunks())

    def close(self) -> None:
        """Writes the end of the stream."""
        self._writer.close()


def waiting_entries(path: AnyPath) -> Iterator[pa.RecordBatch]:
    """The entries of an index that waits, some at a time; at least one batch, for its columns."""
    with named(path):
        yield from FORMATS["arrow"].batches(path)
