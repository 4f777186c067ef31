"""Random numbers that a seed gives for ever: those of SplitMix64 (Steele, Lea and Flood, 2014).

Each can be made without those before it, so any part of them is made at once.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.uint64]

STEP = 0x9E3779B97F4A7C15
"""Added to the state for each number that is drawn."""
_MASK = (1 << 64) - 1


def mix(values: Numbers) -> Numbers:
    """The mixing function of SplitMix64: another number for each, and no two the same."""
    mixed = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def draws(seed: int, count: int, first: int = 0) -> Numbers:
    """``count`` numbers from ``seed``, beginning with the one that ``first`` others precede."""
    counter = np.arange(first + 1, first + count + 1, dtype=np.uint64) * np.uint64(STEP)
    return mix(counter + np.uint64(seed & _MASK))


def streams(seed: int, count: int) -> list[int]:
    """Seeds of independent streams of numbers."""
    return [int(number) for number in draws(seed, count)]
