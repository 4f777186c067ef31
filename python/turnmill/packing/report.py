"""The packing report: how full the packs are, and what mixes in them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from turnmill.packing.index import PackIndex


@dataclass(frozen=True)
class PackReport:
    """The contents of a pack index, in numbers."""

    packs: int
    documents: int
    """Number of documents; one that was cut counts once."""
    tokens: int
    fill: float
    """Tokens as a share of what all packs have room for; a document that is longer than a pack and
    has its own fills it."""
    fewest_packs: int
    """No packing has fewer: the packs that the tokens need, or the documents over half a pack."""
    documents_per_pack: dict[str, float]
    """``min``, ``median``, ``mean`` and ``max``; parts of a document that was cut count too."""
    left_out: int
    """Documents that are longer than a pack and were left out."""
    left_out_tokens: int
    alone: int
    """Documents that are longer than a pack and have their own."""
    cut: int
    """Documents in more than one pack (only with ``split``)."""
    mixed_attention: float
    """Share of the token pairs of causal attention that would join two documents if a trainer
    ignored the boundaries."""
    length_correlation: float
    """Correlation between the position of a pack and the mean length of its documents; near 0 if
    the order does not depend on length."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able values."""
        return asdict(self)


class Count:
    """What packs hold, added up part by part."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._sizes = np.zeros(1, np.int64)
        """How many packs have each number of segments, from 0."""
        self._tokens = self._room = self._shared = self._halves = self._alone = 0
        self._documents = self._filled = self._cut = 0
        self._every = self._own = 0
        self._correlation = _Correlation()
        self._is_begun = False
        """Whether the last segment is the first of its document."""

    def watch(self, parts: Iterable[PackIndex]) -> Iterator[PackIndex]:
        """Passes the parts of an index on, and counts them."""
        for part in parts:
            self.add(part)
            yield part

    def add(self, part: PackIndex) -> None:
        """Counts the packs that follow."""
        tokens, sizes, lengths = part.tokens, np.diff(part.offsets), part.lengths
        counts = np.bincount(sizes, minlength=len(self._sizes))
        counts[: len(self._sizes)] += self._sizes
        self._sizes = counts
        self._tokens += int(tokens.sum())
        self._room += int(np.maximum(tokens, self._capacity).sum())
        shared = lengths[lengths <= self._capacity]
        self._shared += int(shared.sum(dtype=np.int64))
        self._halves += int(np.count_nonzero(shared > self._capacity // 2))
        self._alone += len(lengths) - len(shared)
        self._every += _pairs(tokens)
        self._own += _pairs(lengths)
        self._correlation.add(tokens / np.maximum(sizes, 1))
        self._add_documents(part)

    def _add_documents(self, part: PackIndex) -> None:
        if not len(part.starts):
            return
        begins = part.starts == 0
        self._documents += int(np.count_nonzero(begins))
        self._filled += int(np.count_nonzero(part.lengths[begins]))
        # A document is cut where its second segment follows its first.
        before = np.concatenate([[self._is_begun], begins[:-1]])
        self._cut += int(np.count_nonzero(~begins & before))
        self._is_begun = bool(begins[-1])

    def report(self, lengths: npt.NDArray[Any]) -> PackReport:
        """The report, once all packs were counted.

        Args:
            lengths: Tokens of all documents, packed or left out.
        """
        packs = int(self._sizes.sum())
        return PackReport(
            packs=packs,
            documents=self._documents,
            tokens=self._tokens,
            fill=self._tokens / self._room if packs else 0.0,
            fewest_packs=max(-(-self._shared // self._capacity), self._halves) + self._alone,
            documents_per_pack=_spread(self._sizes),
            left_out=int(np.count_nonzero(lengths)) - self._filled,
            left_out_tokens=int(lengths.sum(dtype=np.int64)) - self._tokens,
            alone=self._alone,
            cut=self._cut,
            mixed_attention=1 - self._own / self._every if self._every else 0.0,
            length_correlation=self._correlation.value,
        )


def _spread(sizes: npt.NDArray[np.int64]) -> dict[str, float]:
    """The spread of numbers of which ``sizes`` says how often each occurs, from 0."""
    packs = int(sizes.sum())
    if not packs:
        return {"min": 0, "median": 0, "mean": 0, "max": 0}
    below = np.cumsum(sizes)
    least, low, high, most = (
        int(np.searchsorted(below, rank, "right"))
        for rank in (0, (packs - 1) // 2, packs // 2, packs - 1)
    )
    total = int((sizes * np.arange(len(sizes))).sum())
    return {"min": least, "median": (low + high) / 2, "mean": total / packs, "max": most}


def _pairs(lengths: npt.NDArray[Any]) -> int:
    """Pairs of causal attention: a token attends to itself and to those before it."""
    wide = lengths.astype(np.int64)
    return int((wide * (wide + 1) // 2).sum())


class _Correlation:
    """The correlation between values and their places, some values at a time.

    Chan, Golub and LeVeque's way to join the moments of two parts (1979).
    """

    def __init__(self) -> None:
        self._count = 0
        self._mean = self._square = self._product = 0.0
        """Of the values: the mean, and the sums of the squares and of the products with the places,
        all around their means."""

    def add(self, values: npt.NDArray[np.float64]) -> None:
        """Adds the values that follow."""
        if not len(values):
            return
        before, count = self._count, len(values)
        mean = float(values.mean())
        around = values - mean
        places = np.arange(count) - (count - 1) / 2
        weight = before * count / (before + count)
        step = mean - self._mean
        self._square += float((around**2).sum()) + step**2 * weight
        # The means of the places of both parts are half of all places apart.
        self._product += float((places * around).sum()) + step * weight * (before + count) / 2
        self._mean += step * count / (before + count)
        self._count = before + count

    @property
    def value(self) -> float:
        """The correlation; 0 if either never changes."""
        places = self._count * (self._count**2 - 1) / 12
        scale = math.sqrt(places * self._square)
        return self._product / scale if scale else 0.0
