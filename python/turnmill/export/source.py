"""What is exported: the samples or the packed rows of an output."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from turnmill.errors import ArgumentError, DataError
from turnmill.output.files import TRAIN, VALIDATION
from turnmill.output.formats import format_of
from turnmill.output.reader import Output
from turnmill.packing.index import index_parts
from turnmill.packing.packs import INDEX, find_packs, is_pack, open_output, open_pack, read_record
from turnmill.packing.rows import batches as packed_batches
from turnmill.packing.tokens import TokenStore
from turnmill.storage.remote import AnyPath, output_path


@dataclass(frozen=True)
class DataSet:
    """The rows of one data set."""

    output: Output
    split: str | None
    """``train`` or ``validation``; ``None`` where there is one data set."""
    rows: int
    tokens: int
    columns: list[str]
    batches: Callable[[], Iterator[pa.RecordBatch]] = field(repr=False)
    """Reads the rows, a record batch at a time."""
    length: int | None = None
    """Tokens that a packed row holds; ``None`` for single samples."""
    multiple_of: int = 1
    """A packed row has room to pad each document to a multiple of this."""

    @property
    def packed(self) -> bool:
        """Whether a row holds several documents; it then has ``seq_lengths``."""
        return self.length is not None

    @property
    def prompts(self) -> bool:
        """Whether the rows are prompts, of which nothing is trained."""
        return bool(self.output.record["recipe"].get("train_on") == "none")

    @property
    def shards(self) -> list[dict[str, Any]]:
        """What the run record says of the files."""
        return _shards(self.output, self.split)

    def fact(self, name: str) -> Any:
        """A fact of the run record, such as ``pad``."""
        return self.output.record["facts"].get(name)


@dataclass(frozen=True)
class Source:
    """The data sets to export."""

    data_sets: list[DataSet]
    made_of: dict[str, Any]
    """What was exported, for the record of the export."""
    notes: list[str] = field(default_factory=list)


def open_source(path: str | os.PathLike[str], *, split: str | None, packed: bool) -> Source:
    """Opens an output, or a pack of one.

    Args:
        path: The directory.
        split: The data set; all if not given.
        packed: Whether the rows of the output's only pack are wanted.

    Raises:
        DataError: It is neither, the data set is not there, or there is not one pack.
    """
    if split not in {None, TRAIN, VALIDATION}:
        message = f"split cannot be {split!r}"
        hint = f"split takes {TRAIN} or {VALIDATION}, or None for both"
        raise ArgumentError(message, code="invalid-choice", hint=hint)
    if is_pack(path):
        return _packed(output_path(path), split)
    output = open_output(path)
    if packed:
        return _packed(_only_pack(output), split)
    splits = list(dict.fromkeys(shard.get("split") for shard in output.record["shards"]))
    if split is not None and split not in splits:
        raise _no_split(output, split)
    data_sets = [_samples(output, name) for name in splits if split in {None, name}]
    return Source(data_sets, {"output": str(output.path), "split": split})


def _no_split(output: Output, split: str) -> DataError:
    message = f"the output has no data set {split}"
    hint = "leave out --split; `turnmill prepare --validation 5%` sets conversations apart"
    return DataError(message, code="no-split", path=str(output.path), hint=hint)


def _samples(output: Output, split: str | None) -> DataSet:
    shards = _shards(output, split)

    def batches() -> Iterator[pa.RecordBatch]:
        for shard in shards:
            path = output.path / shard["data"]
            yield from format_of(path).batches(path)

    rows, tokens = (sum(shard[key] for shard in shards) for key in ("samples", "tokens"))
    data = output.path / shards[0]["data"]
    columns = format_of(data).column_names(data)
    return DataSet(output, split, rows, tokens, columns, batches)


def _shards(output: Output, split: str | None) -> list[dict[str, Any]]:
    return [shard for shard in output.record["shards"] if shard.get("split") == split]


def _only_pack(output: Output) -> AnyPath:
    """The only pack of an output.

    Raises:
        DataError: There is none, or there are several.
    """
    packs = find_packs(output.path)
    if len(packs) == 1:
        return packs[0]
    if not packs:
        message, hint = "the output has no pack", f"turnmill pack {output.path} --length N"
    else:
        names = ", ".join(pack.name for pack in packs)
        message = f"the output has several packs: {names}"
        hint = f"name one of them: turnmill export {packs[0]} ..."
    raise DataError(message, code="no-pack", path=str(output.path), hint=hint)


def _packed(directory: AnyPath, split: str | None) -> Source:
    """The rows of a pack, which is made of the data set to train on."""
    if split == VALIDATION:
        message = f"packs are made of {TRAIN} only"
        hint = f"export {VALIDATION} without packs"
        raise DataError(message, code="no-split", path=str(directory), hint=hint)
    output = open_pack(directory)
    record = read_record(directory)

    def batches() -> Iterator[pa.RecordBatch]:
        store, parts = TokenStore(output), index_parts(directory / INDEX)
        return (batch for batch, _ in packed_batches(store, parts))

    report, made = record["report"], record["made_of"]
    columns = [*TokenStore(output).columns, "seq_lengths"]
    data_set = DataSet(
        output,
        None,
        report["packs"],
        report["tokens"],
        columns,
        batches,
        made["length"],
        made.get("multiple_of", 1),
    )
    made_of = {"output": str(output.path), "pack": directory.name}
    apart = any(shard.get("split") == VALIDATION for shard in output.record["shards"])
    notes = [f"{TRAIN} alone is packed; export {VALIDATION} without packs"] if apart else []
    return Source([data_set], made_of, notes)
