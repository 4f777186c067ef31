"""What a part of a file was when a run was planned, and whether it still is when it is read."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from turnmill.errors import DataError

SOURCE_CHANGED = "source-changed"
_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Content:
    """The hash of what a part is made from."""

    size: int
    """Bytes of the file: the first look, before anything is read."""
    sha256: str
    before: Any = field(default=None, compare=False)
    """The hash before the first byte of the part. A part of plain text is vouched for by the hash
    of the file up to its end, so that no byte is hashed twice."""
    own: str | None = None
    """The hash of the part alone, for a process that `before` cannot be sent to."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Content, (self.size, self.sha256, None, self.own)

    def begun(self) -> tuple[Any, str]:
        """The hash that the bytes of the part are to be added to, and what it must be then."""
        if self.before is not None:
            return self.before.copy(), self.sha256
        return hashlib.sha256(), self.own or self.sha256


class Reading:
    """Compares the bytes of a part, while they are read, with what they were.

    Args:
        content: What they were; nothing is compared if ``None``.
        file: The open file.
        name: Its name, for the error.

    Raises:
        DataError: The file has another size by now.
    """

    def __init__(self, content: Content | None, file: Any, name: str) -> None:
        self._content = content
        self._file = file
        self._name = name
        self._hash: Any = hashlib.sha256()
        self._expected = ""
        if content is not None:
            self._hash, self._expected = content.begun()
        if content is not None and file.size() != content.size:
            raise changed(name)

    def add(self, data: Any) -> None:
        """Takes the next bytes, or the next digest of a group of rows."""
        if self._content is not None:
            self._hash.update(data)

    def add_batch(self, batch: pa.RecordBatch) -> None:
        """Takes the next record batch."""
        if self._content is not None:
            self._hash.update(batch_digest(batch))

    def add_file(self) -> None:
        """Takes the whole file, after something else has read it."""
        if self._content is not None:
            for block in _blocks(self._file, 0, self._file.size()):
                self._hash.update(block)

    def end(self) -> None:
        """Compares.

        Raises:
            DataError: The part is not what it was.
        """
        if self._content is not None and self._hash.hexdigest() != self._expected:
            raise changed(self._name)


def changed(name: str) -> DataError:
    """The error for a source that something wrote to during the run."""
    return DataError(
        "the file is not what it was when the run began",
        code=SOURCE_CHANGED,
        path=name,
        hint="run the same command again when nothing writes to it: finished shards are kept",
    )


def joined(digests: Iterable[bytes]) -> str:
    """The hash of a part that is made of groups, by the digests of these."""
    return hashlib.sha256(b"".join(digests)).hexdigest()


def range_digest(file: Any, ranges: Iterable[tuple[int, int]]) -> bytes:
    """The SHA-256 of some ranges of a file."""
    digest = hashlib.sha256()
    for start, stop in ranges:
        for block in _blocks(file, start, stop):
            digest.update(block)
    return digest.digest()


def batch_digest(batch: pa.RecordBatch) -> bytes:
    """The SHA-256 of a record batch with its dictionaries."""
    sink = _Hashed()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.hash.digest()


class _Hashed(io.RawIOBase):
    """A file that keeps nothing but the hash of what is written."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self.hash.update(view)
        return len(view)


def _blocks(file: Any, start: int, stop: int) -> Iterator[bytes]:
    file.seek(start)
    while start < stop and (block := file.read(min(_READ_BYTES, stop - start))):
        start += len(block)
        yield block
