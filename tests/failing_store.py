"""An object store in a directory, whose requests can fail: ``fsspec+objects://bucket/…``.

As in S3, an object appears as a whole when its upload ends, nothing can be renamed, and directories
are only the beginnings of names. The objects outlive the process, so that it can be killed.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import fsspec
from fsspec.spec import AbstractFileSystem

REFUSED, LOST, KILLED, KILLED_AFTER = -11, -12, -13, -14
"""What can become of a request: an error; the same though it was carried out; and a kill of the
process that sent it, before or after it is carried out."""
HOWS = {
    "look": (REFUSED, KILLED),
    "list": (REFUSED, KILLED),
    "get": (REFUSED, KILLED),
    "put": (REFUSED, LOST, KILLED, KILLED_AFTER),
    "copy": (REFUSED, LOST, KILLED, KILLED_AFTER),
    "delete": (REFUSED, LOST, KILLED, KILLED_AFTER),
}
NAMES = {REFUSED: "refused", LOST: "answer lost", KILLED: "kill", KILLED_AFTER: "kill after"}


@dataclass
class Fault:
    """The request that goes wrong."""

    log: Path
    kind: str = ""
    left: int = -1
    how: int = 0


_fault: Fault | None = None


def arm(log: Path, kind: str, at: int, how: int) -> None:
    """Chooses the request that goes wrong in this process, as :func:`file_calls.arm` does."""
    global _fault  # noqa: PLW0603 - fsspec makes the file systems
    _fault = Fault(log, kind, at, how)


class _Request:
    """A request, around the work of the server."""

    def __init__(self, kind: str, path: str) -> None:
        self._how = 0
        if _fault is None:
            return
        if kind == _fault.kind:
            self._how = _fault.how if _fault.left == 0 else 0
            _fault.left -= 1
        with _fault.log.open("a") as log:
            log.write(f"{'!' if self._how else ''}{kind} {path}\n")

    def __enter__(self) -> None:
        if self._how == REFUSED:
            raise OSError("the connection was lost")
        if self._how == KILLED:
            os.kill(os.getpid(), signal.SIGKILL)

    def __exit__(self, *error: object) -> None:
        if self._how == LOST:
            raise OSError("the connection was lost")
        if self._how == KILLED_AFTER:
            os.kill(os.getpid(), signal.SIGKILL)


class ObjectStore(AbstractFileSystem):  # type: ignore[misc]
    """Objects as files below ``store`` in the working directory."""

    protocol = "objects"
    cachable = False
    root: ClassVar[Path] = Path("store")

    def _file(self, path: str) -> Path:
        return self.root / str(self._strip_protocol(path))

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Whether there is an object, or some below."""
        with _Request("look", path):
            return self._info(self._strip_protocol(path))

    def _info(self, path: str) -> dict[str, Any]:
        file = self._file(path)
        if file.is_file():
            return {"name": path, "size": file.stat().st_size, "type": "file"}
        if any(inner.is_file() for inner in file.rglob("*")):
            return {"name": path, "size": 0, "type": "directory"}
        raise FileNotFoundError(path)

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """What there is below a prefix."""
        with _Request("list", path):
            plain = self._strip_protocol(path)
            self._info(plain)
            names = [f"{plain}/{file.name}" for file in sorted(self._file(path).iterdir())]
            found = [self._info(name) for name in names if any(self._below(name))]
            return found if detail else [one["name"] for one in found]

    def _below(self, name: str) -> list[Path]:
        file = self._file(name)
        return [file] if file.is_file() else [one for one in file.rglob("*") if one.is_file()]

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        """Does nothing: there are no directories."""

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        if mode == "rb":
            with _Request("get", path):
                return io.BytesIO(self._file(path).read_bytes())
        return _Upload(self, path)

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        """Copies an object inside the store."""
        with _Request("copy", path2):
            self._put(path2, self._file(path1).read_bytes())

    def _rm(self, path: str) -> None:
        with _Request("delete", path):
            self._file(path).unlink()

    def _put(self, path: str, data: bytes) -> None:
        file = self._file(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        shadow = file.with_name(f"{file.name}.upload")
        shadow.write_bytes(data)
        shadow.replace(file)


class _Upload(io.BytesIO):
    """Appears as an object when it is closed."""

    def __init__(self, store: ObjectStore, path: str) -> None:
        super().__init__()
        self._store, self._path = store, path

    def close(self) -> None:
        if not self.closed:
            data = self.getvalue()
            super().close()
            with _Request("put", self._path):
                self._store._put(self._path, data)


def register() -> None:
    """Lets pyarrow and turnmill open ``fsspec+objects://``."""
    fsspec.register_implementation("objects", ObjectStore, clobber=True)


def empty(place: Path) -> None:
    """Removes all objects."""
    shutil.rmtree(place / ObjectStore.root, ignore_errors=True)
