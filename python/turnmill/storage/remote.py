"""Outputs that are not a local directory: any file system that pyarrow opens by URI.

A file is written under a temporary name and moved, as on a disk. Object stores have no rename:
there a move is a copy by the server, after which the object appears whole, and a deletion. Nothing
locks such an output, so two runs must not write to one at the same time.
"""

from __future__ import annotations

import fnmatch
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import fs

from turnmill._arguments import path_text
from turnmill.errors import DataError
from turnmill.storage.credentials import refuse_secrets

_WRITE_BUFFER = 1 << 20


@dataclass(frozen=True)
class RemotePath:
    """A file or directory at a URI, with the methods of :class:`pathlib.Path` used here."""

    filesystem: fs.FileSystem = field(compare=False, repr=False)
    inner: str
    """The path as the file system knows it."""
    uri: str
    """The path as the user gave it; options of the store follow a question mark."""

    def __str__(self) -> str:
        return self.uri

    def __truediv__(self, name: str) -> RemotePath:
        return replace(self, inner=f"{self.inner}/{name}", uri=below(self.uri, name))

    @property
    def name(self) -> str:
        """The last part."""
        return self.inner.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The ending of the last part, with its dot."""
        return Path(self.name).suffix

    @property
    def parent(self) -> RemotePath:
        """The directory it is in."""
        place, mark, options = self.uri.partition("?")
        uri = place.rpartition("/")[0] + mark + options
        return replace(self, inner=self.inner.rpartition("/")[0], uri=uri)

    def with_name(self, name: str) -> RemotePath:
        """The path with another name in the same directory."""
        return self.parent / name

    def exists(self) -> bool:
        """Whether there is a file or directory."""
        return bool(self._type() != fs.FileType.NotFound)

    def is_dir(self) -> bool:
        """Whether it is a directory."""
        return bool(self._type() == fs.FileType.Directory)

    def is_file(self) -> bool:
        """Whether it is a file."""
        return bool(self._type() == fs.FileType.File)

    def size(self) -> int:
        """The size of the file in bytes."""
        return int(self.filesystem.get_file_info(self.inner).size)

    def _type(self) -> fs.FileType:
        return self.filesystem.get_file_info(self.inner).type

    def iterdir(self) -> Iterator[RemotePath]:
        """The contents of the directory, by name; nothing if it does not exist."""
        yield from (self / name for name, _ in self.entries())

    def entries(self) -> list[tuple[str, bool]]:
        """The names of the contents of the directory, in order, and which are directories."""
        found = self.filesystem.get_file_info(fs.FileSelector(self.inner, allow_not_found=True))
        return sorted((info.base_name, info.type == fs.FileType.Directory) for info in found)

    def glob(self, pattern: str) -> Iterator[RemotePath]:
        """The contents of the directory whose names match ``pattern``."""
        return (path for path in self.iterdir() if fnmatch.fnmatchcase(path.name, pattern))

    def open(self, mode: str, buffering: int = -1) -> Any:  # noqa: ARG002 - as Path.open
        """Opens the file for reading (``rb``) or for writing (``wb``)."""
        if mode == "rb":
            return self.filesystem.open_input_file(self.inner)
        return self.filesystem.open_output_stream(self.inner, buffer_size=_WRITE_BUFFER)

    def read_text(self, encoding: str = "utf-8") -> str:
        """The contents of the file.

        Raises:
            FileNotFoundError: There is none.
        """
        with self.open("rb") as file:
            return bytes(file.read()).decode(encoding)

    def unlink(self, *, missing_ok: bool = False) -> None:
        """Removes the file."""
        if not missing_ok or self.is_file():
            self.filesystem.delete_file(self.inner)

    def replace(self, target: RemotePath) -> None:
        """Moves the file. ``target`` is replaced as a whole or not at all."""
        self.filesystem.move(self.inner, target.inner)

    def copy(self, target: RemotePath) -> None:
        """Copies the file. ``target`` appears as a whole."""
        temporary = target.with_name(f".tmp-{target.name}-{secrets.token_hex(4)}")
        self.filesystem.copy_file(self.inner, temporary.inner)
        temporary.replace(target)

    def mkdir(self, *, parents: bool = False, exist_ok: bool = True) -> None:  # noqa: ARG002
        """Makes the directory, if the store has directories."""
        self.filesystem.create_dir(self.inner, recursive=parents)


AnyPath = Path | RemotePath


def below(output: str, name: str) -> str:
    """The path or URI of what is in an output; the options of a URI stay last."""
    if "://" not in output:
        return f"{output}/{name}"
    place, mark, options = output.partition("?")
    return f"{place}/{name}{mark}{options}"


def output_path(given: str | os.PathLike[str] | RemotePath) -> AnyPath:
    """The place that a path or URI names; ``file://`` is a local path.

    Raises:
        DataError: No file system of pyarrow knows the URI.
    """
    if isinstance(given, RemotePath):
        return given
    text = path_text(given, "an output")
    if "://" not in text:
        return Path(text)
    filesystem, inner = open_uri(text)
    if isinstance(filesystem, fs.LocalFileSystem):
        return Path(inner)
    return RemotePath(filesystem, inner.rstrip("/"), text.rstrip("/"))


def open_uri(uri: str) -> tuple[fs.FileSystem, str]:
    """The file system of a URI, and the path in it.

    Raises:
        DataError: No file system of pyarrow knows the URI, or it holds a secret.
    """
    refuse_secrets(uri)
    try:
        filesystem, inner = fs.FileSystem.from_uri(uri)
    except (pa.ArrowException, ImportError, ValueError, OSError) as error:
        said = str(error).partition("\n")[0]
        raise DataError(
            f"the URI cannot be opened: {said}",
            code="unknown-uri",
            path=uri,
            hint="pyarrow opens s3://, gs://, abfs://, hdfs:// and file://, and "
            "fsspec+NAME:// with the library fsspec",
        ) from error
    return filesystem, inner
