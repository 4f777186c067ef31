"""The files at a URI of a file system that pyarrow opens."""

from __future__ import annotations

import dataclasses
import fnmatch
from dataclasses import dataclass
from pathlib import PurePosixPath

from turnmill.inputs.directory import Contents, contents, is_data, is_hidden, tokenized
from turnmill.inputs.files import FileInput
from turnmill.inputs.kind import read_kind
from turnmill.storage import STAGING
from turnmill.storage.remote import open_uri


def remote_files(uri: str, split: str | None) -> list[FileInput]:
    """The files to read at a URI: one, those of a directory, or those that a glob matches.

    Raises:
        FileNotFoundError: There is nothing at the URI, or nothing matches.
        DataError: A directory holds no data, or a split must be chosen.
    """
    if "*" not in uri and not is_remote_directory(uri):
        return [read_kind(uri)]
    if "*" not in uri:
        place = uri.rstrip("/")
        return [read_kind(f"{place}/{file}") for file in remote_contents(uri, split).read]
    listed = _listed(uri)
    shown = (path for path in listed.paths if not is_hidden(listed.inside(path)))
    wanted = [path for path in shown if fnmatch.fnmatchcase(listed.prefix + path, uri)]
    if not wanted:
        raise FileNotFoundError(2, "no file matches", uri)
    return [read_kind(listed.prefix + path) for path in wanted]


def is_remote_directory(uri: str) -> bool:
    """Whether a URI is one of a directory.

    Raises:
        FileNotFoundError: There is nothing.
    """
    from pyarrow import fs

    filesystem, root = open_uri(uri)
    info = filesystem.get_file_info(root)
    if info.type == fs.FileType.NotFound:
        raise FileNotFoundError(2, "no such file", uri)
    return bool(info.type != fs.FileType.File)


def remote_contents(uri: str, split: str | None) -> Contents:
    """The files of a directory at a URI.

    Raises:
        DataError: It is an output of turnmill, holds no data, or a split must be chosen.
    """
    listed = _listed(uri)
    if not listed.paths and listed.root in listed.outputs:
        raise tokenized(uri)
    files = [str(listed.inside(path)) for path in listed.paths]
    return contents(uri, files, split, "/")


@dataclass(frozen=True)
class _Listed:
    """What a file system lists below a directory, without outputs of turnmill.

    Of what is hidden only files that are data by their names.
    """

    root: str
    prefix: str
    """What makes a path of the file system a URI."""
    paths: list[str]
    outputs: set[str]

    def inside(self, path: str) -> PurePosixPath:
        """A path as it is below the directory."""
        return PurePosixPath(path.removeprefix(self.root).lstrip("/"))


def _listed(uri: str) -> _Listed:
    from pyarrow import fs

    base = uri.split("*", 1)[0].rsplit("/", 1)[0] if "*" in uri else uri
    filesystem, root = open_uri(base)
    if filesystem.get_file_info(root).type == fs.FileType.NotFound:
        raise FileNotFoundError(2, "no such file", uri)
    selector = fs.FileSelector(root, recursive=True)
    found = filesystem.get_file_info(selector)
    files = [info.path for info in found if info.is_file]
    outputs = {path.partition(f"/{STAGING}/")[0] for path in files if f"/{STAGING}/" in path}
    paths = sorted(path for path in files if not path.startswith(tuple(f"{o}/" for o in outputs)))
    is_end = base.endswith(root)
    prefix = base[: len(base) - len(root)] if is_end else f"{uri.split('://', 1)[0]}://"
    listed = _Listed(root.rstrip("/"), prefix, paths, outputs)
    kept = [path for path in paths if _is_listed(listed.inside(path))]
    return dataclasses.replace(listed, paths=kept)


def _is_listed(path: PurePosixPath) -> bool:
    return not is_hidden(path.parent) and (is_data(path.name) or not is_hidden(path))
