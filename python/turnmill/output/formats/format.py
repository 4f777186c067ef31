"""What a format of the data files must define."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from turnmill.storage.local import HashingFile
from turnmill.storage.remote import AnyPath


class Writer(Protocol):
    """Writes tables of one schema to one file."""

    def write_table(self, table: pa.Table) -> None:
        """Writes more rows."""

    def close(self) -> None:
        """Writes the end of the file, and leaves the file open."""


@dataclass(frozen=True)
class Loading:
    """How trainers load an output of the format."""

    trl: str
    """The Python expression that gives the data set."""
    axolotl: tuple[str, ...]
    """The lines of the entry under ``datasets:``."""
    llama_factory: str | None
    """The value of ``tokenized_path``; ``None`` where LLaMA-Factory cannot load it."""


@dataclass(frozen=True)
class Block:
    """Some samples of a data file that are read together."""

    rows: int
    read: Callable[..., pa.RecordBatch | pa.Table]
    """Reads them; given names, only these columns."""


class Format(Protocol):
    """One format of data files."""

    @property
    def name(self) -> str:
        """The value of the recipe's ``format``, and the ending of the files."""

    @property
    def batches_written(self) -> int:
        """Record batches of 1,000 samples that are written at a time, as one table."""

    def writer(self, file: HashingFile, schema: pa.Schema) -> Writer:
        """Begins a data file."""

    def read(self, path: AnyPath) -> pa.Table:
        """The samples of a data file."""

    def batches(self, path: AnyPath, step: int = 1) -> Iterator[pa.RecordBatch]:
        """The samples of a data file, a batch at a time; in memory is only the last one.

        Without samples it is one empty batch, which has the columns.

        Args:
            path: The file.
            step: Only every so many batches, or groups of them, are read.
        """

    def blocks(self, path: AnyPath) -> list[Block]:
        """What a data file can be read in, in order; nothing is read yet."""

    def column_names(self, path: AnyPath) -> list[str]:
        """The columns of a data file."""

    def descriptions(self, data_files: list[str], digest: str) -> dict[str, Any]:
        """JSON files that loaders look for beside the data, by name, written in this order.

        Args:
            data_files: Names of the data files, in order.
            digest: A hash of the run record, in hexadecimal digits.
        """

    def loading(self, output: str) -> Loading:
        """How trainers load the output directory, a path or URI."""
