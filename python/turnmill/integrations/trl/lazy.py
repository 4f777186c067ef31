"""A map-style data set of `datasets` whose rows are encoded on access."""

from __future__ import annotations

import codecs
import contextlib
import json
import mmap
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from turnmill.encoder import Encoder
from turnmill.encoder.collect import encode, encode_lines
from turnmill.encoder.encoded import Encoded
from turnmill.encoder.inspect import inspect_input
from turnmill.errors import ArgumentError, DataError, RecipeError
from turnmill.inputs.find import find_inputs
from turnmill.recipe import Recipe

_ROW = "row"
_TRIES = 1000
"""Rows after one that cannot be used which are tried in its place."""


def lazy_dataset(inputs: Any, recipe: Recipe, threads: int) -> Any:
    """The data set; see `turnmill.integrations.trl.lazy_sft_dataset`."""
    import datasets

    if recipe.history == "expand":
        message = "history = expand makes several samples of a row"
        raise RecipeError(message, code="several-samples", hint="write the set with sft_dataset")
    transform = EncodeRows(inputs, recipe, threads)
    rows = datasets.Dataset.from_dict({_ROW: range(len(transform))})
    return rows.with_transform(transform)


class EncodeRows:
    """What `datasets` calls with the numbers of rows, to get their ids and labels."""

    def __init__(self, inputs: Any, recipe: Recipe, threads: int) -> None:
        self.counts: dict[str, int] = {}
        """Rows that were replaced by others, by the rule that rejects them."""
        self._rows = _rows(inputs)
        if not len(self._rows):
            raise DataError("the input holds no rows", code="no-rows", hint="name other inputs")
        self._encoder = Encoder(recipe)
        self._threads = threads
        self._schema = self._rows.schema(self._encoder)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._rows)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Ids and labels of the rows with these numbers, int64."""
        wanted = [int(row) for row in batch[_ROW]]
        found: dict[int, tuple[Any, Any]] = {}
        missing = wanted
        for step in range(_TRIES):
            numbers = [(row + step) % len(self._rows) for row in missing]
            made = self._encode(numbers, count=step == 0)
            pairs = zip(missing, made, strict=True)
            found |= {row: sample for row, sample in pairs if sample is not None}
            missing = [row for row in missing if row not in found]
            if not missing:
                break
        else:
            message = f"row {missing[0]} and the {_TRIES} after it cannot be used"
            raise DataError(message, code="too-many-rejects", hint="turnmill check says why")
        ids, labels = zip(*(found[row] for row in wanted), strict=True)
        return {"input_ids": list(ids), "labels": list(labels)}

    def _encode(self, numbers: list[int], *, count: bool) -> list[tuple[Any, Any] | None]:
        encoded = self._rows.encode(self._encoder, self._schema, numbers, self._threads)
        samples: list[tuple[Any, Any] | None] = [None] * len(numbers)
        ids, labels = (_arrays(encoded.table, name) for name in ("input_ids", "labels"))
        for place, *sample in zip(encoded.table["row"].to_pylist(), ids, labels, strict=True):
            samples[place] = (sample[0], sample[1])
        if count:
            for rule in encoded.rejects["code"].to_pylist():
                self.counts[rule] = self.counts.get(rule, 0) + 1
        return samples


def _arrays(table: pa.Table, name: str) -> Iterator[npt.NDArray[np.int64]]:
    for chunk in table[name].chunks:
        values = chunk.values.to_numpy()
        offsets = chunk.offsets.to_numpy()
        for start, end in pairwise(offsets):
            yield values[start:end].astype(np.int64)


class _Lines:
    """JSON lines, in memory or in a file that is mapped."""

    def __init__(self, source: bytes | Path) -> None:
        self._source = source
        self._text: Any = source if isinstance(source, bytes) else _mapped(source)
        ends = np.flatnonzero(np.frombuffer(self._text, np.uint8) == ord("\n")) + 1
        if not len(ends) or ends[-1] < len(self._text):
            ends = np.append(ends, len(self._text))
        starts = np.concatenate([[_mark(self._text)], ends[:-1]])
        self._bounds = np.stack([starts, ends], axis=1)[self._hold(starts, ends)]

    def _hold(self, starts: npt.NDArray[Any], ends: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Which lines hold something; only those that begin with a space need a look."""
        holds = starts < ends
        if not holds.any():
            return holds
        first = np.frombuffer(self._text, np.uint8)[np.minimum(starts, len(self._text) - 1)]
        for line in np.flatnonzero(first <= ord(" ")).tolist():
            holds[line] = bool(self._text[starts[line] : ends[line]].strip())
        return holds

    def __len__(self) -> int:
        return len(self._bounds)

    def schema(self, encoder: Encoder) -> str:
        if encoder.recipe.schema != "auto":
            return encoder.recipe.schema
        first = [row for bounds in self._bounds[:200].tolist() for row in self._parsed(*bounds)]
        return inspect_input(find_inputs(first)[0], encoder._session, check_backend=False).schema

    def _parsed(self, start: int, end: int) -> list[Any]:
        """The row of a line, if it is one."""
        with contextlib.suppress(ValueError):
            return [json.loads(self._text[start:end])]
        return []

    def encode(
        self, encoder: Encoder, schema: str, numbers: Sequence[int], threads: int
    ) -> Encoded:
        pieces = [self._text[slice(*self._bounds[number])].strip() for number in numbers]
        block = b"\n" + b"\n".join(pieces) + b"\n"
        return encode_lines(encoder._session, block, schema=schema, threads=threads)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Lines, (self._source,)


class _Table:
    """Rows of an Arrow table."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def schema(self, encoder: Encoder) -> str:
        head = self._table.slice(0, 1000)
        found = inspect_input(find_inputs(head)[0], encoder._session, check_backend=False)
        return found.schema

    def encode(
        self, encoder: Encoder, schema: str, numbers: Sequence[int], threads: int
    ) -> Encoded:
        rows = self._table.take(pa.array(numbers, pa.int64()))
        return encode(encoder._session, rows, threads=threads, schema=schema)


def _mark(text: Any) -> int:
    """The length of a byte order mark at the start."""
    return 3 if text[:3] == codecs.BOM_UTF8 else 0


def _mapped(path: Path) -> Any:
    if not path.stat().st_size:
        return b""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _rows(inputs: Any) -> _Lines | _Table:
    """The rows, which are taken by their numbers."""
    if isinstance(inputs, str | os.PathLike):
        (found,) = find_inputs(inputs)[:1]
        if getattr(found, "format", None) != "lines" or getattr(found, "compression", None):
            message = f"{os.fspath(inputs)} has no rows by number"
            hint = "give an uncompressed file of JSON lines, a table, or use sft_dataset"
            raise ArgumentError(message, code="invalid-input", hint=hint)
        return _Lines(Path(inputs))
    if isinstance(inputs, list | tuple):
        lines = (json.dumps(row, ensure_ascii=False) for row in inputs)
        return _Lines("\n".join(lines).encode())
    table = getattr(inputs, "with_format", lambda _: inputs)("arrow")
    return _Table(table[:] if hasattr(inputs, "with_format") else pa.table(inputs))
