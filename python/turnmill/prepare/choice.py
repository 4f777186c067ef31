"""Which samples are written, and where: decided from the index of all shards at once.

The choice depends only on the conversations, their order and the recipe, so it is the same for any
threads, and after any interruption.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from turnmill.inputs.find import Input
from turnmill.output.columns import int64s
from turnmill.output.files import TRAIN, VALIDATION
from turnmill.output.waiting import waiting_entries
from turnmill.prepare.left_out import Duplicates, LeftOut, ShardRows
from turnmill.prepare.mixture import Item, row_copies
from turnmill.recipe import Recipe
from turnmill.storage.remote import AnyPath

_HASH_BITS = 64
_PARTS = 16
"""Equal hashes are looked for in one of so many parts at a time, which saves memory."""

Hashes = npt.NDArray[np.uint64]
"""The upper and the lower half of the hash of each row."""


@dataclass(frozen=True)
class Choice:
    """What is written of one shard."""

    copies: npt.NDArray[np.int32]
    """How often each sample is written."""
    apart: npt.NDArray[np.bool_]
    """Which samples are set apart."""
    left_out: LeftOut
    rows: int
    """Rows to train on, those that are repeated counted as often."""
    distinct: dict[str | None, int]
    """The different rows of each data set."""

    def side(self, split: str | None) -> npt.NDArray[np.bool_]:
        """Which samples belong to a data set, written or not."""
        return self.apart if split == VALIDATION else ~self.apart


def splits_of(recipe: Recipe) -> tuple[str | None, ...]:
    """The data sets of the output; one without a name is the output itself."""
    return (TRAIN, VALIDATION) if recipe.validation > 0 else (None,)


def choose(
    recipe: Recipe, indexes: Sequence[AnyPath], samples: int, inputs: Sequence[Input]
) -> Iterator[Choice]:
    """What is written of each shard.

    Args:
        recipe: Its ``dedup``, ``validation`` and ``seed``.
        indexes: The waiting index of each shard, in order.
        samples: How many samples they list together.
        inputs: The input of each shard.

    Raises:
        DataError: An input has no row for its share, or no row at all is left.
    """
    rows = _WrittenRows.read(indexes, samples)
    each = np.arange(len(rows.hashes), dtype=np.int32)
    first = first_equal(rows.hashes) if recipe.dedup == "exact" else each
    apart = _are_apart(rows.hashes, recipe.validation)
    items = _items(inputs, rows.begins)
    copies = row_copies(items, rows.hashes[:, 1], first == each, apart, recipe.seed)
    for shard, counts in enumerate(rows.counts):
        begin, end = rows.begins[shard], rows.begins[shard + 1]
        here = slice(begin, end)
        again = first[here] != each[here]
        repeated = np.flatnonzero(again) + begin
        undrawn = np.flatnonzero(~again & (copies[here] == 0)) + begin
        yield Choice(
            np.repeat(copies[here], counts),
            np.repeat(apart[here], counts),
            rows.left_out(repeated, first[repeated], undrawn),
            int(copies[here][~apart[here]].sum()),
            {
                split: int(((copies[here] > 0) & (apart[here] == (split == VALIDATION))).sum())
                for split in splits_of(recipe)
            },
        )


def _items(inputs: Sequence[Input], begins: Sequence[int]) -> list[Item]:
    """The given inputs with their rows: those of neighbouring shards."""
    numbers = [input_.item for input_ in inputs]
    edges = [0, *(i for i in range(1, len(numbers)) if numbers[i] != numbers[i - 1]), len(numbers)]
    return [
        Item(inputs[start].name, inputs[start].quota, slice(begins[start], begins[stop]))
        for start, stop in itertools.pairwise(edges)
    ]


def first_equal(hashes: Hashes) -> npt.NDArray[np.int32]:
    """For each hash the place of the first one that is equal to it: its own, if there is none."""
    first = np.arange(len(hashes), dtype=np.int32)
    parts = (hashes[:, 0] >> np.uint64(_HASH_BITS - 4)).astype(np.uint8)
    for part in range(_PARTS):
        places = np.flatnonzero(parts == part)
        some = hashes[places, 0]
        order = np.argsort(some)
        repeated = some[order][1:] == some[order][:-1]
        if not repeated.any():
            continue
        # Of the few whose upper halves are equal, the lower ones decide.
        ends = np.zeros((2, len(places)), bool)
        ends[0, 1:] = ends[1, :-1] = repeated
        places = np.sort(places[order[ends.any(axis=0)]])
        some = hashes[places]
        order = np.lexsort((some[:, 1], some[:, 0]))  # stable: equal ones stay in order
        some, places = some[order], places[order]
        begins = np.ones(len(places), bool)
        begins[1:] = (some[1:] != some[:-1]).any(axis=1)
        first[places] = places[begins][np.cumsum(begins) - 1]
    return first


@dataclass(frozen=True)
class _WrittenRows:
    """The written rows of all shards."""

    hashes: Hashes
    rows: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    counts: list[npt.NDArray[np.int32]]
    """For each shard, the samples of each of its rows."""
    begins: list[int]
    """Where the rows of each shard begin; one entry more than shards."""

    @classmethod
    def read(cls, indexes: Sequence[AnyPath], samples: int) -> _WrittenRows:
        # Filled in place: arrays that are joined take twice the memory.
        hashes = np.empty((samples, 2), np.uint64)
        rows, lines = np.empty(samples, np.int64), np.empty(samples, np.int64)
        counts, begins = [], [0]
        for path in indexes:
            firsts, size, end = [np.zeros(0, np.int64)], 0, begins[-1]
            for batch in waiting_entries(path):
                own = np.flatnonzero(np.from_dlpack(batch["sample"]) == 0)
                here = slice(end, end + len(own))
                hashes[here] = _hashes_of(batch["conversation"])[own]
                rows[here] = int64s(batch["row"])[own]
                lines[here] = int64s(batch["line"], missing=-1)[own]
                firsts.append(own + size)
                size, end = size + len(batch), here.stop
            counts.append(np.diff(np.concatenate(firsts), append=size).astype(np.int32))
            begins.append(end)
        return cls(hashes[:end], rows[:end], lines[:end], counts, begins)

    def left_out(
        self,
        repeated: npt.NDArray[np.int64],
        firsts: npt.NDArray[np.int32],
        undrawn: npt.NDArray[np.int64],
    ) -> LeftOut:
        """The rows at these places: equal to those at ``firsts``, or not drawn."""
        shards = np.searchsorted(self.begins, firsts, "right") - 1
        return LeftOut(
            Duplicates(
                self.rows[repeated],
                self.lines[repeated],
                shards,
                self.rows[firsts],
                self.lines[firsts],
            ),
            ShardRows(self.rows[undrawn], self.lines[undrawn]),
        )


def _hashes_of(column: Any) -> Hashes:
    """The hashes in a column of an index."""
    read = np.frombuffer(column.buffers()[1], ">u8").reshape(-1, 2)
    hashes: Hashes = read[column.offset :][: len(column)].astype(np.uint64)
    return hashes


def _are_apart(hashes: Hashes, share: float) -> npt.NDArray[np.bool_]:
    """Which conversations are set apart, as in the core, which has divided their samples."""
    apart: npt.NDArray[np.bool_] = hashes[:, 0] < np.uint64(int(share * (1 << _HASH_BITS)))
    return apart
