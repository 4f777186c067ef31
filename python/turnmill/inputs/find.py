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

from turnmill._problems import Problems
from turnmill.errors import DataError
from turnmill.inputs.files import FileInput, read_kind
from turnmill.inputs.memory import MemoryInput, is_in_memory
from turnmill.recipe import Input as GivenInput
from turnmill.storage import STAGING
from turnmill.storage.local import read_json
from turnmill.storage.remote import open_uri

Input = FileInput | MemoryInput

SUFFIXES = (
    *(
        stem + compression
        for stem in (".jsonl", ".ndjson", ".json")
        for compression in ("", ".gz", ".zst", ".zstd")
    ),
    *(".parquet", ".arrow", ".feather", ".ipc"),
)
"""File names that are searched for in directories. A file that is named may have any name."""

_DESCRIBING = {"dataset_info.json", "dataset_dict.json", "state.json"}
"""Files of `datasets` that describe data but hold none."""

_FORMATS = "JSON Lines, JSON arrays, gzip and zstd of both, Parquet and Arrow IPC"


def find_inputs(given: Any) -> list[Input]:
    """Every input that ``given`` names, in order.

    Args:
        given: A path, glob, directory or URI; an object in memory (a list or iterator of dicts,
            anything Arrow, a ``datasets.Dataset``); a ``turnmill.Input`` of these; or a list that
            mixes them.

    Raises:
        FileNotFoundError: A path does not exist or a glob matches nothing.
        DataError: A directory holds nothing to read, or the format of a file is not known.
    """
    inputs: list[Input] = []
    problems = Problems()
    for item in _items(given):
        with problems:
            inputs.extend(_inputs(item, len(inputs)))
    problems.tell()
    if not inputs:
        raise DataError("no input was given", code="no-input", hint="name a file or a directory")
    return inputs


def _inputs(item: Any, position: int) -> Sequence[Input]:
    """The inputs of one item; ``position`` names rows in memory."""
    if isinstance(item, GivenInput):
        overrides = json.dumps(item.own_keys(), sort_keys=True)
        return [
            dataclasses.replace(found, overrides=overrides)
            for found in _inputs(item.path, position)
        ]
    if isinstance(item, str | os.PathLike):
        return _readable_files(os.fspath(item))
    return [MemoryInput.of(repeatable(item), position)]


def _readable_files(path: str) -> list[FileInput]:
    try:
        return _files(path)
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


def _files(path: str) -> list[FileInput]:
    if not path:
        raise DataError("the name of an input is empty", code="no-input")
    if "://" in path:
        return _remote_files(path)
    if Path(path).is_dir():
        return _directory(path)
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
        raise _tokenized(pattern)
    return [file for path in inputs for file in _files(path)]


def _is_of_output(path: str) -> bool:
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - `resolve` would follow links
    return any((place / STAGING).is_dir() for place in (whole, *whole.parents))


def _tokenized(path: str) -> DataError:
    return DataError(
        "the directory is an output of turnmill, already tokenized",
        code="tokenized-input",
        path=path,
        hint="give the conversations it was made from; `turnmill show` looks at outputs",
    )


def _directory(path: str) -> list[FileInput]:
    if Path(path, STAGING).is_dir():
        raise _tokenized(path)
    state = read_json(Path(path, "state.json"))
    if isinstance(state, dict) and "_data_files" in state:
        return _datasets_directory(path, state)
    if Path(path, "dataset_dict.json").exists():
        splits = json.loads(Path(path, "dataset_dict.json").read_text("utf-8"))["splits"]
        message = f"the directory holds several splits: {', '.join(splits)}"
        raise DataError(
            message, code="several-splits", path=path, hint=f"give {Path(path, splits[0])}"
        )
    found = sorted(_data_files(path))
    if not found:
        raise DataError(
            "the directory holds no data files",
            code="no-input",
            path=path,
            hint=f"turnmill reads {_FORMATS}; name files of other endings one by one",
        )
    return [_file(str(file)) for file in found]


def _data_files(directory: str) -> Iterator[Path]:
    """Files to read below a directory. One that cannot be read is an error, and never left out."""

    def refuse(error: OSError) -> None:
        raise error

    for place, inner, names in os.walk(directory, onerror=refuse):
        if STAGING in inner:
            inner.clear()
            continue
        inner[:] = [name for name in inner if not _hidden(Path(name))]
        for name in names:
            known = name.endswith(SUFFIXES) and name not in _DESCRIBING
            if known and not _hidden(Path(name)):
                yield Path(place, name)


def _hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def _datasets_directory(path: str, state: dict[str, Any]) -> list[FileInput]:
    if state.get("_indices_data_files"):
        raise DataError(
            "the directory keeps its row order in a separate file, as old versions of datasets did",
            code="old-datasets-directory",
            path=path,
            hint="load it with datasets.load_from_disk and save it again",
        )
    return [_file(str(Path(path, file["filename"]))) for file in state["_data_files"]]


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
        error.add_note(f"hint: the path was looked for from {Path.cwd()}")
    return error


def _nearest_file(path: str) -> str | None:
    import difflib

    parent = Path(path).parent
    names = [entry.name for entry in parent.iterdir()] if parent.is_dir() else []
    close = difflib.get_close_matches(Path(path).name, names, n=1, cutoff=0.7)
    return str(parent / close[0]) if close else None


def _remote_files(uri: str) -> list[FileInput]:
    """Files at a URI of a pyarrow file system; the last part may be a glob."""
    from pyarrow import fs

    scheme = uri.split("://", 1)[0]
    base = uri.split("*", 1)[0].rsplit("/", 1)[0] if "*" in uri else uri
    filesystem, root = open_uri(base)
    info = filesystem.get_file_info(root)
    if "*" not in uri and info.type == fs.FileType.File:
        return [read_kind(uri)]
    if info.type == fs.FileType.NotFound:
        raise FileNotFoundError(2, "no such file", uri)
    selector = fs.FileSelector(root, recursive=True)
    found = filesystem.get_file_info(selector)
    files = [info.path for info in found if info.is_file]
    outputs = {path.partition(f"/{STAGING}/")[0] for path in files if f"/{STAGING}/" in path}
    paths = sorted(path for path in files if not path.startswith(tuple(f"{o}/" for o in outputs)))
    paths = [path for path in paths if not _hidden(Path(path.removeprefix(root)))]
    prefix = base[: len(base) - len(root)] if base.endswith(root) else f"{scheme}://"
    wanted = [path for path in paths if _remote_match(path, uri, prefix)]
    if not wanted and root.rstrip("/") in outputs:
        raise _tokenized(uri)
    if not wanted:
        raise FileNotFoundError(2, "no file matches", uri)
    return [read_kind(prefix + path) for path in wanted]


def _remote_match(path: str, uri: str, prefix: str) -> bool:
    import fnmatch

    if "*" in uri:
        return fnmatch.fnmatchcase(prefix + path, uri)
    return path.endswith(SUFFIXES) and Path(path).name not in _DESCRIBING
