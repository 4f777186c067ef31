"""Where rows come from: files, directories, globs and URIs, and objects in memory.

An input is one file (found by its content, not by its name) or one object in memory. It is cut
into parts, the ranges that become shards; a part is read as blocks of JSON bytes or as Arrow
record batches. How an input is cut depends on its bytes alone.
"""

from __future__ import annotations

import dataclasses
import glob
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from turnmill._arguments import nearest
from turnmill._environment import working_directory
from turnmill._problems import Problems
from turnmill.errors import DataError
from turnmill.inputs import splits
from turnmill.inputs.directory import Contents, local_contents, tokenized
from turnmill.inputs.files import FileInput
from turnmill.inputs.kind import read_kind
from turnmill.inputs.memory import MemoryInput, is_dataset_dict, is_in_memory
from turnmill.inputs.spool import STANDARD_INPUT, spooled_input
from turnmill.inputs.uri import is_remote_directory, remote_contents, remote_files
from turnmill.recipe import Input as GivenInput
from turnmill.storage import STAGING

Input = FileInput | MemoryInput


def find_inputs(given: Any, split: str | None = None) -> list[Input]:
    """Every input that ``given`` names, in order.

    Args:
        given: A path, glob, directory or URI; an object in memory (a list or iterator of dicts,
            anything Arrow, a ``datasets.Dataset``); a ``turnmill.Input`` of these; or a list that
            mixes them.
        split: Which split of directories and of a ``datasets.DatasetDict`` is read; several with
            ``+`` between them, or ``all``. An ``Input`` may have one of its own.

    Raises:
        FileNotFoundError: A path does not exist or a glob matches nothing.
        DataError: A directory holds nothing to read, or several splits of which none was chosen;
            or the format of a file is not known.
    """
    inputs: list[Input] = []
    problems = Problems()
    items = _items(given)
    for number, item in enumerate(items):
        with problems:
            found = _inputs(item, len(inputs), split)
            inputs.extend(dataclasses.replace(one, item=number) for one in found)
    problems.tell()
    if not inputs:
        raise DataError("no input was given", code="no-input", hint="name a file or a directory")
    if split not in {None, splits.ALL} and not any(_has_splits(item) for item in items):
        message = "a split was chosen, and no input is a directory or holds splits"
        raise DataError(message, code="no-split", hint="leave --split out, or give a directory")
    return inputs


def files_left(given: Any, split: str | None = None) -> list[str]:
    """Files of the directories in ``given`` that :func:`find_inputs` does not read.

    Documents and files that describe data are not among them.
    """
    left: list[str] = []
    for item in _items(given):
        own = item if isinstance(item, GivenInput) else GivenInput(item)
        if isinstance(own.path, str | os.PathLike) and _has_splits(item):
            place = os.fspath(own.path)
            found = _contents(place, own.split or split)
            left.extend(f"{place.rstrip('/')}/{file}" for file in found.left)
    return left


def held_out(given: Any, split: str | None = None) -> list[str]:
    """Remarks on directories whose only split, which nobody chose, is not one to train on."""
    remarks = []
    for item in _items(given):
        own = item if isinstance(item, GivenInput) else GivenInput(item)
        if (own.split or split) is None and isinstance(own.path, str | os.PathLike):
            place = os.fspath(own.path)
            names = splits.splits_of(_contents(place, None).read) if _has_splits(item) else {}
            if len(names) == 1 and names.keys() <= {"validation", "test"}:
                remarks.append(f"{place} holds no split but {next(iter(names))}, and it was read")
    return remarks


def _inputs(item: Any, position: int, split: str | None) -> Sequence[Input]:
    """The inputs of one item; ``position`` names rows in memory."""
    if isinstance(item, GivenInput):
        overrides, quota = json.dumps(item.reading_keys(), sort_keys=True), item.quota
        return [
            dataclasses.replace(found, overrides=overrides, quota=quota)
            for found in _inputs(item.path, position, item.split or split)
        ]
    if isinstance(item, str | os.PathLike):
        return _readable_files(os.fspath(item), split)
    if is_dataset_dict(item):
        return _splits_in_memory(item, position, split)
    return [MemoryInput.of(repeatable(item), position)]


