"""Counts in bins of equal width, and percentiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_PERCENTILES = (0, 25, 50, 75, 90, 99, 100)
_MOST_BINS = 30
_MANY = 100


@dataclass(frozen=True)
class Histogram:
    """How many values lie between each edge and the next; the last bin includes its upper edge."""

    edges: list[float]
    """One more than bins."""
    counts: list[int]
    longer: int = 0
    """How many values lie above the last edge."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able values."""
        return {"edges": self.edges, "counts": self.counts, "longer": self.longer}


def percentiles(counts: npt.NDArray[np.int64]) -> dict[int, int]:
    """Exact percentiles: the smallest value that at least this per cent do not exceed.

    Args:
        counts: How often each whole number occurs, from 0.
    """
    if not counts.any():
        return {}
    below = np.cumsum(counts)
    ranks = [max(1, int(np.ceil(below[-1] * percent / 100))) for percent in _PERCENTILES]
    found = np.searchsorted(below, ranks)
    return {percent: int(value) for percent, value in zip(_PERCENTILES, found, strict=True)}


def percentile_name(percent: int) -> str:
    """What a percentile is called: ``min``, ``median``, ``max``, else ``p90``."""
    return {0: "min", 50: "median", 100: "max"}.get(percent, f"p{percent}")


def of_whole_numbers(counts: npt.NDArray[np.int64]) -> Histogram:
    """Bins of a round width from 0; the few values far above the others are only counted.

    Args:
        counts: How often each whole number occurs, from 0.
    """
    spread = percentiles(counts)
    if not spread:
        return Histogram([0.0], [])
    # A few values far away would squeeze all others into one bin. Of fewer than a hundred values
    # the 99th percentile is the largest.
    most = spread[99] if counts.sum() >= _MANY else spread[90]
    reach = spread[100] if spread[100] <= 2 * most else most
    width = round_width((reach + 1) / _MOST_BINS)
    bins = reach // width + 1
    starts = np.arange(bins) * width
    inside = np.zeros(bins * width, np.int64)
    inside[: len(counts)] = counts[: len(inside)]
    summed = np.add.reduceat(inside, starts)
    edges = [float(edge) for edge in [*starts, bins * width]]
    return Histogram(edges, summed.tolist(), int(counts[len(inside) :].sum()))


def round_width(least: float) -> int:
    """The smallest of 1, 2, 5, 10, 20, … that is not below ``least``.

    >>> [round_width(least) for least in (0.2, 1.5, 3, 70, 100)]
    [1, 2, 5, 100, 100]
    """
    power = 1
    while True:
        for digit in (1, 2, 5):
            if digit * power >= least:
                return digit * power
        power *= 10
