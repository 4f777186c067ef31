"""Rows in memory: lists of dicts, Arrow data of any library, ``datasets`` objects."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import secrets
import threading
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

from turnmill.errors import DataError
from turnmill.inputs.files import InputPart, Piece
from turnmill.inputs.table import BATCH_ROWS
from turnmill.inputs.text import Sized
from turnmill.recipe import EACH_ONCE, Quota
from turnmill.recipe import Input as GivenInput

PART_ROWS = 100_000
"""How many rows in memory become one shard."""
_FED_ROWS = 2000
"""Rows that are passed on at a time."""


@dataclass(frozen=True)
class MemoryInput:
    """Rows in memory: dicts, or an Arrow table."""

    name: str
    format: Literal["dicts", "table", "dataset"]
    rows: Any = field(repr=False, compare=False)
    compression: None = None
    overrides: str = "{}"
    """Recipe keys for this input only, as JSON."""
    item: int = 0
    """Which of the given inputs names it; a directory or a glob names several files."""
    quota: Quota = EACH_ONCE
    """How many rows are written of all that the given input names."""

    @classmethod
    def of(cls, rows: Any, position: int) -> MemoryInput:
        """The input made from ``rows``; ``position`` gives it its name.

        Raises:
            DataError: ``rows`` does not hold rows.
        """
        name = f"memory-{position}"
        if _is_dataset(rows):
            return cls(name, "dataset", _checked_dataset(rows))
        if isinstance(rows, Mapping):
            message = "one dict is not a list of rows"
            hint = "give [row]; a dict of columns becomes rows with pyarrow.table(columns)"
            raise DataError(message, code="no-input", hint=hint)
        if isinstance(rows, list | tuple):
            return cls(name, "dicts", rows)
        return cls(name, "table", _table(rows))

    @property
    def columnar(self) -> bool:
        """Whether parts are read as record batches."""
        return self.format != "dicts"

    @property
    def whole(self) -> InputPart:
        """All rows as one part."""
        return InputPart(0, len(self.rows))

    def pieces(self, part: InputPart) -> Iterator[Piece]:
        """A part as record batches or as lists of dicts."""
        if self.columnar:
            return ((batch, batch.nbytes, amount) for batch, amount in self.batches(part))
        return ((rows, amount, amount) for rows, amount in self.dicts(part))

    def survey(self, stopped: threading.Event) -> tuple[str, list[InputPart]]:
        """The SHA-256 of the rows and their parts; ends early once ``stopped`` is set."""
        digest = hashlib.sha256(self.format.encode())
        parts = []
        for start in range(0, max(1, len(self.rows)), PART_ROWS):
            part = InputPart(start, min(start + PART_ROWS, len(self.rows)), start)
            size = 0
            for text, amount in self._texts(part):
                if stopped.is_set():
                    break
                digest.update(text)
                size += amount
            parts.append(dataclasses.replace(part, size=size))
        return digest.hexdigest(), parts

    def sha256(self) -> str:
        """The SHA-256 of the rows as they are now."""
        return self.survey(threading.Event())[0]

    def _texts(self, part: InputPart) -> Iterator[Sized[Any]]:
        """A digest that identifies the rows of a part."""
        if self.columnar:
            return ((batch.serialize(), amount) for batch, amount in self.batches(part))
        lines = (_json_line(row) for row in self.rows[part.start : part.stop])
        return ((line, len(line)) for line in lines)

    def dicts(self, part: InputPart) -> Iterator[Sized[list[Any]]]:
        """A part of a list of dicts."""
        for start in range(part.start, part.stop, _FED_ROWS):
            rows = self.rows[start : min(start + _FED_ROWS, part.stop)]
            yield list(rows), part.size * len(rows) // (part.stop - part.start)

    def batches(self, part: InputPart) -> Generator[Sized[pa.RecordBatch]]:
        """A part of a table or dataset as record batches of 1,000 rows."""
        for start in range(part.start, part.stop, BATCH_ROWS):
            rows = range(start, min(start + BATCH_ROWS, part.stop))
            table = self.rows[rows.start : rows.stop] if self.format == "dataset" else None
            if table is None:
                table = self.rows.slice(start, len(rows))
            yield from ((batch, len(batch)) for batch in table.combine_chunks().to_batches())


def is_in_memory(given: Any) -> bool:
    """Whether ``given`` is one input in memory, not a list of inputs.

    A list is rows unless each of its items could be an input: a bad row does not make it one.
    """
    if isinstance(given, list | tuple):
        return not all(_is_input(item) for item in given)
    return _is_dataset(given) or _is_arrow(given)


def _is_input(item: Any) -> bool:
    kinds = (str, os.PathLike, list, tuple, GivenInput)
    return isinstance(item, kinds) or _is_arrow(item) or _is_dataset(item)


def _is_arrow(rows: Any) -> bool:
    return hasattr(rows, "__arrow_c_stream__") or hasattr(rows, "__arrow_c_array__")


def _is_dataset(rows: Any) -> bool:
    return type(rows).__module__.split(".")[0] == "datasets"


def is_dataset_dict(rows: Any) -> bool:
    """Whether the object holds splits by name."""
    return _is_dataset(rows) and "Dict" in type(rows).__name__


def _checked_dataset(rows: Any) -> Any:
    kind = type(rows).__name__
    if kind == "Dataset":
        return rows.with_format("arrow")
    message = f"a datasets.{kind} cannot be read twice or has no fixed order of rows"
    raise DataError(message, code="no-input", hint="give a datasets.Dataset")


def _table(rows: Any) -> pa.Table:
    if isinstance(rows, pa.RecordBatch):
        return pa.Table.from_batches([rows])
    if isinstance(rows, pa.RecordBatchReader):
        return rows.read_all()
    if _is_arrow(rows):
        with contextlib.suppress(pa.ArrowInvalid, TypeError):  # one column is not a table
            return pa.table(rows)
    message = f"an object of type {type(rows).__name__} holds no rows that turnmill can read"
    raise DataError(message, code="no-input", hint="give a list of dicts or an Arrow table")


def _json_line(row: Any) -> bytes:
    """A row as a line of JSON, which identifies it; a random line if JSON cannot hold the row."""
    try:
        return json.dumps(row, default=_shown).encode() + b"\n"
    except Exception:  # noqa: BLE001 - a cycle, or anything that objects in a row raise
        return json.dumps(secrets.token_hex()).encode() + b"\n"


def _shown(value: Any) -> Any:
    """A numpy value as numbers, because ``repr`` leaves out most of a long array."""
    return value.tolist() if type(value).__module__ == "numpy" else repr(value)
