"""The geometry of the charts: bars in a box that is stretched to the width of the page.

Labels stand outside of the drawing, as text of the page, so that they stay readable at any width.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from turnmill._terminal import count
from turnmill.stats.histogram import Histogram

WIDTH, HEIGHT = 1000, 100
"""The box that bars are drawn in."""
_LABELLED = 12
"""The most bars of which each has its label."""
_LEAST = 1.5
"""Height of the bar of something that is not nothing."""


@dataclass(frozen=True)
class Bar:
    """One bar of a chart."""

    x: float
    y: float
    width: float
    height: float
    name: str
    """What it stands for, such as ``40 to 59``."""
    number: int
    kind: str = ""


@dataclass(frozen=True)
class Chart:
    """Bars over an axis."""

    bars: list[Bar]
    labels: list[str]
    """What stands below the axis: at its start and its end, or below each bar."""
    each: bool = False
    """Whether every bar has its label."""

    @property
    def most(self) -> int:
        """The number of the tallest bar."""
        return max((bar.number for bar in self.bars), default=0)


def columns(
    names: Sequence[str], numbers: Sequence[int], labels: Sequence[str], *, each: bool = False
) -> Chart:
    """Upright bars from the left to the right."""
    most = max(numbers, default=0)
    width = WIDTH / max(len(numbers), 1)
    bars = []
    for i, (name, number) in enumerate(zip(names, numbers, strict=True)):
        height = max(_LEAST, HEIGHT * number / most) if number else 0.0
        bars.append(
            Bar(round(i * width, 2), round(HEIGHT - height, 2), width * 0.9, height, name, number)
        )
    return Chart(bars, list(labels), each)


def lengths(histogram: Histogram) -> Chart:
    """Samples by length, in tokens."""
    edges = [int(edge) for edge in histogram.edges]
    names = [f"{count(low)}–{count(high - 1)}" for low, high in _pairs(edges)]
    return columns(names, histogram.counts, (count(edges[0]), count(edges[-1])))


def shares(histogram: Histogram) -> Chart:
    """Samples by a share, in per cent."""
    edges = [round(100 * edge) for edge in histogram.edges]
    names = [f"{low}–{high} %" for low, high in _pairs(edges)]
    return columns(names, histogram.counts, ("0 %", "100 %"))


def turns(counts: dict[int, int], most: int = 20) -> Chart:
    """Samples by their number of turns; the last bar holds those with more."""
    top = min(max(counts, default=0), most)
    numbers = [counts.get(i, 0) for i in range(top)]
    numbers.append(sum(n for i, n in counts.items() if i >= top))
    more = f"{top}+" if max(counts, default=0) > top else str(top)
    names = [*map(str, range(top)), more]
    each = len(names) <= _LABELLED
    return columns(names, numbers, names if each else ("0", more), each=each)


def _pairs(edges: Sequence[int]) -> Iterator[tuple[int, int]]:
    return itertools.pairwise(edges)


def stacked(parts: Sequence[tuple[str, int, str]]) -> list[Bar]:
    """Parts of a whole side by side: name, number and kind of each.

    A part that is not nothing stays visible, however small it is.
    """
    total = sum(number for _, number, _ in parts)
    some = [(name, number, kind) for name, number, kind in parts if number]
    widths = [max(4.0, WIDTH * number / total) for _, number, _ in some]
    scale = WIDTH / sum(widths) if widths else 0.0
    bars, x = [], 0.0
    for (name, number, kind), width in zip(some, widths, strict=True):
        bars.append(Bar(round(x, 2), 0, round(width * scale, 2), HEIGHT, name, number, kind))
        x += width * scale
    return bars


def part_of(
    tokens: int, trained: int, rows: Sequence[tuple[str, int, int]], yes: str, no: str
) -> list[Bar]:
    """A bar as long as its share of the largest row, its trained part first."""
    most = max((all_tokens for _, all_tokens, _ in rows), default=1) or 1
    first, whole = (round(WIDTH * number / most, 2) for number in (trained, tokens))
    bars = [
        Bar(0, 0, first, HEIGHT, yes, trained),
        Bar(first, 0, round(whole - first, 2), HEIGHT, no, tokens - trained, "masked"),
    ]
    return [bar for bar in bars if bar.number]
