"""One batch encoded into as many rows, for engines that map a function over batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from turnmill import _core
from turnmill.encoder.collect import encode
from turnmill.encoder.encoded import Encoded
from turnmill.encoder.session import Session
from turnmill.errors import ArgumentError, RecipeError

_INSPECTED_ROWS = 200


def encode_batch(
    session: Session, batch: Any, schemas: dict[tuple[str, ...], str], threads: int | None
) -> Any:
    """Encodes one batch into as many rows; see `Encoder.__call__`.

    Args:
        session: Made from the recipe.
        batch: A dict of columns, or anything Arrow.
        schemas: Schemas found so far, by column names, because the columns decide.
        threads: Number of threads; all cores if not given.
    """
    rows: Any = _rows_of(batch) if isinstance(batch, Mapping) else _table(batch)
    names = tuple(batch) if isinstance(batch, Mapping) else tuple(rows.column_names)
    if names not in schemas and len(rows):
        schemas[names] = _schema(session, rows)
    encoded = encode(session, rows, threads=threads, schema=schemas.get(names))
    aligned = _aligned(encoded, len(rows))
    if isinstance(batch, Mapping):
        return {name: _TypedList(_one_array(aligned[name])) for name in aligned.column_names}
    if isinstance(batch, pa.RecordBatch):
        return _one_batch(aligned)
    return aligned


def is_single(batch: Any) -> bool:
    """Whether it is one row, as `datasets.map` gives it without ``batched=True``."""
    if type(batch).__name__ == "LazyRow":
        return True
    scalar = (str, bytes, int, float, Mapping)
    return isinstance(batch, Mapping) and any(isinstance(v, scalar) for v in batch.values())


def _table(batch: Any) -> pa.Table:
    try:
        return pa.table(batch)
    except (TypeError, ValueError):
        message = f"a batch is a dict of columns or Arrow data, not a {type(batch).__name__}"
        hint = "Encoder.encode takes rows of any kind"
        raise ArgumentError(message, code="invalid-batch", hint=hint) from None


class _TypedList(list[Any]):
    """A column as a list that remembers its Arrow type.

    `datasets.map` takes the types from the first batch that it gets back, in which every `reject`
    may be None. When it makes an Arrow array from this list, it gets the type too.
    """

    def __init__(self, column: pa.Array) -> None:
        super().__init__(column.to_pylist())
        self._type = column.type

    def __arrow_array__(self, type: pa.DataType | None = None) -> pa.Array:  # noqa: A002 - pyarrow's
        return pa.array(list(self), type or self._type)


def _schema(session: Session, rows: Any) -> str:
    """The schema of a batch that is not empty."""
    if isinstance(rows, pa.Table):
        first = next(batch for batch in rows.to_batches() if batch.num_rows)
        return session.inspect(_core.Head(first), "memory").schema
    head = _core.Head(rows[:_INSPECTED_ROWS])
    return session.inspect(head, "memory", check_backend=False).schema


def _rows_of(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A dict of columns as rows."""
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
        message = f"the columns of the batch differ in length: {found}"
        hint = "give every column one value for each row"
        raise ArgumentError(message, code="invalid-batch", hint=hint)
    values = zip(*columns.values(), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in values]


def _aligned(encoded: Encoded, rows: int) -> pa.Table:
    """The samples and rejects at the positions of their rows, nulls elsewhere."""
    table, rejects = encoded.table, encoded.rejects.combine_chunks()
    if len(table) and int(table["sample"].to_numpy().max()) > 0:
        raise RecipeError(
            "the recipe makes several samples of one row: a batch of equal length cannot hold them",
            code="several-samples",
            hint='use Encoder.encode, or prepare, or set history = "last-turn"',
        )
    reject = pa.StructArray.from_arrays(
        [_one_array(rejects[name]) for name in ("code", "reason", "message")],
        ["code", "reason", "message"],
    )
    samples = table.drop_columns(["row", "sample"]).take(_places(table["row"], rows))
    return samples.append_column("reject", reject.take(_places(rejects["row"], rows)))


def _places(found: pa.ChunkedArray, rows: int) -> pa.Array:
    """For every row, its index in `found`, or null."""
    places = np.full(rows, -1, dtype=np.int64)
    places[found.to_numpy()] = np.arange(len(found))
    return pa.array(places, mask=places < 0)


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks()
    return whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    columns = [_one_array(column) for column in table.columns]
    return pa.RecordBatch.from_arrays(columns, schema=table.schema)
