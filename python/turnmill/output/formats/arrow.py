"""Arrow IPC streams, which `datasets.load_from_disk` maps into memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from turnmill.output.columns import empty_batch
from turnmill.output.formats.format import Block, Loading, Writer
from turnmill.storage.local import HashingFile, open_native
from turnmill.storage.remote import AnyPath


class Arrow:
    """A directory as `datasets` saves it; the default on a local disk."""

    name = "arrow"
    batches_written = 1

    def writer(self, file: HashingFile, schema: pa.Schema) -> Writer:
        """A stream of record batches."""
        writer: Writer = pa.ipc.new_stream(file, schema)
        return writer

    def read(self, path: AnyPath) -> pa.Table:
        """The samples, mapped into memory if the file is local."""
        file = pa.memory_map(str(path)) if isinstance(path, Path) else path.open("rb")
        with file:
            return pa.ipc.open_stream(file).read_all()

    def batches(self, path: AnyPath, step: int = 1) -> Iterator[pa.RecordBatch]:
        """The record batches. All are read and not mapped: what was mapped counts as memory in use.

        Of some only, the others are mapped and never touched.
        """
        if step > 1:
            yield from self.read(path).to_batches()[::step]
            return
        with open_native(path) as file, pa.ipc.open_stream(file) as reader:
            first = next(reader, None)
            yield empty_batch(reader.schema) if first is None else first
            yield from reader

    def blocks(self, path: AnyPath) -> list[Block]:
        """The record batches; of a local file they are mapped."""
        return [
            Block(batch.num_rows, partial(_itself, batch)) for batch in self.read(path).to_batches()
        ]

    def column_names(self, path: AnyPath) -> list[str]:
        """The columns of the stream."""
        with open_native(path) as file:
            return list(pa.ipc.open_stream(file).schema.names)

    def descriptions(self, data_files: list[str], digest: str) -> dict[str, Any]:
        """Every key that `load_from_disk` reads; a missing one is a KeyError there."""
        state: dict[str, Any] = {
            "_data_files": [{"filename": name} for name in data_files],
            "_fingerprint": digest[:16],
            "_format_columns": None,
            "_format_kwargs": {},
            "_format_type": None,
            "_output_all_columns": False,
            "_split": None,
        }
        return {"dataset_info.json": {}, "state.json": state}

    def loading(self, output: str) -> Loading:
        """All three trainers take the directory."""
        return Loading(
            trl=f'load_from_disk("{output}")',
            axolotl=(f"  - path: {output}",),
            llama_factory=output,
        )


def _itself(batch: pa.RecordBatch, columns: list[str] | None = None) -> pa.RecordBatch:
    return batch if columns is None else batch.select(columns)
