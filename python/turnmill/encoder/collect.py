"""How an encoder is driven in memory: what feeds its shards, and what is made of their outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from turnmill.encoder import Encoded
from turnmill.errors import ArgumentError, RecipeError

if TYPE_CHECKING:
    from turnmill import _core
    from turnmill.encoder import Encoder

_INSPECTED_ROWS = 200
_FED_ROWS = 2000


def encode(encoder: Encoder, rows: Any, *, threads: int | None, schema: str = "auto") -> Encoded:
    """Encodes rows of any kind; see `Encoder.encode`."""
    collected = _Collected()
    from turnmill.inputs.find import listed
    from turnmill.inputs.memory import is_in_memory

    rows = listed(rows)
    if isinstance(rows, list | tuple) and (not rows or is_in_memory(rows)):
        _encode_rows(encoder, list(rows), collected, threads, schema)
    else:
        _encode_inputs(encoder, rows, collected, threads, schema)
    return collected.encoded()


def encode_batch(encoder: Encoder, batch: Any, schemas: dict[tuple[str, ...], str]) -> Any:
    """Encodes one batch into as many rows; see `Encoder.__call__`.

    Args:
        encoder: The encoder.
        batch: A dict of columns, or anything Arrow.
        schemas: Schemas found so far, by column names: the columns decide, so each is found once.
    """
    rows: Any = _rows_of(batch) if isinstance(batch, Mapping) else _table(batch)
    names = tuple(batch) if isinstance(batch, Mapping) else tuple(rows.column_names)
    if names not in schemas and len(rows):
        schemas[names] = _inspect(encoder, rows)
    encoded = encode(encoder, rows, threads=None, schema=schemas.get(names, "auto"))
    aligned = _aligned(encoded, len(rows))
    if isinstance(batch, Mapping):
        return {name: _TypedList(_whole(aligned[name])) for name in aligned.column_names}
    if isinstance(batch, pa.RecordBatch):
        return _one_batch(aligned)
    return aligned


def _table(batch: Any) -> pa.Table:
    try:
        return pa.table(batch)
    except (TypeError, ValueError):
        message = f"a batch is a dict of columns or Arrow data, not a {type(batch).__name__}"
        hint = "Encoder.encode takes rows of any kind"
        raise ArgumentError(message, code="invalid-batch", hint=hint) from None


class _TypedList(list[Any]):
    """A column as a list that remembers its Arrow type.

    `datasets.map` takes the types from the first batch it is given back, in which every `reject`
    may be None; where it makes an Arrow array of the list, it gets the type with it.
    """

    def __init__(self, column: pa.Array) -> None:
        super().__init__(column.to_pylist())
        self._type = column.type

    def __arrow_array__(self, type: pa.DataType | None = None) -> pa.Array:  # noqa: A002 - pyarrow's
        return pa.array(list(self), type or self._type)


class _Collected:
    """The outputs of shards, one shard after the other."""

    def __init__(self) -> None:
        self.samples: list[pa.RecordBatch] = []
        self.index: list[pa.RecordBatch] = []
        self.rejects: list[pa.RecordBatch] = []
        self.counts: dict[str, int] = {}
        self.rows = 0

    def add(self, output: Any) -> None:
        self.samples += map(pa.record_batch, output.samples)
        self.index += map(pa.record_batch, output.index)
        self.rejects += map(pa.record_batch, output.rejects)
        self.rows += output.rows

    def finish(self, shard: _core.Shard) -> None:
        self.add(shard.finish())
        for rule, count in shard.counts().items():
            self.counts[rule] = self.counts.get(rule, 0) + count

    def encoded(self) -> Encoded:
        samples = pa.Table.from_batches(self.samples)
        index = pa.Table.from_batches(self.index)
        table = samples.add_column(0, "sample", index["sample"]).add_column(0, "row", index["row"])
        rejects = pa.Table.from_batches(self.rejects)
        return Encoded(table, rejects.select(["row", "code", "reason", "turn"]), self.counts)


def _encode_rows(
    encoder: Encoder, rows: list[Any], collected: _Collected, threads: int | None, schema: str
) -> None:
    if schema == "auto" and rows:
        schema = _inspect(encoder, rows)
    shard = encoder._open_shard(
        schema=schema, path="memory", array=False, first_row=0, first_line=1, threads=threads
    )
    for start in range(0, len(rows), _FED_ROWS):
        collected.add(shard.feed_rows(rows[start : start + _FED_ROWS]))
    collected.finish(shard)


def _encode_inputs(
    encoder: Encoder, rows: Any, collected: _Collected, threads: int | None, schema: str
) -> None:
    from turnmill.encoder.feed import feed, pieces, whole
    from turnmill.inputs.find import find_inputs
    from turnmill.prepare.plan import schema_of

    inputs = find_inputs(rows)
    known = [schema_of(input_, encoder) if schema == "auto" else schema for input_ in inputs]
    mixed = len(set(known) - {"auto"}) > 1
    for input_, name in zip(inputs, known, strict=True):
        shard = encoder._open_shard(
            schema=name,
            path=input_.name,
            array=input_.format == "array",
            first_row=collected.rows,
            first_line=1,
            threads=threads,
            mixed=mixed,
            own_keys=input_.own_keys,
        )
        for piece, _, _ in pieces(input_, whole(input_)):
            collected.add(feed(shard, piece))
        collected.finish(shard)


def _inspect(encoder: Encoder, rows: Any) -> str:
    if isinstance(rows, pa.Table):
        first = next(batch for batch in rows.to_batches() if batch.num_rows)
        return encoder._inspect_batch(first, path="memory")
    return encoder._core.inspect_rows(rows[:_INSPECTED_ROWS], "memory")[0]


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
    """The samples and rejects at the places of their rows, nulls elsewhere."""
    table, rejects = encoded.table, encoded.rejects.combine_chunks()
    if len(table) and int(table["sample"].to_numpy().max()) > 0:
        raise RecipeError(
            "the recipe makes several samples of one row: a batch of equal length cannot hold them",
            code="several-samples",
            hint='use Encoder.encode, or prepare, or set history = "last-turn"',
        )
    reject = pa.StructArray.from_arrays(
        [_whole(rejects[name]) for name in ("code", "reason", "turn")], ["code", "reason", "turn"]
    )
    samples = table.drop_columns(["row", "sample"]).take(_places(table["row"], rows))
    return samples.append_column("reject", reject.take(_places(rejects["row"], rows)))


def _places(found: pa.ChunkedArray, rows: int) -> pa.Array:
    """For every row, where it stands in `found`, or null."""
    places = np.full(rows, -1, dtype=np.int64)
    places[found.to_numpy()] = np.arange(len(found))
    return pa.array(places, mask=places < 0)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks()
    return whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    columns = [_whole(column) for column in table.columns]
    return pa.RecordBatch.from_arrays(columns, schema=table.schema)
