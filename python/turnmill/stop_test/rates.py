"""Shares with their uncertainty: a hundred prompts say little about the second digit."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_Z = 1.959963984540054
"""The 97.5 % point of the normal distribution: intervals cover 95 %."""


@dataclass(frozen=True)
class Rate:
    """So many of so many."""

    count: int
    of: int

    @classmethod
    def among(cls, flags: Iterable[bool]) -> Rate:
        """How many of the flags are set."""
        flags = list(flags)
        return cls(sum(flags), len(flags))

    @property
    def share(self) -> float:
        """The share, from 0 to 1; 0 of nothing is 0."""
        return self.count / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share (Wilson 1927), which is honest at 0 and 1 too.

        >>> [round(end, 3) for end in Rate(100, 100).interval]
        [0.963, 1.0]
        """
        if not self.of:
            return 0.0, 1.0
        squared = _Z * _Z
        scale = 1 + squared / self.of
        centre = (self.share + squared / (2 * self.of)) / scale
        spread = self.share * (1 - self.share) / self.of + squared / (4 * self.of * self.of)
        half = _Z * math.sqrt(spread) / scale
        low = centre - half if self.count else 0.0
        high = centre + half if self.count < self.of else 1.0
        return max(low, 0.0), min(high, 1.0)

    def change_from(self, before: Rate) -> tuple[float, float]:
        """The 95 % interval of this share less another (Newcombe 1998, from Wilson's intervals).

        >>> [round(end, 2) for end in Rate(40, 100).change_from(Rate(98, 100))]
        [-0.67, -0.47]
        """
        (low, high), (low_before, high_before) = self.interval, before.interval
        change = self.share - before.share
        down = math.hypot(self.share - low, high_before - before.share)
        up = math.hypot(high - self.share, before.share - low_before)
        return change - down, change + up

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able values."""
        low, high = self.interval
        shown = {"share": self.share, "low": low, "high": high}
        return {
            "count": self.count,
            "of": self.of,
            **{key: round(value, 4) for key, value in shown.items()},
        }

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Rate:
        """The rate that `to_dict` wrote."""
        return cls(int(value["count"]), int(value["of"]))
