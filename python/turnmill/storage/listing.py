"""What a directory holds. Links are told as links, and nothing follows them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from turnmill.errors import DataError
from turnmill.storage.remote import AnyPath

Kind = Literal["file", "directory", "link", "other"]


def listing(directory: AnyPath) -> dict[str, Kind]:
    """The contents of a directory by name, in order; nothing if it does not exist."""
    if not isinstance(directory, Path):
        found = directory.entries()
        return {name: "directory" if is_directory else "file" for name, is_directory in found}
    try:
        with os.scandir(directory) as entries:
            return {entry.name: _kind(entry) for entry in sorted(entries, key=lambda e: e.name)}
    except (FileNotFoundError, NotADirectoryError):
        return {}


def _kind(entry: os.DirEntry[str]) -> Kind:
    if entry.is_symlink():
        return "link"
    if entry.is_dir(follow_symlinks=False):
        return "directory"
    return "file" if entry.is_file(follow_symlinks=False) else "other"


def walk(directory: AnyPath) -> Iterator[tuple[str, Kind]]:
    """Everything below a directory but directories, by its relative name."""
    for name, kind in listing(directory).items():
        if kind == "directory":
            yield from ((f"{name}/{inner}", its) for inner, its in walk(directory / name))
        else:
            yield name, kind


def refuse_link(path: AnyPath) -> None:
    """Refuses a link where turnmill writes: it may lead anywhere.

    Raises:
        DataError: It is one.
    """
    if isinstance(path, Path) and path.is_symlink():
        raise DataError(
            f"a link to {os.readlink(path)} stands where turnmill writes",  # noqa: PTH115
            code="output-link",
            path=str(path),
            hint="remove the link, or use another directory",
        )