def _splits_in_memory(item: Any, position: int, split: str | None) -> list[Input]:
    names = {str(name): [str(name)] for name in item}
    wanted = "+".join(names) if split == splits.ALL else split
    chosen = splits.choose(names, wanted, None)
    return [MemoryInput.of(item[name], position + i) for i, name in enumerate(chosen)]


def _has_splits(item: Any) -> bool:
    """Whether an item can hold splits: a directory, here or at a URI, or a ``DatasetDict``."""
    if isinstance(item, GivenInput):
        return _has_splits(item.path)
    if not isinstance(item, str | os.PathLike):
        return is_dataset_dict(item)
    path = os.fspath(item)
    if "://" not in path:
        return Path(path).is_dir()
    return "*" not in path and is_remote_directory(path)


def _contents(path: str, split: str | None) -> Contents:
    return remote_contents(path, split) if "://" in path else local_contents(path, split)


def _readable_files(path: str, split: str | None) -> list[FileInput]:
    try:
        return _files(path, split)
    except PermissionError as error:
        if not getattr(error, "__notes__", None):
            error.add_note("hint: make it readable for the user who runs this")
        raise


def repeatable(rows: Any) -> Any:
    """An iterator of rows as a list, because rows are read more than once."""
    return list(rows) if isinstance(rows, Iterator) and not is_in_memory(rows) else rows


def _items(given: Any) -> Sequence[Any]:
    if isinstance(given, str | os.PathLike | GivenInput | Mapping) or is_in_memory(given):
        return [given]
    if isinstance(given, Iterable):
        items = list(given)
        return [items] if is_in_memory(items) else items
    message = f"an object of type {type(given).__name__} is not an input"
    raise DataError(message, code="no-input", hint="give paths, a list of dicts, or an Arrow table")


def _files(path: str, split: str | None) -> list[FileInput]:
    if not path:
        raise DataError("the name of an input is empty", code="no-input")
    if path == STANDARD_INPUT:
        return [read_kind(path, spooled_input())]
    if "://" in path:
        return remote_files(path, split)
    if Path(path).is_dir():
        return [_file(str(Path(path, file))) for file in local_contents(path, split).read]
    if not Path(path).exists() and glob.has_magic(path):
        return _matches(path)
    return [_file(path)]


def _matches(pattern: str) -> list[FileInput]:
    found = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
    if not found:
        raise _missing(pattern, "no file matches")
    # Outputs of earlier runs between the inputs are not inputs.
    inputs = [path for path in found if not _is_of_output(path)]
    if not inputs:
        raise tokenized(pattern)
    return [file for path in inputs for file in _files(path, None)]


def _is_of_output(path: str) -> bool:
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - `resolve` would follow links
    return any((place / STAGING).is_dir() for place in (whole, *whole.parents))


def _file(path: str) -> FileInput:
    if not Path(path).exists():
        raise _missing(path, "no such file")
    if not Path(path).is_file():
        raise DataError(
            "the input is a pipe or a device, which can be read only once",
            code="no-file",
            path=path,
            hint="write it to a file first",
        )
    require_utf8(path)
    return read_kind(path)


def require_utf8(path: str) -> None:
    """Refuses a name that the index and the run record cannot hold.

    Raises:
        DataError: The name is not UTF-8.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        raise DataError(
            "the name of the file is not UTF-8",
            code="name-not-utf8",
            path=os.fsencode(path).decode("utf-8", "backslashreplace"),
            hint="rename it, or give it through a symbolic link",
        ) from None


def _missing(path: str, what: str) -> FileNotFoundError:
    error = FileNotFoundError(2, what, path)
    near = _nearest_file(path)
    if near:
        error.add_note(f"hint: did you mean {near}?")
    elif not Path(path).is_absolute():
        error.add_note(f"hint: the path was looked for from {working_directory()}")
    return error


def _nearest_file(path: str) -> str | None:
    parent = Path(path).parent
    names = [entry.name for entry in parent.iterdir()] if parent.is_dir() else []
    close = nearest(Path(path).name, names)
    return str(parent / close) if close else None
