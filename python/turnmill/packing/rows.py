"""Packed rows: the columns of some packs, made from the index and the token store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from turnmill.packing.index import PackIndex, joined, lists
from turnmill.packing.tokens import TokenStore
from turnmill.rules import IGNORED
from turnmill.storage.local import whole_file
from turnmill.storage.remote import AnyPath

_BATCH_PACKS = 100
"""Rows in a record batch of the data files."""
_BATCH_TOKENS = 1 << 24
"""Tokens in a record batch at most, unless one row has more."""
_FILE_TOKENS = 1 << 26
"""Tokens after which the next data file begins."""


@dataclass(frozen=True)
class Columns:
    """The columns of some packs, flat, each with an entry for every token."""

    offsets: npt.NDArray[np.int64]
    """Where the tokens of each pack start; one entry more than packs."""
    tokens: dict[str, npt.NDArray[Any]]
    """``input_ids``, ``labels`` and, if the output has them, ``weights``."""
    masked: int
    """Labels that are masked now: the first of each segment that was trained."""


def columns_of(store: TokenStore, part: PackIndex) -> Columns:
    """Joins the segments of some packs.

    The first label of each segment is -100: it would be predicted from another document's end.
    """
    segments = (part.documents, part.starts, part.lengths)
    tokens = {name: _joined(store, name, segments) for name in store.columns}
    ends = np.cumsum(part.lengths, dtype=np.int64)
    first = (ends - part.lengths)[part.lengths > 0]
    labels = tokens.setdefault("labels", tokens["input_ids"].copy())
    masked = int(np.count_nonzero(labels[first] != IGNORED))
    labels[first] = IGNORED
    if "weights" in tokens:
        tokens["weights"][first] = 0
    bounds = np.concatenate([np.zeros(1, np.int64), ends])
    return Columns(bounds[part.offsets], tokens, masked)


def _joined(store: TokenStore, name: str, segments: tuple[Any, Any, Any]) -> npt.NDArray[Any]:
    parts = list(store.parts(name, *segments))
    return np.concatenate(parts) if parts else np.zeros(0, np.int32)


def positions(lengths: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Positions from 0 in each of the segments with these lengths, one after another."""
    ends = np.cumsum(lengths, dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    begins = np.repeat(ends - lengths, lengths)
    found: npt.NDArray[np.int32] = (np.arange(total) - begins).astype(np.int32)
    return found


def batches(store: TokenStore, parts: Iterable[PackIndex]) -> Iterator[tuple[pa.RecordBatch, int]]:
    """The packs as record batches, each with the number of labels that were masked.

    Args:
        store: The samples.
        parts: The index, some packs at a time; the batches do not depend on how many.
    """
    for part in _cut(parts):
        columns = columns_of(store, part)
        tokens = {
            **columns.tokens,
            "attention_mask": np.ones(int(columns.offsets[-1]), np.int8),
            "position_ids": positions(part.lengths),
        }
        arrays = {name: lists(columns.offsets, values) for name, values in tokens.items()}
        arrays["seq_lengths"] = lists(part.offsets, part.lengths)
        yield pa.RecordBatch.from_pydict(arrays), columns.masked


def _cut(parts: Iterable[PackIndex]) -> Iterator[PackIndex]:
    """The packs of each record batch."""
    left = joined([])
    for part in parts:
        index = joined([left, part])
        *ranges, (first, last) = _ranges(index.tokens) or [(0, 0)]
        yield from (index.segments(*bounds) for bounds in ranges)
        left = index.segments(first, last)
    if len(left):
        yield left


def _ranges(tokens: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    found = []
    first = held = 0
    for last, count in enumerate(tokens.tolist()):
        if last > first and (last - first == _BATCH_PACKS or held + count > _BATCH_TOKENS):
            found.append((first, last))
            first, held = last, 0
        held += count
    if first < len(tokens):
        found.append((first, len(tokens)))
    return found


@dataclass
class WrittenRows:
    """The contents of the data files."""

    files: dict[str, str]
    """Names, with their SHA-256."""
    columns: list[str]
    trained: int = 0
    """Tokens whose label is not -100."""
    masked: int = 0
    """Labels that were trained before packing: the first of each segment."""


def data_names(lengths: npt.NDArray[Any]) -> list[str]:
    """Names of the data files for such documents, known before the first; not all may be used."""
    tokens = int(lengths.sum(dtype=np.int64))
    return [data_name(number) for number in range(1 + tokens // _FILE_TOKENS)]


def data_name(number: int) -> str:
    """The name of a data file."""
    return f"data-{number:05}.arrow"


def write_rows(directory: AnyPath, store: TokenStore, parts: Iterable[PackIndex]) -> WrittenRows:
    """Writes the packs as Arrow IPC streams, each whole or not at all."""
    source = batches(store, parts)
    written = WrittenRows({}, [])
    while (opening := next(source, None)) is not None:
        name = data_name(len(written.files))
        with whole_file(directory / name) as file:
            _write_file(file, opening, source, written)
            written.files[name] = file.sha256
    return written


def _write_file(
    file: Any,
    opening: tuple[pa.RecordBatch, int],
    source: Iterator[tuple[pa.RecordBatch, int]],
    written: WrittenRows,
) -> None:
    held = 0
    item: tuple[pa.RecordBatch, int] | None = opening
    written.columns = list(opening[0].schema.names)
    with pa.ipc.new_stream(file, opening[0].schema) as writer:
        while item is not None:
            batch, masked = item
            writer.write_batch(batch)
            labels = np.from_dlpack(batch["labels"].values)
            written.trained += int(np.count_nonzero(labels != IGNORED))
            written.masked += masked
            held += len(labels)
            item = next(source, None) if held < _FILE_TOKENS else None
