"""The files of a directory: which are data of the wanted split, and which are not read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from turnmill.errors import DataError
from turnmill.inputs import splits
from turnmill.storage import STAGING
from turnmill.storage.local import read_json

_COMPRESSIONS = ("", ".gz", ".zst", ".zstd", ".bz2", ".xz")
SUFFIXES = (
    *(
        stem + compression
        for stem in (".jsonl", ".ndjson", ".json", ".csv", ".tsv")
        for compression in _COMPRESSIONS
    ),
    *(".parquet", ".arrow", ".feather", ".ipc"),
)
"""File names that are searched for in directories. A file that is named may have any name."""
FORMATS = (
    "JSON Lines, JSON arrays, CSV, TSV, gzip, zstd, bzip2 and xz of these, Parquet and Arrow IPC"
)
"""What is read, for messages."""

_DESCRIBING = {
    *("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"),
    *("config.json", "dummy_data.zip"),
}
"""Files of `datasets` that describe data but hold none."""
_DOCUMENTS = ("readme", "license", "licence", "notice", "changelog", "citation", "authors")
"""What names of files begin with that speak of the data."""


@dataclass(frozen=True)
class Contents:
    """The files of a directory."""

    read: tuple[str, ...]
    """Data of the wanted split, in order."""
    left: tuple[str, ...] = ()
    """Other files that may be data; documents and descriptions are not among them."""


def local_contents(path: str, split: str | None) -> Contents:
    """The files of a directory on this machine.

    Raises:
        DataError: It is an output of turnmill, holds no data, or a split must be chosen.
        OSError: A directory in it cannot be read.
    """
    if Path(path, STAGING).is_dir():
        raise tokenized(path)
    state = read_json(Path(path, "state.json"))
    if isinstance(state, dict) and "_data_files" in state:
        return _saved(path, state)
    if Path(path, "dataset_dict.json").exists():
        return _saved_splits(path, split)
    return contents(path, sorted(_files(path)), split, os.sep)


def contents(directory: str, files: list[str], split: str | None, separator: str) -> Contents:
    """Sorts the files of a directory by the rules of `datasets`.

    Args:
        directory: The directory, for errors.
        files: Its files, relative to it; of hidden ones those that are data by their names.
        split: The wanted split.
        separator: What stands between the folders of a path.

    Raises:
        DataError: There are no data files, or a split must be chosen.
    """
    data = [file for file in files if is_data(file) and not is_hidden(Path(file))]
    if not data:
        raise DataError(
            "the directory holds no data files",
            code="no-input",
            path=directory,
            hint=f"turnmill reads {FORMATS}; name files of other endings one by one",
        )
    if split == splits.ALL:
        read = data
    else:
        by_slash = {file.replace(separator, "/"): file for file in data}
        chosen = splits.choose(splits.splits_of(by_slash), split, directory)
        read = [by_slash[file] for file in chosen]
    left = [file for file in files if file not in set(read) and not _describes(file)]
    return Contents(tuple(read), tuple(left))


def is_data(file: str) -> bool:
    """Whether the name of a file is one of data."""
    return file.endswith(SUFFIXES) and Path(file).name not in _DESCRIBING


def _describes(file: str) -> bool:
    name = Path(file).name.lower()
    return name in _DESCRIBING or name.endswith(".md") or name.startswith(_DOCUMENTS)


def is_hidden(path: PurePath) -> bool:
    """Whether a part of the path begins with a dot or an underscore."""
    return any(part.startswith((".", "_")) for part in path.parts)


def tokenized(path: str) -> DataError:
    """The error of an output where conversations are wanted."""
    return DataError(
        "the directory is an output of turnmill, already tokenized",
        code="tokenized-input",
        path=path,
        hint="give the conversations it was made from; `turnmill show` looks at outputs",
    )


def _files(directory: str) -> Iterator[str]:
    """Files below a directory, relative to it. One that cannot be read is an error, never left.

    Of hidden files only those that are data by their names; nothing of hidden directories.
    """

    def refuse(error: OSError) -> None:
        raise error

    for place, inner, names in os.walk(directory, onerror=refuse):
        if STAGING in inner:
            inner.clear()
            continue
        inner[:] = [name for name in inner if not is_hidden(Path(name))]
        for name in names:
            if is_data(name) or not is_hidden(Path(name)):
                yield os.path.relpath(os.path.join(place, name), directory)  # noqa: PTH118


def _saved(path: str, state: dict[str, Any]) -> Contents:
    """What `datasets` saved with `save_to_disk`."""
    if state.get("_indices_data_files"):
        raise DataError(
            "the directory keeps its row order in a separate file, as old versions of datasets did",
            code="old-datasets-directory",
            path=path,
            hint="load it with datasets.load_from_disk and save it again",
        )
    return Contents(tuple(file["filename"] for file in state["_data_files"]))


def _saved_splits(path: str, split: str | None) -> Contents:
    """What `datasets` saved of a `DatasetDict`: a directory for each split."""
    names = json.loads(Path(path, "dataset_dict.json").read_text("utf-8"))["splits"]
    wanted = "+".join(names) if split == splits.ALL else split
    chosen = splits.choose({name: [name] for name in names}, wanted, path)
    inner = {name: local_contents(str(Path(path, name)), None) for name in chosen}
    return Contents(
        tuple(str(Path(name, file)) for name, found in inner.items() for file in found.read)
    )
