"""A directory that appears whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from turnmill.errors import DataError
from turnmill.storage.local import TEMPORARY_PREFIX, sync_directory


@contextlib.contextmanager
def whole_directory(path: Path) -> Iterator[Path]:
    """Gives a temporary directory, which becomes ``path`` when the block ends without an error.

    What a killed run left beside ``path`` is removed first; nothing else ever is.

    Args:
        path: The directory. It must not exist, or be empty.

    Raises:
        DataError: It holds something.
        OSError: It cannot be made; the error names ``path``.
    """
    target = path.resolve()
    refuse_occupied(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(target)
        with _temporary(target) as place:
            yield place
            sync_directory(place)
            refuse_occupied(target)
            place.rename(target)
        sync_directory(target.parent)
    except OSError as error:
        raise _told(error, path) from error


def refuse_occupied(path: Path) -> None:
    """Refuses a directory that holds something.

    Raises:
        DataError: It holds something.
        NotADirectoryError: It is a file.
    """
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "a file is there", str(path))
    if path.is_dir() and any(path.iterdir()):
        raise DataError(
            "the directory is not empty, and nothing in it is replaced",
            code="output-exists",
            path=str(path),
            hint="give a new directory with -o, or remove this one",
        )


@contextlib.contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    """A locked directory beside ``target``; removed where the block fails."""
    place = target.with_name(f"{_prefix(target)}{secrets.token_hex(4)}")
    place.mkdir()
    try:
        with _held(place):
            yield place
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise


def _prefix(target: Path) -> str:
    return f"{TEMPORARY_PREFIX}{target.name}-"


@contextlib.contextmanager
def _held(place: Path) -> Iterator[None]:
    """Locks a directory, so that another process sees that it is in use."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _remove_abandoned(target: Path) -> None:
    for place in target.parent.glob(f"{_prefix(target)}{'[0-9a-f]' * 8}"):
        # A process that still writes holds the lock.
        with contextlib.suppress(BlockingIOError), _held(place):
            shutil.rmtree(place, ignore_errors=True)


def _told(error: OSError, path: Path) -> OSError:
    """The error as one about ``path``: the temporary directory is gone by now."""
    if error.errno is None:
        return error
    told = OSError(error.errno, os.strerror(error.errno), str(path))
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        told.add_note("hint: make room and run the same command again: nothing of it was kept")
    return told
