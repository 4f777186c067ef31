"""Sets of rows, by number, that are too large to be listed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import overload

import numpy as np
import numpy.typing as npt

_BLOCK = 1 << 16
"""Rows of a mask that are looked through for one number."""


class Marked(Sequence[int]):
    """The numbers that a mask marks, found a block at a time: nothing is listed in advance."""

    def __init__(self, mask: npt.NDArray[np.bool_]) -> None:
        self.mask = mask
        counts = [np.count_nonzero(mask[i : i + _BLOCK]) for i in range(0, len(mask), _BLOCK)]
        self._before = np.cumsum([0, *counts])

    def __len__(self) -> int:
        return int(self._before[-1])

    @overload
    def __getitem__(self, place: int) -> int: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[int]: ...
    def __getitem__(self, place: int | slice) -> int | Sequence[int]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(place)
        block = int(np.searchsorted(self._before, place, "right")) - 1
        first = block * _BLOCK
        marked = np.flatnonzero(self.mask[first : first + _BLOCK])
        return first + int(marked[place - self._before[block]])


def below(candidates: Sequence[int], place: int, limit: int) -> Sequence[int]:
    """The candidates from a position on, up to the first that is not below a limit."""
    if isinstance(candidates, range):
        return candidates[place : max(place, limit - candidates.start)]
    if isinstance(candidates, Marked):
        first = candidates[place]
        found: list[int] = (first + np.flatnonzero(candidates.mask[first:limit])).tolist()
        return found
    return list(itertools.takewhile(lambda number: number < limit, candidates[place:]))
