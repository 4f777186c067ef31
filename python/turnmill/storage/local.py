"""Files that appear whole or not at all.

A file is written under a temporary name in its own directory, synced, renamed, and the directory
synced; for outputs at a URI see :mod:`turnmill.storage.remote`. A process killed
at any point leaves at most a temporary file, which the next run removes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import io
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from turnmill.errors import DataError, TurnmillError
from turnmill.storage.remote import AnyPath, RemotePath

TEMPORARY_PREFIX = ".tmp-"
_WITHOUT_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}
"""What a file system says that cannot lock files."""
_READ_BYTES = 1 << 20
_PIECE_BYTES = 256 << 10
"""How much is hashed and written at a time. This much is still in a core's cache when it is copied,
which halves the time of both."""


class HashingFile(io.RawIOBase):
    """A file being written. Counts and hashes its bytes, and adds its name to every error."""

    def __init__(self, raw: Any, path: AnyPath) -> None:
        super().__init__()
        self._raw = raw
        self._path = path
        self._hash = hashlib.sha256()
        self._size = 0
        self._abandoned = False

    def abandon(self) -> None:
        """Ignores further writes: a discarded writer still writes the end of its file."""
        self._abandoned = True

    def writable(self) -> bool:
        """Always true."""
        return True

    def write(self, data: Any) -> int:
        """Writes all of ``data``."""
        view = memoryview(data).cast("B")
        if self._abandoned:
            return len(view)
        try:
            for start in range(0, len(view), _PIECE_BYTES):
                self._write_piece(view[start : start + _PIECE_BYTES])
        except OSError as error:
            raise with_path(error, self._path) from error
        self._size += len(view)
        return len(view)

    def _write_piece(self, piece: memoryview) -> None:
        self._hash.update(piece)
        written = 0
        while written < len(piece):
            written += self._raw.write(piece[written:])

    def tell(self) -> int:
        """How many bytes were written."""
        return self._size

    @property
    def sha256(self) -> str:
        """The hash of what was written so far, in hexadecimal."""
        return self._hash.hexdigest()


@contextlib.contextmanager
def whole_file(path: AnyPath, *, durable: bool = True, alone: bool = True) -> Iterator[HashingFile]:
    """Opens ``path`` for writing. The file appears when the block ends without an error.

    Args:
        path: The file.
        durable: Whether it has to be there after a power cut. Without, who reads it compares its
            hash.
        alone: Whether its name has to be there too by then. Of several files of a directory, it is
            enough if the last one is written alone.

    Raises:
        OSError: The file cannot be written; the error names ``path``.
    """
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name}-{secrets.token_hex(4)}")
    try:
        with temporary.open("wb", buffering=0) as raw:
            file = HashingFile(raw, path)
            try:
                yield file
            except BaseException:
                file.abandon()
                raise
            if durable and isinstance(path, Path):
                os.fsync(raw.fileno())
        _reveal(temporary, path, durable=durable and alone)
    except BaseException as error:
        # A store that refused to write refuses this too; the first error says why.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise with_path(error, path) from error
        raise


def move(path: AnyPath, target: AnyPath) -> None:
    """Gives a finished file another place, durably."""
    if isinstance(path, Path):
        with path.open("rb") as file:
            os.fsync(file.fileno())
    _reveal(path, target)


def take(path: AnyPath, target: AnyPath) -> None:
    """Gives a finished file a second place, durably: a link, or a copy where none can be made."""
    if isinstance(path, RemotePath) and isinstance(target, RemotePath):
        path.copy(target)
        return
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{target.name}-{secrets.token_hex(4)}")
    try:
        _link_or_copy(Path(str(path)), Path(str(temporary)))
        move(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)  # still there if both were the same file already


def _link_or_copy(path: Path, target: Path) -> None:
    try:
        target.hardlink_to(path)
    except FileNotFoundError:
        raise
    except OSError:  # another file system, or one without links
        shutil.copyfile(path, target)


def _reveal(temporary: AnyPath, path: AnyPath, *, durable: bool = True) -> None:
    """Gives a finished file its final name."""
    if isinstance(path, RemotePath) and isinstance(temporary, RemotePath):
        temporary.replace(path)
    elif isinstance(path, Path) and isinstance(temporary, Path):
        temporary.replace(path)
        if durable:
            sync_directory(path.parent)


def write_text(path: AnyPath, text: str) -> str:
    """Writes a whole file and returns its SHA-256."""
    with whole_file(path) as file:
        file.write(text.encode())
        return file.sha256


def write_json(path: AnyPath, value: Any) -> str:
    """Writes ``value`` as JSON with a stable layout and returns the file's SHA-256."""
    return write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """``value`` as JSON with a stable layout."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def read_json(path: AnyPath) -> Any | None:
    """The value of a JSON file, or ``None`` if there is no such file.

    Raises:
        DataError: The file is damaged.
    """
    try:
        with named(path):
            return json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise DataError(
            f"the file is damaged: {error}",
            code="broken-output",
            path=str(path),
            hint="remove the directory it is in, or give another one",
        ) from error


def open_native(path: AnyPath) -> Any:
    """Opens a file for pyarrow to read without a Python object beneath.

    pyarrow reads on threads of its own. The last of them to let go of a Python file needs the
    interpreter, and if that is just ending, the whole process aborts (seen in 1 of 40 runs).
    """
    return pa.OSFile(str(path), "rb") if isinstance(path, Path) else path.open("rb")


def read_table(path: AnyPath, columns: list[str] | None = None) -> pa.Table:
    """The rows of a Parquet file."""
    with named(path), open_native(path) as file:
        # Not `pq.read_table`, which imports pyarrow.dataset.
        return pq.ParquetFile(file).read(columns=columns)


def file_sha256(path: AnyPath) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with named(path), path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def file_size(path: AnyPath) -> int:
    """The size of a file in bytes."""
    return path.stat().st_size if isinstance(path, Path) else path.size()


def sync_directory(path: Path) -> None:
    """Makes renames in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def named(path: AnyPath) -> Iterator[None]:
    """Adds the path to errors that name none, such as those of reading an open file."""
    try:
        yield
    except OSError as error:
        raise with_path(error, path) from error


