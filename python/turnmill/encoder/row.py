"""One row of an input, encoded by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from turnmill import _core
from turnmill.encoder.session import Session, ShardOptions
from turnmill.inputs.find import Input
from turnmill.inputs.rows import PickedRow


@dataclass(frozen=True)
class EncodedRow:
    """The result of one row."""

    samples: list[dict[str, Any]]
    rejects: list[dict[str, Any]]
    counts: dict[str, int]
    """How often each rule was counted."""


def encode_row(picked: PickedRow, session: Session, input_: Input, schema: str) -> EncodedRow:
    """The result that a run would give for one row.

    Args:
        picked: The row.
        session: Made from the recipe.
        input_: The input that holds it.
        schema: The schema of that input.
    """
    # A row of JSON Lines is fed after a line end: at the start of a file a byte order mark is
    # dropped, and this row may begin with one that is not a mark.
    is_line = isinstance(picked.data, bytes) and not picked.array
    shard = session.open_shard(
        ShardOptions(
            schema=schema,
            path=input_.name,
            array=picked.array,
            first_row=picked.row,
            first_line=(picked.line or 1) - is_line,
            threads=1,
            overrides=input_.overrides,
        )
    )
    outputs = [_feed(shard, picked), shard.finish()]
    return EncodedRow(
        [row for o in outputs for b in o.samples for row in pa.record_batch(b).to_pylist()],
        [row for o in outputs for b in o.rejects for row in pa.record_batch(b).to_pylist()],
        shard.counts(),
    )


def _feed(shard: _core.Shard, picked: PickedRow) -> _core.Output:
    if isinstance(picked.data, pa.RecordBatch):
        return shard.feed_batch(picked.data)
    if not isinstance(picked.data, bytes):
        return shard.feed_rows([picked.data])
    return shard.feed_bytes(b"[%b]" % picked.data if picked.array else b"\n%b\n" % picked.data)
