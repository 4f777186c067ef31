"""One input file: what it is, how it is cut into parts, and how a part is read."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

import pyarrow as pa

from turnmill import _core
from turnmill.errors import DataError, TurnmillError
from turnmill.inputs.content import Content, Reading, batch_digest, joined, range_digest
from turnmill.inputs.shapes import Shape
from turnmill.inputs.table import BATCH_ROWS, TableFormat, table_batches
from turnmill.inputs.text import (
    BLOCK_BYTES,
    REPLACE,
    Compression,
    Sized,
    decoded,
    decompressed,
    shaped,
)
from turnmill.recipe import EACH_ONCE, Quota
from turnmill.storage.credentials import is_refusal
from turnmill.storage.remote import open_uri

Format = Literal["lines", "array", "parquet", "arrow-file", "arrow-stream"] | TableFormat
HASHED_BYTES = 256 << 10
"""How much is hashed at a time: as much as a core's cache holds."""
PART_BYTES = 64 << 20
"""How much input becomes one shard; part of the format of an output, never a setting."""
_PARQUET_TAIL = 8
"""Bytes after the footer: its length and the magic number."""


@dataclass(frozen=True)
class InputPart:
    """A range of one input, and the position of its rows.

    ``start`` and ``stop`` count bytes in plain JSON Lines, row groups in Parquet, batches in an
    Arrow file and rows in memory; ``stop`` is -1 if the part reaches to the end.
    """

    start: int = 0
    stop: int = -1
    first_row: int = 0
    first_line: int = 1
    size: int = field(default=0, compare=False)
    """Bytes to read, as ``blocks`` and ``batches`` count them. Only used for progress."""
    content: Content | None = field(default=None, compare=False, repr=False)
    """What the part was when it was planned; reading it ends in an error if it is not that."""


Piece = tuple[Any, int, int]
"""A record batch, a list of dicts or a block of JSON; its bytes of text or Arrow data; how much of
its part it covers."""


