"""Feeds the rows of an input to a shard, in any form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from turnmill import _core
from turnmill.inputs.files import InputPart
from turnmill.inputs.find import Input


def feed(shard: _core.Shard, piece: Any) -> _core.Output:
    """Encodes one piece of an input: a record batch, a list of dicts or a block of JSON."""
    if isinstance(piece, pa.RecordBatch):
        return shard.feed_batch(piece)
    return shard.feed_rows(piece) if isinstance(piece, list) else shard.feed_bytes(piece)


def outputs(shard: _core.Shard, input_: Input, part: InputPart) -> Iterator[_core.Output]:
    """The outputs of a shard for a whole part."""
    for piece, _, _ in input_.pieces(part):
        yield feed(shard, piece)
    yield shard.finish()
