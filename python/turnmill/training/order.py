"""Shuffled orders that stay the same in every version and on every machine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from turnmill._splitmix64 import STEP, mix

_WINDOW_BLOCKS = 4
"""Blocks whose samples are shuffled together where reading a block is costly."""


def shuffled(
    count: int, seed: int, epoch: int, blocks: Sequence[int] | None = None
) -> npt.NDArray[np.int64]:
    """The numbers below ``count`` in a random order.

    The order is that of their hashes (SplitMix64), so it depends on the arguments alone.

    Args:
        count: How many.
        seed: Another seed gives another order, and so does another epoch.
        epoch: The number of the pass, from 0.
        blocks: Sizes of blocks of neighbours. Blocks are shuffled, and then the numbers of every
            four blocks; so whoever reads in this order needs few blocks at a time.
    """
    if blocks is None:
        return _by_hash(count, seed, epoch, 0)
    ends = np.cumsum(blocks)
    members = [np.arange(end - size, end) for end, size in zip(ends, blocks, strict=True)]
    turns = _by_hash(len(blocks), seed, epoch, 0)
    order = [np.zeros(0, np.int64)]
    for first in range(0, len(turns), _WINDOW_BLOCKS):
        window = np.concatenate([members[i] for i in turns[first : first + _WINDOW_BLOCKS]])
        order.append(window[_by_hash(len(window), seed, epoch, first + 1)])
    return np.concatenate(order)


def _by_hash(count: int, seed: int, epoch: int, salt: int) -> npt.NDArray[np.int64]:
    key, step = np.zeros(1, np.uint64), np.uint64(STEP)
    for word in (seed, epoch, salt):
        key = mix(key ^ np.uint64(word)) + step
    hashes = mix(key + np.arange(count, dtype=np.uint64) * step)
    order: npt.NDArray[np.int64] = np.argsort(hashes, kind="stable")
    return order
