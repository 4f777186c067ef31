"""Which files of a directory are which split of a data set: the rules of `datasets`.

`datasets.load_dataset(DIRECTORY)` goes by the names: files such as
``data/train-00000-of-00003.parquet`` first, then folders called ``train``, then files called
``train``; without any such name all files are one split.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from turnmill.errors import DataError

ALL = "all"
"""In place of a split: every file."""

_KEYWORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_SHARD = re.compile(r"data/([^/]*)-[0-9]{5}-of-[0-9]{5}[^/]*\.[^/]*")
_BETWEEN = r"[-._ 0-9]"


def _named(split: str, after: str) -> re.Pattern[str]:
    """A name in which a word for the split stands by itself; ``after`` is what follows it."""
    words = "|".join(_KEYWORDS[split])
    return re.compile(rf"(?:.*{_BETWEEN})?(?:{words}){after}")


_FOLDERS = {split: _named(split, rf"(?:{_BETWEEN}.*)?") for split in _KEYWORDS}
_FILES = {split: _named(split, rf"{_BETWEEN}.*") for split in _KEYWORDS}


def splits_of(paths: Iterable[str]) -> dict[str, list[str]]:
    """The files of each split, in the order of `datasets`.

    Args:
        paths: Files below a directory, relative to it, with ``/`` between folders.
    """
    paths = list(paths)
    for found in (_by_shard(paths), _by_folder(paths), _by_file(paths)):
        if found:
            return found
    return {"train": paths} if paths else {}


def _by_shard(paths: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in paths:
        if match := _SHARD.fullmatch(path):
            found.setdefault(match[1], []).append(path)
    usual = [split for split in _KEYWORDS if split in found]
    return {split: found[split] for split in [*usual, *sorted(found.keys() - set(usual))]}


def _by_folder(paths: list[str]) -> dict[str, list[str]]:
    def is_below(path: str, name: re.Pattern[str]) -> bool:
        return any(name.fullmatch(folder) for folder in path.split("/")[:-1])

    named = {split: [p for p in paths if is_below(p, name)] for split, name in _FOLDERS.items()}
    return {split: files for split, files in named.items() if files}


def _by_file(paths: list[str]) -> dict[str, list[str]]:
    named = {
        split: [path for path in paths if name.fullmatch(path.rpartition("/")[2])]
        for split, name in _FILES.items()
    }
    return {split: files for split, files in named.items() if files}


def choose(splits: dict[str, list[str]], wanted: str | None, directory: str | None) -> list[str]:
    """The files of the wanted split, or of the only one there is.

    Args:
        splits: The files of each split.
        wanted: The name of a split, or several with ``+`` between them.
        directory: Where they are, for errors; ``None`` in memory.

    Raises:
        DataError: There are several splits and none is wanted, or the wanted one is not there.
    """
    if wanted is None and len(splits) <= 1:
        names = list(splits)
    elif wanted is None:
        raise several(list(splits), directory)
    else:
        names = [name.strip() for name in wanted.split("+")]
    if missing := [name for name in names if name not in splits]:
        message = f"the data has no split {missing[0]!r}"
        found = ", ".join(splits) or "none"
        raise DataError(message, code="no-split", path=directory, hint=f"its splits: {found}")
    return list(dict.fromkeys(path for name in names for path in splits[name]))


def several(names: list[str], place: str | None) -> DataError:
    """The error of data in several splits of which none was chosen."""
    message = f"the data comes in several splits: {', '.join(names)}"
    best = min(names, key=lambda name: not name.startswith("train"))
    hint = f"choose with --split {best}; --split {ALL} reads all of them as one set; or name files"
    return DataError(message, code="several-splits", path=place, hint=hint)
