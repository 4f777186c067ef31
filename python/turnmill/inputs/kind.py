"""What a file is, by its first bytes; a table of text also by its name."""

from __future__ import annotations

import codecs
import contextlib
import dataclasses
import json
from collections.abc import Iterator

from turnmill.errors import DataError
from turnmill.inputs.directory import FORMATS
from turnmill.inputs.files import FileInput, Format, InputPart, naming, open_file
from turnmill.inputs.shapes import Shape, begins_as_lines, shape_of
from turnmill.inputs.table import table_format
from turnmill.inputs.text import Compression

_MAGIC: tuple[tuple[bytes, Format], ...] = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow-file"),
    (b"\xff\xff\xff\xff", "arrow-stream"),
)
_COMPRESSED: tuple[tuple[bytes, Compression], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
)
_NAMED: tuple[tuple[bytes, str, str], ...] = (
    (
        b"version https://git-lfs",
        "a pointer of Git LFS, and not the data",
        "fetch the data: git lfs pull in the repository, or download the file again",
    ),
    (b"PK\x03\x04", "a zip archive", "unpack it, and give the files in it"),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it, and give the files in it"),
    (b"\x89HDF", "HDF5", "write the rows as JSON Lines or Parquet"),
    (b"SQLite", "a database of SQLite", "write the rows as JSON Lines or Parquet"),
    (b"\x80", "a pickle of Python", "write the rows as JSON Lines or Parquet"),
)
"""What is not read: first bytes, name, and what to do."""
_HEAD_BYTES = 4 << 20
"""How much of a file of JSON is looked at to tell its shape."""


def read_kind(path: str, spool: str = "") -> FileInput:
    """The input at a path or URI; its first bytes tell the format, or its name that it is a table.

    Args:
        path: The path or URI.
        spool: The file that holds the bytes, if ``path`` is only a name.

    Raises:
        DataError: turnmill does not read the format of the file.
    """
    with naming(path):
        with open_file(spool or path) as file:
            head = file.read(32)
        for magic, format_ in _MAGIC:
            if head.startswith(magic):
                return FileInput(path, format_, spool=spool)
        for magic, what, hint in _NAMED:
            if head.startswith(magic):
                message = f"the file is {what}"
                raise DataError(message, code="unknown-format", path=path, hint=hint)
        compression = next((name for magic, name in _COMPRESSED if head.startswith(magic)), None)
        return _text_kind(FileInput(path, "lines", compression, spool=spool))


def _text_kind(text: FileInput) -> FileInput:
    """The input of a file that can only be JSON, or a table if its name says so."""
    with contextlib.closing(text.blocks(InputPart())) as blocks:
        start = _Start(block for block, _ in blocks)
        start.more()
        encoding = json.detect_encoding(start.read) if start.read else "utf-8"
        plain = encoding in {"utf-8", "utf-8-sig"}
        start.encoding = encoding
        while not start.text().strip() and start.more():
            pass
        first = start.text().lstrip()[:1]
        if first not in {"", "[", "{"}:
            if not (table := table_format(text.name)):
                raise _unknown(text, first)
            return dataclasses.replace(text, format=table, encoding=None if plain else encoding)
        shape = start.shape() if first == "{" else None
    is_array = first == "[" or shape is not None
    return FileInput(
        text.name,
        "array" if is_array else "lines",
        text.compression,
        None if plain else encoding,
        shape,
        spool=text.spool,
    )


class _Start:
    """The start of a text, as much as is needed to tell what it is."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self.read = b""
        self.encoding = "utf-8"
        self.is_whole = False

    def more(self) -> bool:
        """Takes one more block; false at the end."""
        block = next(self._blocks, None)
        self.is_whole = block is None
        self.read += block or b""
        return not self.is_whole

    def text(self) -> str:
        """What was read so far, as text."""
        decoder = codecs.getincrementaldecoder(self.encoding)("replace")
        return decoder.decode(self.read).removeprefix("\ufeff")

    def shape(self) -> Shape | None:
        """The shape of JSON that begins with an object."""
        # No more than needed is read: what is broken further on is told when its shard is read.
        while not begins_as_lines(self.text()):
            if len(self.read) > _HEAD_BYTES or not self.more():
                return shape_of(self.text(), is_whole=self.is_whole)
        return None


def _unknown(text: FileInput, first: str) -> DataError:
    message = f"the file starts with {first!r}: turnmill does not read this format"
    hint = f"turnmill reads {FORMATS}"
    if text.name.lower().endswith((".txt", ".tab")):
        hint += "; if it is a table, name it .csv or .tsv"
    return DataError(message, code="unknown-format", path=text.name, hint=hint)
