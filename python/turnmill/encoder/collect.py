"""Encodes whole inputs into memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from turnmill import _core
from turnmill.encoder.encoded import Encoded
from turnmill.encoder.feed import outputs
from turnmill.encoder.inspect import inspect_input, require_one_form
from turnmill.encoder.session import Session, ShardOptions
from turnmill.inputs.find import Input, find_inputs, repeatable
from turnmill.inputs.memory import MemoryInput, is_in_memory


def encode(
    session: Session, rows: Any, *, threads: int | None, schema: str | None = None
) -> Encoded:
    """Encodes rows of any kind; see `Encoder.encode`.

    Args:
        session: Made from the recipe.
        rows: The rows.
        threads: Number of threads; all cores if not given.
        schema: The schema of the rows, if it is known.
    """
    inputs = _inputs(repeatable(rows), session.recipe.split)
    schemas = [schema or _schema(input_, session) for input_ in inputs]
    require_one_form(schemas, None)
    mixed = len(set(schemas) - {"auto"}) > 1
    collected = _Collected()
    for input_, name in zip(inputs, schemas, strict=True):
        options = ShardOptions(
            schema="messages" if name == "auto" else name,
            path=input_.name,
            array=input_.format == "array",
            first_row=collected.rows,
            threads=threads,
            mixed=mixed,
            overrides=input_.overrides,
        )
        shard = session.open_shard(options)
        for output in outputs(shard, input_, input_.whole):
            collected.add(output)
        collected.count(shard.counts())
    return collected.encoded()


def encode_lines(
    session: Session, block: bytes, *, schema: str, threads: int | None = None
) -> Encoded:
    """Encodes JSON lines of a known schema, given whole; rows are numbered from 0."""
    shard = session.open_shard(ShardOptions(schema=schema, path="memory", threads=threads))
    collected = _Collected()
    for output in (shard.feed_bytes(block), shard.finish()):
        collected.add(output)
    collected.count(shard.counts())
    return collected.encoded()


def _inputs(rows: Any, split: str | None) -> Sequence[Input]:
    """The inputs that hold the rows. A list of rows, even an empty one, is called ``memory``."""
    if isinstance(rows, list | tuple) and (not rows or is_in_memory(rows)):
        return [MemoryInput("memory", "dicts", list(rows))]
    return find_inputs(rows, split)


def _schema(input_: Input, session: Session) -> str:
    # A few dicts are not worth the second that the reference backend takes to load.
    is_dicts = isinstance(input_, MemoryInput) and not input_.columnar
    return inspect_input(input_, session, check_backend=not is_dicts).schema


class _Collected:
    """The outputs of shards, one shard after the other."""

    def __init__(self) -> None:
        self.rows = 0
        self._samples: list[pa.RecordBatch] = []
        self._index: list[pa.RecordBatch] = []
        self._rejects: list[pa.RecordBatch] = []
        self._counts: dict[str, int] = {}

    def add(self, output: _core.Output) -> None:
        self._samples += map(pa.record_batch, output.samples)
        self._index += map(pa.record_batch, output.index)
        self._rejects += map(pa.record_batch, output.rejects)
        self.rows += output.rows

    def count(self, counts: dict[str, int]) -> None:
        for rule, count in counts.items():
            self._counts[rule] = self._counts.get(rule, 0) + count

    def encoded(self) -> Encoded:
        samples = pa.Table.from_batches(self._samples)
        index = pa.Table.from_batches(self._index)
        table = samples.add_column(0, "sample", index["sample"]).add_column(0, "row", index["row"])
        rejects = pa.Table.from_batches(self._rejects)
        return Encoded(table, rejects.select(["row", "code", "reason", "message"]), self._counts)
