"""Where built sets are kept: by a hash of all that decides them, so that none is stale.

The script names its cache after the file and the length alone. A set built before a repair was
loaded after it, and two files of one name shared a cache.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from turnmill._version import VERSION
from turnmill.integrations.tokenizers import directory_of, tokenizer_of
from turnmill.storage.local import file_sha256, whole_file
from turnmill.tokenizer import Tokenizer


@dataclass(frozen=True)
class Job:
    """The arguments of a builder."""

    files: list[Path]
    given_tokenizer: Any
    length: int
    cache_dir: Any
    threads: int | None

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Turnmill's form of the tokenizer."""
        return tokenizer_of(self.given_tokenizer)

    @property
    def tokenizer_directory(self) -> Path:
        """Where it lies."""
        return directory_of(self.given_tokenizer)

    def place(self, files: list[Path], *settings: Any) -> Path:
        """Where the set of these files is kept, without an ending."""
        folder = files[0].parent if self.cache_dir is None else Path(self.cache_dir)
        stem = files[0].name.split(".")[0]
        return folder / f"{stem}_{self.length}-{self._key(files, settings)}"

    def _key(self, files: list[Path], settings: tuple[Any, ...]) -> str:
        hashes = [file_sha256(file) for file in files]
        told = (VERSION, self.tokenizer._core.fingerprint, self.length, settings, hashes)
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def kept(place: Path, schema: pa.Schema, batches: Callable[[], Iterator[pa.Table]]) -> Any:
    """The set at a place, which is written first if it is not there; whole, or not at all."""
    import datasets

    file = place.with_name(place.name + ".arrow")
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(file) as opened, pa.ipc.new_stream(opened, schema) as writer:
            for table in batches():
                writer.write_table(table)
    return datasets.Dataset.from_file(str(file))


def joined(parts: list[Any]) -> Any:
    """The sets of all files, one after the other, as the trainer takes them."""
    import datasets

    return in_torch_format(datasets.concatenate_datasets(parts))


def in_torch_format(data: Any) -> Any:
    """Gives tensors where there is torch."""
    import importlib.util

    if importlib.util.find_spec("torch") is not None:
        data.set_format("torch")
    return data
