"""The result of encoding rows in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from turnmill import _markup

if TYPE_CHECKING:  # pyarrow takes longer to import than `turnmill --help` may
    import pyarrow as pa


_SHOWN = 10
"""Rejected rows that a notebook shows."""


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

    def _repr_html_(self) -> str:
        counts = _markup.table(("rule", "count"), sorted(self.counts.items()))
        head = f"{self.table.num_rows:,} samples, {self.rejects.num_rows:,} rows rejected"
        rows = self.rejects.slice(0, _SHOWN).to_pylist()
        rejects = ((row["row"], row["code"], row["reason"]) for row in rows)
        return "".join(
            [
                _markup.heading(head),
                _markup.table(("column", "type"), ((c.name, c.type) for c in self.table.schema)),
                counts if self.counts else "",
                _markup.table(("row", "rejected", "reason"), rejects) if rows else "",
            ]
        )
