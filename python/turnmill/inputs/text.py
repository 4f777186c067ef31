"""JSON as it lies in a file, made plain: decompressed, as UTF-8, as lines or one array."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, TypeVar

import pyarrow as pa

from turnmill.errors import DataError
from turnmill.inputs.shapes import Shape, as_array

Compression = Literal["gzip", "zstd", "bzip2", "xz"]
T = TypeVar("T")
Sized = tuple[T, int]
"""A piece of input, and how much of its part it covers."""

_PYTHON: dict[Compression, Callable[[Any], Any]] = {"bzip2": bz2.BZ2File, "xz": lzma.LZMAFile}
"""What Python reads and pyarrow does not, or not in several streams."""
BLOCK_BYTES = 4 << 20
"""How much is read at a time."""
REPLACE = "replace the file and run the same command again: finished shards are kept"


def decompressed(file: Any, compression: Compression, path: str) -> Iterator[Sized[bytes]]:
    """The text of a compressed file.

    Raises:
        DataError: The file ends too early or is damaged.
    """
    if compression in _PYTHON:
        yield from _read(_PYTHON[compression](file), file, compression, path, 0)
        return
    done = position = 0
    try:
        # Not as a context, which would close the file before it is looked at again.
        opened = pa.CompressedInputStream(file, compression)
        while block := opened.read(BLOCK_BYTES):
            done += len(block)
            before, position = position, file.tell()
            yield block, position - before
    except OSError as error:
        if error.errno is not None:
            raise
        if compression != "gzip" or not _ends_in_zero(file):
            raise _broken(error, compression, path, done) from error
        # Padded with zeros: `gzip` skips them, pyarrow refuses them.
        file.seek(0)
        yield from _read(gzip.GzipFile(fileobj=file), file, compression, path, done)


def _read(
    stream: Any, file: Any, compression: Compression, path: str, done: int
) -> Iterator[Sized[bytes]]:
    """The text of a stream of Python's own after its first ``done`` bytes."""
    position = 0
    try:
        with stream:
            stream.seek(done)
            while block := stream.read(BLOCK_BYTES):
                done += len(block)
                before, position = position, max(position, file.tell())
                yield block, position - before
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise _broken(error, compression, path, done) from error


def _ends_in_zero(file: Any) -> bool:
    file.seek(max(0, file.size() - 1))
    return bool(file.read(1) == b"\0")


def _broken(error: Exception, compression: Compression, path: str, done: int) -> DataError:
    cut = isinstance(error, EOFError) or "runcated" in str(error)
    what = "ends too early" if cut else "is damaged"
    message = f"the {compression} stream {what}, after {done:,} bytes of text"
    return DataError(message, code="broken-input", path=path, hint=REPLACE)


def decoded(blocks: Iterable[Sized[bytes]], encoding: str, path: str) -> Iterator[Sized[bytes]]:
    """Text of another encoding as UTF-8.

    Raises:
        DataError: The text is not in that encoding.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    done = 0
    try:
        for block, amount in blocks:
            yield decoder.decode(block).encode(), amount
            done += len(block)
        yield decoder.decode(b"", final=True).encode(), 0
    except UnicodeError as error:
        raise DataError(
            f"the file begins as {encoding.upper()}, but after {done:,} bytes it is something else",
            code="broken-input",
            path=path,
            hint="save it as UTF-8",
        ) from error


def shaped(blocks: Iterable[Sized[bytes]], shape: Shape, path: str) -> Iterator[Sized[bytes]]:
    """Rows that lie in one of the odd shapes, as the text of an array.

    Raises:
        DataError: Something in the text is not a row.
    """
    amounts: list[int] = []

    def texts() -> Iterator[str]:
        # What is not UTF-8 comes out as it went in: the core names the row.
        decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
        for block, amount in blocks:
            amounts.append(amount)
            yield decoder.decode(block)
        yield decoder.decode(b"", final=True)

    for piece in as_array(shape, texts(), path):
        amount = sum(amounts)
        amounts.clear()
        yield piece.encode("utf-8", "surrogateescape"), amount