@dataclass(frozen=True)
class FileInput:
    """A file of a known format."""

    name: str
    """The path or URI as the user gave it, and as the index records it."""
    format: Format
    compression: Compression | None = None
    encoding: str | None = None
    """The encoding of text that is not UTF-8."""
    shape: Shape | None = None
    """How rows lie in JSON that is neither lines nor an array; it is read as an array."""
    overrides: str = "{}"
    """Recipe keys for this input only, as JSON."""
    item: int = 0
    """Which of the given inputs names it; a directory or a glob names several files."""
    quota: Quota = EACH_ONCE
    """How many rows are written of all that the given input names."""
    spool: str = ""
    """Where the file is, if its name does not lead there: it came from standard input, or is read
    from another directory."""

    @property
    def place(self) -> str:
        """The path or URI that is opened."""
        return self.spool or self.name

    @property
    def has_plain_lines(self) -> bool:
        """Whether the bytes of the file are lines of JSON, so that parts can begin at any line."""
        return self.format == "lines" and not self.compression and not self.encoding

    @property
    def columnar(self) -> bool:
        """Whether parts are read as record batches and not as bytes."""
        return self.format not in {"lines", "array"}

    @property
    def whole(self) -> InputPart:
        """The whole file as one part."""
        return InputPart()

    def pieces(self, part: InputPart) -> Iterator[Piece]:
        """A part as record batches or as blocks of JSON."""
        if self.columnar:
            return ((batch, batch.nbytes, amount) for batch, amount in self.batches(part))
        return ((block, len(block), amount) for block, amount in self.blocks(part))

    def survey(
        self, stopped: threading.Event, *, sent: bool = False
    ) -> tuple[str, list[InputPart]]:
        """The SHA-256 of the file's bytes and its parts: one pass over it.

        Args:
            stopped: Once it is set, the pass ends early, and its result must not be used.
            sent: Whether other processes read the parts: each then has a hash of its own.
        """
        with naming(self.name), open_file(self.place) as file:
            # With one part, which starts at the first line, nothing has to be counted.
            is_cut = self.has_plain_lines and file.size() > PART_BYTES
            cutter = _LineCutter(sent=sent) if is_cut else None
            digest = hashlib.sha256() if cutter is None else cutter.digest
            buffer = memoryview(bytearray(HASHED_BYTES))
            while not stopped.is_set() and (length := file.readinto(buffer)):
                if cutter:
                    cutter.add(bytes(buffer[:length]))
                else:
                    digest.update(buffer[:length])
            size = file.tell()
        sha256 = digest.hexdigest()
        return sha256, cutter.parts() if cutter else self._whole_or_grouped(Content(size, sha256))

    def sha256(self) -> str:
        """The SHA-256 of the file's bytes as they are now."""
        with naming(self.name), open_file(self.place) as file:
            return range_digest(file, [(0, file.size())]).hex()

    def _whole_or_grouped(self, content: Content) -> list[InputPart]:
        size = content.size
        with naming(self.name):
            if self.format == "parquet":
                return _group(_parquet_groups(self.place), size)
            if self.format == "arrow-file":
                return _group(_arrow_batches(self.place), size)
        if self.has_plain_lines:
            return [InputPart(stop=size, size=size, content=content)]
        return [InputPart(size=size, content=content)]

    def blocks(self, part: InputPart) -> Generator[Sized[bytes]]:
        """A part of JSON or of a table: decompressed, as UTF-8; JSON as lines or one array.

        Raises:
            DataError: A compressed file ends too early or is damaged, the text is not in its
                encoding, or the part is not what it was when it was planned.
        """
        # Closed here: exceptions of a generator, even Ctrl-C, are lost if it is collected.
        with naming(self.name), contextlib.closing(self._bytes(part)) as found:
            blocks: Iterator[Sized[bytes]] = found
            if self.encoding:
                blocks = decoded(blocks, self.encoding, self.name)
            if self.shape:
                blocks = shaped(blocks, self.shape, self.name)
            yield from blocks

    def _bytes(self, part: InputPart) -> Generator[Sized[bytes]]:
        with open_file(self.place) as file:
            reading = Reading(part.content, file, self.name)
            if self.compression:
                # Opened again: the stream closes what it reads.
                with open_file(self.place) as again:
                    yield from decompressed(again, self.compression, self.name)
                reading.add_file()
            else:
                for block in _blocks(file, part):
                    reading.add(block)
                    yield block, len(block)
            reading.end()

    def batches(self, part: InputPart) -> Generator[Sized[pa.RecordBatch]]:
        """The record batches of a part of a columnar file.

        Raises:
            DataError: The file is damaged, or not what it was when the part was planned.
        """
        if self.format == "csv" or self.format == "tsv":
            yield from self._table_batches(self.format, part)
            return
        with naming(self.name):
            try:
                # Closed here: exceptions of a generator, even Ctrl-C, are lost if it is collected.
                with contextlib.closing(self._record_batches(part)) as found:
                    for batch in found:
                        yield batch, batch.nbytes
            except (pa.ArrowInvalid, OSError) as error:
                if isinstance(error, OSError) and (error.errno is not None or is_refusal(error)):
                    raise
                message = f"the {_SPOKEN[self.format]} file cannot be read: {error}"
                raise DataError(
                    message,
                    code="broken-input",
                    path=self.name,
                    hint=REPLACE,
                ) from error

    def _table_batches(
        self, format_: TableFormat, part: InputPart
    ) -> Generator[Sized[pa.RecordBatch]]:
        with contextlib.closing(self.blocks(InputPart(content=part.content))) as blocks:
            yield from table_batches(blocks, format_, self.name)

    def _record_batches(self, part: InputPart) -> Generator[pa.RecordBatch]:
        with open_file(self.place) as file:
            reading = Reading(part.content, file, self.name)
            if self.format == "parquet":
                yield from _parquet_batches(file, part, reading)
            elif self.format == "arrow-file":
                with pa.ipc.open_file(file) as reader:
                    for i in range(part.start, _stop(part, reader.num_record_batches)):
                        batch = reader.get_batch(i)
                        reading.add_batch(batch)
                        yield batch
            else:
                with pa.ipc.open_stream(file) as reader:
                    yield from reader
                self._refuse_more(file)
                reading.add_file()
            reading.end()

    def _refuse_more(self, file: Any) -> None:
        """Refuses bytes after the end of a stream: a second stream would be lost silently."""
        end = file.tell()
        if file.read(1):
            message = f"something follows the end of the Arrow stream, at byte {end:,}"
            hint = "give each stream a file of its own"
            raise DataError(message, code="broken-input", path=self.name, hint=hint)


_SPOKEN: dict[Format, str] = {
    "lines": "JSON Lines",
    "array": "JSON",
    "parquet": "Parquet",
    "arrow-file": "Arrow",
    "arrow-stream": "Arrow",
    "csv": "CSV",
    "tsv": "TSV",
}


class _LineCutter:
    """Finds where the parts of a JSON Lines file start: at the first line at or after 64 MB."""

    def __init__(self, *, sent: bool) -> None:
        self.digest = hashlib.sha256()
        self._own = [hashlib.sha256()] if sent else []
        """The hash of each part alone, where that is needed."""
        self._starts = [InputPart()]
        self._before = [self.digest.copy()]
        """The hash of the file up to each start."""
        self._offset = 0
        self._lines = 0
        self._blank = 0
        self._begun = False
        """Whether the unfinished line holds anything."""

    def add(self, block: bytes) -> None:
        goal = len(self._starts) * PART_BYTES
        start = 0
        if self._offset + len(block) >= goal:
            newline = block.find(b"\n", max(0, goal - 1 - self._offset))
            if newline >= 0:
                start = newline + 1
                self._count(block[:start])
                self._cut(self._offset + start)
        self._count(block[start:])
        self._offset += len(block)

    def _cut(self, offset: int) -> None:
        self._starts.append(InputPart(offset, -1, self._lines - self._blank, self._lines + 1))
        self._before.append(self.digest.copy())
        if self._own:
            self._own.append(hashlib.sha256())

    def _count(self, text: bytes) -> None:
        """Hashes, and counts lines, and blank lines, which are not rows."""
        self.digest.update(text)
        if self._own:
            self._own[-1].update(text)
        ended, blank, self._begun = _core.count_lines(text, self._begun)
        self._lines += ended
        self._blank += blank

    def parts(self) -> list[InputPart]:
        starts = [part for part in self._starts if part.start < self._offset] or [InputPart()]
        stops = [part.start for part in starts[1:]] + [self._offset]
        hashes = [*self._before[: len(starts)], self.digest]
        own: list[str | None] = [digest.hexdigest() for digest in self._own]
        own = own or [None] * len(starts)
        return [
            dataclasses.replace(
                part,
                stop=stop,
                size=stop - part.start,
                content=Content(self._offset, after.hexdigest(), before, alone),
            )
            for part, stop, (before, after), alone in zip(
                starts, stops, pairwise(hashes), own[: len(starts)], strict=True
            )
        ]


