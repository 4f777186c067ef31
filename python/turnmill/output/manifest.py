"""The manifest: size and SHA-256 of every file of a directory, written after all of them.

It vouches for itself (see :mod:`turnmill.storage.sealed`). So do files that may differ between two
runs, which it only names: it is the same for the same output.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from turnmill.output.ownership import NAMES
from turnmill.storage import MANIFEST
from turnmill.storage.local import file_sha256, file_size
from turnmill.storage.remote import AnyPath
from turnmill.storage.sealed import read_sealed, write_sealed

CIRCUMSTANCES = "run.json"
_SEALED = {CIRCUMSTANCES, PurePosixPath(NAMES).name}
_VERSION = 1


@dataclass(frozen=True)
class Entry:
    """What the manifest says of a file."""

    size: int
    """In bytes."""
    sha256: str


def write_manifest(
    directory: AnyPath, names: Iterable[str], known: Mapping[str, str] | None = None
) -> None:
    """Writes the manifest of a directory, the last of its files.

    Args:
        directory: The directory.
        names: The other files, relative to it.
        known: SHA-256 of files, by name, taken while they were written; the others are read.
    """
    files: dict[str, dict[str, int | str] | None] = {}
    for name in sorted(set(names) - {MANIFEST}):
        path = directory / name
        digest = (known or {}).get(name) or file_sha256(path)
        entry: dict[str, int | str] = {"size": file_size(path), "sha256": digest}
        files[name] = None if path.name in _SEALED else entry
    write_sealed(directory / MANIFEST, {"version": _VERSION, "files": files})


def read_manifest(directory: AnyPath) -> dict[str, Entry | None] | None:
    """The entries by name; the entry of a file that vouches for itself is ``None``.

    Returns:
        ``None`` if there is no manifest.

    Raises:
        DataError: The manifest was changed.
    """
    manifest = read_sealed(directory / MANIFEST)
    if manifest is None:
        return None
    return {name: entry and Entry(**entry) for name, entry in manifest["files"].items()}
