"""The result of encoding rows in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # pyarrow takes longer to import than `turnmill --help` may
    import pyarrow as pa


@dataclass(frozen=True)
class Encoded:
    """The result of `Encoder.encode`: every row is in one of the two tables."""

    table: pa.Table
    """One row per sample: `row` int64 (of the input, from 0) and `sample` int32 (within its row),
    then the recipe's columns."""
    rejects: pa.Table
    """One row per reject: `row` int64, `code` and `reason` string, `message` int32 (index of the
    message it concerns, or null)."""
    counts: dict[str, int]
    """How often each rule was counted, rejects included, by the rule's name."""
