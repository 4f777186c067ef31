"""Feeds the rows of an input to a shard encoder, in whatever form they come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from turnmill.inputs.files import Part
from turnmill.inputs.find import Input
from turnmill.inputs.memory import MemoryInput
from turnmill.prepare.protocol import Output, ShardEncoder

Piece = tuple[Any, int, int]
"""A piece of an input; its bytes of text or Arrow data; how much of its part it uses up."""


def whole(input_: Input) -> Part:
    """The part that is all of an input."""
    return Part(0, len(input_.rows)) if isinstance(input_, MemoryInput) else Part()


def pieces(input_: Input, part: Part) -> Iterator[Piece]:
    """A part as record batches, as lists of dicts or as blocks of JSON."""
    if input_.columnar:
        return ((batch, batch.nbytes, amount) for batch, amount in input_.batches(part))
    if isinstance(input_, MemoryInput):
        return ((rows, amount, amount) for rows, amount in input_.dicts(part))
    return ((block, len(block), amount) for block, amount in input_.blocks(part))


def feed(shard: ShardEncoder, piece: Any) -> Output:
    """Encodes one piece."""
    if isinstance(piece, pa.RecordBatch):
        return shard.feed_batch(piece)
    return shard.feed_rows(piece) if isinstance(piece, list) else shard.feed_bytes(piece)


def outputs(shard: Any, input_: Input, part: Part) -> Iterator[Any]:
    """What a shard encoder makes of a part, to its end."""
    for piece, _, _ in pieces(input_, part):
        yield feed(shard, piece)
    yield shard.finish()