def with_path(error: OSError, path: AnyPath) -> OSError:
    """``error`` itself, with the path added if it names none."""
    if error.filename is not None and TEMPORARY_PREFIX not in str(error.filename):
        return error
    if error.errno is None:
        return type(error)(f"{error} ({path})")
    return OSError(error.errno, os.strerror(error.errno), str(path))


@contextlib.contextmanager
def lock(path: AnyPath, *, shared: bool = False) -> Iterator[None]:
    """Locks a local directory against a second run.

    Args:
        path: The lock.
        shared: Whether others may hold it likewise, and only those who want it alone may not.

    Raises:
        TurnmillError: Another process holds it.
    """
    if isinstance(path, RemotePath):
        yield
        return
    with _open_lock(path) as file:
        try:
            _flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        except BlockingIOError:
            message = f"{_holder(file)} is writing to this output"
            raise TurnmillError(
                message,
                code="output-locked",
                path=str(path.parent.parent),
                hint="wait until it ends",
            ) from None
        if shared:
            yield
            return
        with named(path):
            file.truncate(0)
            file.write(f"process {os.getpid()}".encode())
            file.flush()
        try:
            yield
        finally:
            with named(path):
                file.truncate(0)


def refuse_locked(path: AnyPath) -> None:
    """Refuses to read an output to which a run is writing.

    Raises:
        TurnmillError: A process holds the lock.
    """
    if not isinstance(path, Path) or not path.is_file() or path.is_symlink():
        return
    with path.open("rb") as file:
        try:
            _flock(file, fcntl.LOCK_SH)
        except BlockingIOError:
            raise TurnmillError(
                f"{_holder(file)} is writing to this output",
                code="output-locked",
                path=str(path.parent.parent),
                hint="check it when the run has ended",
            ) from None


def _flock(file: Any, kind: int) -> None:
    """Locks a file, where its file system has locks; some of clusters have none.

    Raises:
        BlockingIOError: Another process holds it.
    """
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise


def _open_lock(path: Path) -> Any:
    """Opens the file without following a link, which could lead to a file of somebody else."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.EISDIR}:
            raise
        descriptor = None
    if descriptor is not None and stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "a+b")
    if descriptor is not None:
        os.close(descriptor)
    raise DataError(
        "the lock of the output is not a file but a link or something else",
        code="output-link",
        path=str(path),
        hint="remove it: turnmill did not make it",
    )


def _holder(file: Any) -> str:
    file.seek(0)
    return file.read().decode(errors="replace").strip() or "another process"