def _blocks(file: Any, part: InputPart) -> Iterator[bytes]:
    """The bytes of a part; they end with the file if that is shorter."""
    file.seek(part.start)
    left = part.stop - part.start if part.stop >= 0 else None
    while left is None or left > 0:
        block = file.read(BLOCK_BYTES if left is None else min(BLOCK_BYTES, left))
        if not block:
            return
        left = None if left is None else left - len(block)
        yield block


_Group = tuple[int, int, bytes]
"""A row group or batch: its bytes, its rows, and the digest of what it is read from."""


def _group(groups: Iterator[_Group], file_size: int) -> list[InputPart]:
    """Joins row groups or batches of a file into parts of 64 MB."""
    parts: list[InputPart] = []
    digests: list[bytes] = []
    start = row = first_row = held = count = 0

    def part() -> InputPart:
        content = Content(file_size, joined(digests))
        return InputPart(start, count, first_row, size=held, content=content)

    for size, rows, digest in groups:
        if held and held + size > PART_BYTES:
            parts.append(part())
            start, first_row, held = count, row, 0
            digests.clear()
        held, row, count = held + size, row + rows, count + 1
        digests.append(digest)
    return [*parts, part()]


def _parquet_groups(path: str) -> Iterator[_Group]:
    with open_file(path) as file:
        metadata = _parquet(file).metadata
        for i in range(metadata.num_row_groups):
            group = metadata.row_group(i)
            yield group.total_byte_size, group.num_rows, _group_digest(file, metadata, i)


def _parquet_batches(file: Any, part: InputPart, reading: Reading) -> Iterator[pa.RecordBatch]:
    opened = _parquet(file)
    groups = list(range(part.start, _stop(part, opened.num_row_groups)))
    yield from opened.iter_batches(BATCH_ROWS, row_groups=groups)
    if part.content is not None:
        for group in groups:
            reading.add(_group_digest(file, opened.metadata, group))


def _group_digest(file: Any, metadata: Any, number: int) -> bytes:
    """The SHA-256 of a row group's bytes and of the footer, which says how they are read."""
    group = metadata.row_group(number)
    columns = [group.column(i) for i in range(group.num_columns)]
    starts = [column.dictionary_page_offset or column.data_page_offset for column in columns]
    sizes = [column.total_compressed_size for column in columns]
    end = max((start + size for start, size in zip(starts, sizes, strict=True)), default=0)
    footer = file.size() - metadata.serialized_size - _PARQUET_TAIL
    return range_digest(file, [(min(starts, default=0), end), (footer, file.size())])


def _arrow_batches(path: str) -> Iterator[_Group]:
    with pa.ipc.open_file(open_file(path)) as reader:
        for i in range(reader.num_record_batches):
            batch = reader.get_batch(i)
            yield batch.nbytes, batch.num_rows, batch_digest(batch)


def _parquet(file: Any) -> Any:
    import pyarrow.parquet as pq

    return pq.ParquetFile(file)


def open_file(path: str) -> Any:
    """The file at a path or URI, opened by pyarrow."""
    if "://" in path:
        filesystem, inner = open_uri(path)
        return filesystem.open_input_file(inner)
    return pa.OSFile(path, "rb")


def _stop(part: InputPart, count: int) -> int:
    return count if part.stop < 0 else part.stop


@contextlib.contextmanager
def readable_arrow(path: str) -> Iterator[None]:
    """Turns the core's error for a batch that breaks Arrow's own rules into a DataError."""
    try:
        yield
    except TurnmillError:
        raise
    except ValueError as error:
        hint = "write the file again, with text that is UTF-8"
        raise DataError(str(error), code="broken-input", path=path, hint=hint) from error


@contextlib.contextmanager
def naming(path: str) -> Iterator[None]:
    """Turns pyarrow's errors for a file into errors that name it."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        named = OSError(error.errno, os.strerror(error.errno), path)
        if isinstance(named, PermissionError):
            named.add_note("hint: make the file readable for the user who runs this")
        raise named from error
    except pa.ArrowInvalid as error:
        message = f"the file cannot be read: {error}"
        raise DataError(message, code="broken-input", path=path) from error
