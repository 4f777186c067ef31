"""Tables as text: CSV and TSV, read as record batches in which every cell is text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Generator, Iterator
from typing import Any, Literal

import pyarrow as pa

from turnmill.errors import DataError
from turnmill.inputs.text import BLOCK_BYTES, Sized

TableFormat = Literal["csv", "tsv"]

_DELIMITERS: dict[TableFormat, str] = {"csv": ",", "tsv": "\t"}
_TAIL_BYTES = 64
"""How much of the end of a table is kept, to see whether its last quotes are closed."""
_COUNTS = re.compile(r"Expected (\d+) columns, got (\d+)")
_ROW = re.compile(r"Row #(\d+): ")


def table_format(name: str) -> TableFormat | None:
    """The format that the name of a file says, compressed or not."""
    match = re.search(r"\.(csv|tsv)(?:\.(?:gz|zst|zstd|bz2|xz))?$", name.lower())
    if not match:
        return None
    return "csv" if match[1] == "csv" else "tsv"


def table_batches(
    texts: tuple[Iterator[Sized[bytes]], Iterator[Sized[bytes]]], format_: TableFormat, path: str
) -> Generator[Sized[pa.RecordBatch]]:
    """The rows of a table; a cell with nothing in it, not even quotes, is null.

    Args:
        texts: The text of the file, twice: its header is read first.
        format_: What stands between two cells.
        path: The file, for errors.

    Raises:
        DataError: The table is damaged, or two of its columns have one name.
    """
    try:
        names = _header(_Text(texts[0]), format_)
        _refuse_twins(names, path)
        text, last = _Text(texts[1]), None
        with _opened(text, format_, names) as reader:
            for batch in reader:
                last = batch if batch.num_rows else last
                yield batch.rename_columns(_named(names)), text.taken()
        _refuse_open_quotes(last, text.tail, path)
    except (pa.ArrowInvalid, UnicodeError, csv.Error) as error:
        raise _broken(str(error), path) from error


class _Text(io.RawIOBase):
    """Blocks of text as a file, for pyarrow."""

    def __init__(self, blocks: Iterator[Sized[bytes]]) -> None:
        self._blocks = blocks
        self._block = b""
        self._amount = 0
        self.tail = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._block:
            block, amount = next(self._blocks, (None, 0))
            if block is None:
                return 0
            self._block = block
            self._amount += amount
            self.tail = (self.tail + block[-_TAIL_BYTES:])[-_TAIL_BYTES:]
        length = min(len(buffer), len(self._block))
        buffer[:length] = self._block[:length]
        self._block = self._block[length:]
        return length

    def taken(self) -> int:
        """How much of the file was read since the last call."""
        amount, self._amount = self._amount, 0
        return amount


def _header(text: _Text, format_: TableFormat) -> list[str]:
    """The names of the columns, which pyarrow must know before it reads them as text."""
    # More than the header is decoded: what is not UTF-8 further on is told with its row.
    lines = io.TextIOWrapper(io.BufferedReader(text), "utf-8-sig", "surrogateescape", newline="")
    return next((row for row in csv.reader(lines, delimiter=_DELIMITERS[format_]) if row), [])


def _opened(text: _Text, format_: TableFormat, names: list[str]) -> Any:
    from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, open_csv

    return open_csv(
        pa.PythonFile(io.BufferedReader(text), "r"),
        # With one thread errors name the row.
        read_options=ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
        parse_options=ParseOptions(delimiter=_DELIMITERS[format_], newlines_in_values=True),
        convert_options=ConvertOptions(
            column_types={name: pa.string() for name in names},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _named(names: list[str]) -> list[str]:
    """Names of columns; one without a name, such as the index of pandas, is called as there."""
    return [name or f"Unnamed: {i}" for i, name in enumerate(names)]


def _refuse_twins(names: list[str], path: str) -> None:
    for name in names:
        if names.count(name) > 1:
            message = f"two columns of the table are called {name!r}"
            hint = "give every column a name of its own, in the first line"
            raise DataError(message, code="broken-input", path=path, hint=hint)


def _refuse_open_quotes(last: Any, tail: bytes, path: str) -> None:
    """Refuses quotes that nothing closes: the rest of the table would be one cell, silently."""
    cell = last.columns[-1][-1].as_py() if last is not None else None
    if cell is None or "\n" not in cell:
        return
    # A cell with a line end stands in quotes: if the text ends as the cell does, they are open.
    end = cell.replace('"', '""').encode()[-_TAIL_BYTES:]
    if tail.endswith(end):
        start = cell.split("\n", 1)[0][:40]
        message = f"quotes are opened and never closed, in the cell that begins with {start!r}"
        hint = 'close the quotes; a quote in a cell in quotes is written twice: ""'
        raise DataError(message, code="broken-input", path=path, hint=hint)


def _broken(said: str, path: str) -> DataError:
    """What pyarrow says, in turnmill's words; its rows count from 1, with the header."""
    found = _ROW.search(said)
    row = int(found[1]) - 2 if found else None
    hint = "write the table again, with quotes around cells that hold line ends, quotes or commas"
    if match := _COUNTS.search(said):
        message = f"the row has {_cells(match[2])}, and the header of the table has {match[1]}"
    elif "UTF8" in said or "utf-8" in said:
        message = f"the {'header' if row is None else 'row'} of the table is not UTF-8"
        hint = "save the table as UTF-8"
    elif "straddling" in said:
        message = f"a row of the table is longer than {BLOCK_BYTES >> 20} MB"
        hint = "if no row is so long, quotes are opened and never closed; else write JSON Lines"
    else:
        message = f"the table cannot be read: {said}"
    return DataError(message, code="broken-input", path=path, row=row, hint=hint)


def _cells(count: str) -> str:
    return "1 cell" if count == "1" else f"{count} cells"
