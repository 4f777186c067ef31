"""Which samples are written, and where: decided from the index of all shards at once.

The choice depends only on the conversations, their order and the recipe, so it is the same for any
threads, and after any interruption.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from turnmill.output.files import TRAIN, VALIDATION
from turnmill.recipe import Recipe
from turnmill.storage.local import read_table, row_count
from turnmill.storage.remote import AnyPath

RULE = "duplicate-conversation"
_HASH_BITS = 64
_PARTS = 16
"""Equal hashes are looked for in one of so many parts at a time, which saves memory."""

Hashes = npt.NDArray[np.uint64]
"""The upper and the lower half of the hash of each row."""


@dataclass(frozen=True)
class Duplicates:
    """The rows of a shard that are left out, each with the row of the first equal conversation."""

    rows: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    """-1 where the input has none."""
    first_shards: npt.NDArray[np.int64]
    first_rows: npt.NDArray[np.int64]
    first_lines: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """Number of rows left out."""
        return len(self.rows)

    def rejects(self, source: str, sources: Sequence[str]) -> pa.Table:
        """The rows as the table of rejects lists them.

        Args:
            source: The input of the shard.
            sources: The input of every shard.
        """
        firsts = zip(self.first_shards, self.first_rows, self.first_lines, strict=True)
        reasons = [
            f"the same conversation as {_place(sources[shard], int(row), int(line))}"
            for shard, row, line in firsts
        ]
        count = len(self)
        lines = pa.array(self.lines, pa.int64(), mask=self.lines < 0)
        return pa.table(
            {
                "source": pa.array([source] * count, pa.string()),
                "row": pa.array(self.rows, pa.int64()),
                "line": lines,
                "code": pa.array([RULE] * count, pa.string()),
                "reason": pa.array(reasons, pa.string()),
                "message": pa.nulls(count, pa.int32()),
            }
        )

    def evidence(self, source: str, count: int) -> list[dict[str, Any]]:
        """The first rows, as the run record lists them."""
        places = zip(self.rows[:count].tolist(), self.lines[:count].tolist(), strict=True)
        return [
            {"source": source, "row": row, "line": None if line < 0 else line, "message": None}
            for row, line in places
        ]


def _place(source: str, row: int, line: int) -> str:
    return f"{source}, row {row}" if line < 0 else f"{source}:{line}"


@dataclass(frozen=True)
class Choice:
    """What is written of one shard."""

    left_out: npt.NDArray[np.bool_]
    """Which samples are not written."""
    apart: npt.NDArray[np.bool_]
    """Which samples are set apart."""
    duplicates: Duplicates

    def side(self, split: str | None) -> npt.NDArray[np.bool_]:
        """Which samples belong to a data set, written or not."""
        return self.apart if split == VALIDATION else ~self.apart


def splits_of(recipe: Recipe) -> tuple[str | None, ...]:
    """The data sets of the output; one without a name is the output itself."""
    return (TRAIN, VALIDATION) if recipe.validation > 0 else (None,)


def choose(recipe: Recipe, indexes: Sequence[AnyPath]) -> Iterator[Choice]:
    """What is written of each shard.

    Args:
        recipe: Its ``dedup`` and ``validation``.
        indexes: The index files of all shards, in order.
    """
    rows = _Rows.read(indexes)
    each = np.arange(len(rows.hashes), dtype=np.int32)
    first = first_equal(rows.hashes) if recipe.dedup == "exact" else each
    for shard, counts in enumerate(rows.counts):
        begin, end = rows.begins[shard], rows.begins[shard + 1]
        apart = _are_apart(rows.hashes[begin:end], recipe.validation)
        again = first[begin:end] != each[begin:end]
        repeated = np.flatnonzero(again) + begin
        yield Choice(
            np.repeat(again, counts),
            np.repeat(apart, counts),
            rows.duplicates(repeated, first[repeated]),
        )


def first_equal(hashes: Hashes) -> npt.NDArray[np.int32]:
    """For each hash the place of the first one that is equal to it: its own, if there is none."""
    first = np.arange(len(hashes), dtype=np.int32)
    parts = (hashes[:, 0] >> np.uint64(_HASH_BITS - 4)).astype(np.uint8)
    for part in range(_PARTS):
        places = np.flatnonzero(parts == part)
        some = hashes[places]
        order = np.lexsort((some[:, 1], some[:, 0]))  # stable: equal ones stay in order
        some, places = some[order], places[order]
        begins = np.ones(len(places), bool)
        begins[1:] = (some[1:] != some[:-1]).any(axis=1)
        first[places] = places[begins][np.cumsum(begins) - 1]
    return first


@dataclass(frozen=True)
class _Rows:
    """The written rows of all shards."""

    hashes: Hashes
    rows: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    counts: list[npt.NDArray[np.int32]]
    """For each shard, the samples of each of its rows."""
    begins: list[int]
    """Where the rows of each shard begin; one entry more than shards."""

    @classmethod
    def read(cls, indexes: Sequence[AnyPath]) -> _Rows:
        # Filled in place: arrays that are joined take twice the memory.
        most = sum(row_count(path) for path in indexes)
        hashes = np.empty((most, 2), np.uint64)
        rows, lines = np.empty(most, np.int64), np.empty(most, np.int64)
        counts, begins = [], [0]
        for path in indexes:
            index = read_table(path, ["conversation", "row", "line", "sample"])
            firsts = np.flatnonzero(_numbers(index["sample"]) == 0)
            here = slice(begins[-1], begins[-1] + len(firsts))
            hashes[here] = _hashes_of(index["conversation"])[firsts]
            rows[here] = _numbers(index["row"])[firsts]
            lines[here] = _numbers(index["line"].fill_null(-1))[firsts]
            counts.append(np.diff(firsts, append=index.num_rows).astype(np.int32))
            begins.append(here.stop)
        end = begins[-1]
        return cls(hashes[:end], rows[:end], lines[:end], counts, begins)

    def duplicates(
        self, places: npt.NDArray[np.int64], firsts: npt.NDArray[np.int32]
    ) -> Duplicates:
        """The rows at these places, equal to those at ``firsts``."""
        shards = np.searchsorted(self.begins, firsts, "right") - 1
        return Duplicates(
            self.rows[places], self.lines[places], shards, self.rows[firsts], self.lines[firsts]
        )


def _numbers(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    # Not `to_numpy`, which imports pandas: a quarter of a second.
    chunks = [np.from_dlpack(chunk).astype(np.int64) for chunk in column.chunks]
    return np.concatenate([np.zeros(0, np.int64), *chunks])


def _hashes_of(column: Any) -> Hashes:
    """The hashes in a column of an index."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    read = [
        np.frombuffer(chunk.buffers()[1], ">u8").reshape(-1, 2)[chunk.offset :][: len(chunk)]
        for chunk in chunks
    ]
    hashes: Hashes = np.concatenate([np.zeros((0, 2), np.uint64), *read]).astype(np.uint64)
    return hashes


def _are_apart(hashes: Hashes, share: float) -> npt.NDArray[np.bool_]:
    """Which conversations are set apart, as in the core, which has divided their samples."""
    apart: npt.NDArray[np.bool_] = hashes[:, 0] < np.uint64(int(share * (1 << _HASH_BITS)))
    return apart
