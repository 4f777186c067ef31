"""Rows that the set leaves out although they gave samples: where they stand, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from turnmill.output.columns import number_column, repeated, text_column
from turnmill.rules import DUPLICATE, NOT_DRAWN

_NOT_DRAWN_REASON = "the weight or the cap of the input takes fewer rows"


@dataclass(frozen=True)
class ShardRows:
    """Rows of one shard."""

    rows: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    """-1 where the input has none."""

    def __len__(self) -> int:
        """How many there are."""
        return len(self.rows)

    def rejects(self, rule: str, source: str, reasons: Sequence[str]) -> pa.Table:
        """The rows as the table of rejects lists them, with the reason of each."""
        count = len(self)
        return pa.table(
            {
                "source": repeated(source, count),
                "row": number_column(self.rows),
                "line": number_column(self.lines, valid=self.lines >= 0),
                "code": repeated(rule, count),
                "reason": text_column(reasons),
                "message": pa.nulls(count, pa.int32()),
            }
        )

    def places(self, source: str, count: int) -> list[dict[str, Any]]:
        """The first rows, as the run record lists them."""
        found = zip(self.rows[:count].tolist(), self.lines[:count].tolist(), strict=True)
        return [
            {"source": source, "row": row, "line": None if line < 0 else line, "message": None}
            for row, line in found
        ]


@dataclass(frozen=True)
class Duplicates(ShardRows):
    """Rows with the row of the first equal conversation."""

    first_shards: npt.NDArray[np.int64]
    first_rows: npt.NDArray[np.int64]
    first_lines: npt.NDArray[np.int64]

    def reasons(self, sources: Sequence[str]) -> list[str]:
        """Which row each repeats.

        Args:
            sources: The input of every shard.
        """
        firsts = zip(self.first_shards, self.first_rows, self.first_lines, strict=True)
        return [
            f"the same conversation as {_place(sources[shard], int(row), int(line))}"
            for shard, row, line in firsts
        ]


def _place(source: str, row: int, line: int) -> str:
    return f"{source}, row {row}" if line < 0 else f"{source}:{line}"


@dataclass(frozen=True)
class LeftOut:
    """The rows of a shard that are not written."""

    duplicates: Duplicates
    undrawn: ShardRows

    def by_rule(self) -> dict[str, ShardRows]:
        """The rows by the name of the rule."""
        return {DUPLICATE: self.duplicates, NOT_DRAWN: self.undrawn}

    def rejects(self, source: str, sources: Sequence[str]) -> pa.Table:
        """The rows as the table of rejects lists them.

        Args:
            source: The input of the shard.
            sources: The input of every shard.
        """
        reasons = [_NOT_DRAWN_REASON] * len(self.undrawn)
        return pa.concat_tables(
            [
                self.duplicates.rejects(DUPLICATE, source, self.duplicates.reasons(sources)),
                self.undrawn.rejects(NOT_DRAWN, source, reasons),
            ]
        )
