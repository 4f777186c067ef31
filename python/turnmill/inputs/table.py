"""Tables as text: CSV and TSV, read as record batches in which every cell is text.

Python's `csv` takes them apart. pyarrow's reader is quicker, but its threads call back into Python,
which aborts a process that ends right after an error.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
import threading
from collections.abc import Generator, Iterator
from typing import Any, Literal

import pyarrow as pa

from turnmill.errors import DataError
from turnmill.inputs.text import Sized

TableFormat = Literal["csv", "tsv"]

_DELIMITERS: dict[TableFormat, str] = {"csv": ",", "tsv": "\t"}
BATCH_ROWS = 1000
"""Rows of a record batch that is made of a table."""
_BUFFER_BYTES = 256 << 10
CELL_CHARACTERS = 64 << 20
"""The longest cell; after quotes that nothing closes, the rest of the table would be one."""
_limit = threading.Lock()
"""`csv` has one limit for cells, which belongs to the whole process."""


def table_format(name: str) -> TableFormat | None:
    """The format that the name of a file says, compressed or not."""
    match = re.search(r"\.(csv|tsv)(?:\.(?:gz|zst|zstd|bz2|xz))?$", name.lower())
    if not match:
        return None
    return "csv" if match[1] == "csv" else "tsv"


def table_batches(
    blocks: Iterator[Sized[bytes]], format_: TableFormat, path: str
) -> Generator[Sized[pa.RecordBatch]]:
    """The rows of a table; an empty cell is null, as pandas and `datasets` read it.

    Args:
        blocks: The text of the file, in UTF-8.
        format_: What stands between two cells.
        path: The file, for errors.

    Raises:
        DataError: The table is damaged, or two of its columns have one name.
    """
    text = _Text(blocks)
    # What is not UTF-8 is told with its row, later.
    lines = io.TextIOWrapper(
        io.BufferedReader(text, _BUFFER_BYTES), "utf-8-sig", "surrogateescape", newline=""
    )
    rows = _CellRows(csv.reader(lines, delimiter=_DELIMITERS[format_], strict=True), path)
    header = next(iter(rows.take(1)), [])
    # A column without a name, such as the index of pandas, is called as `datasets` calls it.
    names = [name or f"Unnamed: {index}" for index, name in enumerate(header)]
    _check_names(names, path)
    while taken := rows.take(BATCH_ROWS):
        yield _batch(taken, names, rows.done - len(taken), path), text.taken()


class _Text(io.RawIOBase):
    """Blocks of text as a file."""

    def __init__(self, blocks: Iterator[Sized[bytes]]) -> None:
        self._blocks = blocks
        self._block = memoryview(b"")
        self._amount = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._block:
            block, amount = next(self._blocks, (None, 0))
            if block is None:
                return 0
            self._block = memoryview(block)
            self._amount += amount
        length = min(len(buffer), len(self._block))
        buffer[:length] = self._block[:length]
        self._block = self._block[length:]
        return length

    def taken(self) -> int:
        """How much of the file was read since the last call."""
        amount, self._amount = self._amount, 0
        return amount


class _CellRows:
    """The rows of a table, without blank lines."""

    def __init__(self, reader: Iterator[list[str]], path: str) -> None:
        self._rows = (row for row in reader if row)
        self._path = path
        self.done = -1
        """How many were taken after the header."""

    def take(self, count: int) -> list[list[str]]:
        """The next rows, at most so many.

        Raises:
            DataError: The quotes of a row are wrong.
        """
        taken: list[list[str]] = []
        with _limit:
            before = csv.field_size_limit(CELL_CHARACTERS)
            try:
                taken.extend(itertools.islice(self._rows, count))
            except csv.Error as error:
                raise _broken(str(error), self._path, self.done + len(taken)) from error
            finally:
                csv.field_size_limit(before)
        self.done += len(taken)
        return taken


def _batch(rows: list[list[str]], names: list[str], first: int, path: str) -> pa.RecordBatch:
    for index, row in enumerate(rows, first):
        if len(row) != len(names):
            message = f"the row has {_cells(len(row))}, and the header of the table {len(names)}"
            raise _damaged(message, path, index, _QUOTE)
    try:
        columns = [
            pa.array([cell or None for cell in column], pa.string())
            for column in zip(*rows, strict=True)
        ]
    except UnicodeEncodeError as error:
        bad = next(index for index, row in enumerate(rows, first) if not _is_utf8(row))
        raise _damaged("the row of the table is not UTF-8", path, bad, _SAVE) from error
    return pa.record_batch(columns, names)


def _check_names(names: list[str], path: str) -> None:
    if not _is_utf8(names):
        raise _damaged("the header of the table is not UTF-8", path, None, _SAVE)
    for name in names:
        if names.count(name) > 1:
            message = f"two columns of the table are called {name!r}"
            hint = "give every column a name of its own, in the first line"
            raise _damaged(message, path, None, hint)


def _is_utf8(cells: list[str]) -> bool:
    return not any("\ud800" <= character <= "\udfff" for cell in cells for character in cell)


_QUOTE = "write the table again, with quotes around cells that hold line ends, quotes or commas"
_SAVE = "save the table as UTF-8"


def _broken(said: str, path: str, row: int) -> DataError:
    """What `csv` says, in turnmill's words."""
    if "end of data" in said or "field limit" in said:
        message = "quotes are opened in the row and not closed"
        hint = 'close the quotes; a quote in a cell in quotes is written twice: ""'
        return _damaged(message, path, row, hint)
    return _damaged(f"the row of the table cannot be read: {said}", path, row, _QUOTE)


def _damaged(message: str, path: str, row: int | None, hint: str) -> DataError:
    at = row if row is not None and row >= 0 else None
    return DataError(message, code="broken-input", path=path, row=at, hint=hint)


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"
