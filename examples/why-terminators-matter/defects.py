"""Rows of turnmill, and the same rows as known defects leave them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

IGNORED = -100


@dataclass(frozen=True)
class Row:
    """A tokenized conversation."""

    ids: list[int]
    labels: list[int]

    def end(self, stop: int) -> int:
        """Where the terminator of the answer stands."""
        return max(place for place, label in enumerate(self.labels) if label == stop)


def correct(rows: Sequence[Row], _stop: int, _other: int) -> list[Row]:
    """As turnmill writes them: each answer ends in the stop token of the server."""
    return list(rows)


def missing(rows: Sequence[Row], stop: int, _other: int) -> list[Row]:
    """No terminator: the answer was not wrapped in its format."""
    return [Row(row.ids[: row.end(stop)], row.labels[: row.end(stop)]) for row in rows]


def cut(rows: Sequence[Row], _stop: int, _other: int) -> list[Row]:
    """Rows cut at a length that six of ten keep: long answers lose their terminator."""
    length = sorted(len(row.ids) for row in rows)[len(rows) * 6 // 10]
    return [Row(row.ids[:length], row.labels[:length]) for row in rows]


def wrong(rows: Sequence[Row], stop: int, other: int) -> list[Row]:
    """Another stop token than the one on which the server stops."""

    def swap(ids: list[int], end: int) -> list[int]:
        return [*ids[:end], other, *ids[end + 1 :]]

    return [Row(swap(row.ids, row.end(stop)), swap(row.labels, row.end(stop))) for row in rows]


DEFECTS: dict[str, Callable[[Sequence[Row], int, int], list[Row]]] = {
    "correct": correct,
    "no terminator": missing,
    "cut by length": cut,
    "wrong terminator": wrong,
}
"""What is trained on, by the name in the table."""
