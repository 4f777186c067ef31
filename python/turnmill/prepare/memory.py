"""Rows in memory: lists of dicts, Arrow data of any library, ``datasets`` objects."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

from turnmill.errors import DataError
from turnmill.prepare.files import BATCH_ROWS, BLOCK_BYTES, Part, Sized

PART_ROWS = 100_000
"""How many rows in memory become one shard."""


@dataclass(frozen=True)
class MemoryInput:
    """Rows in memory, as JSON (from dicts) or as an Arrow table."""

    name: str
    format: Literal["dicts", "table", "dataset"]
    rows: Any = field(repr=False, compare=False)
    compression: None = None
    own_keys: str = "{}"
    """Recipe keys that hold for this input alone, as JSON."""

    @classmethod
    def of(cls, rows: Any, position: int) -> MemoryInput:
        """The input made of ``rows``; ``position`` gives it its name.

        Raises:
            DataError: ``rows`` is nothing that holds rows.
        """
        name = f"memory-{position}"
        if _is_dataset(rows):
            return cls(name, "dataset", _checked_dataset(rows))
        if isinstance(rows, Mapping):
            message = "one dict is no list of rows"
            hint = "give [row]; a dict of columns becomes rows with pyarrow.table(columns)"
            raise DataError(message, code="no-input", hint=hint)
        if isinstance(rows, list | tuple):
            return cls(name, "dicts", rows)
        return cls(name, "table", _table(rows))

    @property
    def columnar(self) -> bool:
        """Whether parts are read as record batches rather than as JSON bytes."""
        return self.format != "dicts"

    def survey(self, stopped: threading.Event) -> tuple[str, list[Part]]:
        """The SHA-256 of the rows and their parts; ends early once ``stopped`` is set."""
        digest = hashlib.sha256(self.format.encode())
        whole = Part(0, len(self.rows))
        if self.columnar:
            for batch, _ in self.batches(whole):
                if stopped.is_set():
                    break
                digest.update(batch.serialize())
        else:
            for block, _ in self.blocks(whole):
                if stopped.is_set():
                    break
                digest.update(block)
        starts = range(0, max(1, len(self.rows)), PART_ROWS)
        return digest.hexdigest(), [
            Part(start, stop := min(start + PART_ROWS, len(self.rows)), start, 1, stop - start)
            for start in starts
        ]

    def blocks(self, part: Part) -> Iterator[Sized[bytes]]:
        """A part of a list of dicts as JSON Lines.

        Raises:
            DataError: A row is no mapping or holds what JSON cannot say.
        """
        lines: list[str] = []
        held = 0
        for row in range(part.start, part.stop):
            line = _json_line(self.rows[row], self.name, row)
            lines.append(line)
            held += len(line)
            if held > BLOCK_BYTES:
                yield "".join(lines).encode(), len(lines)
                lines, held = [], 0
        yield "".join(lines).encode(), len(lines)

    def batches(self, part: Part) -> Iterator[Sized[pa.RecordBatch]]:
        """A part of a table or dataset as record batches of 1,000 rows."""
        for start in range(part.start, part.stop, BATCH_ROWS):
            rows = range(start, min(start + BATCH_ROWS, part.stop))
            table = self.rows[rows.start : rows.stop] if self.format == "dataset" else None
            if table is None:
                table = self.rows.slice(start, len(rows))
            yield from ((batch, len(batch)) for batch in table.combine_chunks().to_batches())


def is_in_memory(given: Any) -> bool:
    """Whether ``given`` is one input in memory, rather than a list of inputs."""
    if isinstance(given, list | tuple):
        return bool(given) and all(isinstance(row, Mapping) for row in given)
    return (
        _is_dataset(given)
        or hasattr(given, "__arrow_c_stream__")
        or hasattr(given, "__arrow_c_array__")
    )


def _is_dataset(rows: Any) -> bool:
    return type(rows).__module__.split(".")[0] == "datasets"


def _checked_dataset(rows: Any) -> Any:
    kind = type(rows).__name__
    if kind == "Dataset":
        return rows.with_format("arrow")
    hint = "give one of them: data['train']" if "Dict" in kind else "give a datasets.Dataset"
    message = f"a datasets.{kind} cannot be read twice or has no one order of rows"
    if "Dict" in kind:
        message = f"a datasets.{kind} holds several splits"
    raise DataError(message, code="no-input", hint=hint)


def _table(rows: Any) -> pa.Table:
    if isinstance(rows, pa.RecordBatch):
        return pa.Table.from_batches([rows])
    if isinstance(rows, pa.RecordBatchReader):
        return rows.read_all()
    if hasattr(rows, "__arrow_c_stream__") or hasattr(rows, "__arrow_c_array__"):
        with contextlib.suppress(pa.ArrowInvalid, TypeError):  # one column is no table
            return pa.table(rows)
    message = f"an object of type {type(rows).__name__} holds no rows that turnmill can read"
    raise DataError(message, code="no-input", hint="give a list of dicts or an Arrow table")


def _json_line(row: Any, name: str, number: int) -> str:
    if not isinstance(row, Mapping):
        message = f"the row is of type {type(row).__name__}, not a dict"
        raise DataError(message, code="schema-mismatch", path=name, row=number)
    try:
        return json.dumps(row) + "\n"
    except (TypeError, ValueError) as error:
        message = f"the row cannot be written as JSON: {error}"
        raise DataError(
            message,
            code="type-coerced-content",
            path=name,
            row=number,
            hint="use strings, numbers, lists and dicts only",
        ) from error
