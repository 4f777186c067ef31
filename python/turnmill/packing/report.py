"""The packing report: how full the packs are, and what mixes in them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from turnmill.packing.index import PackIndex


@dataclass(frozen=True)
class Report:
    """The contents of a pack index, in numbers."""

    packs: int
    documents: int
    """Number of documents; one that was cut counts once."""
    tokens: int
    fill: float
    """Tokens as a share of the capacity of all packs."""
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


def report_of(index: PackIndex, lengths: npt.NDArray[np.int32], capacity: int) -> Report:
    """The report of an index over documents of these lengths."""
    tokens, sizes = index.tokens, np.diff(index.offsets)
    total, packs = int(tokens.sum()), len(index)
    there = np.bincount(index.documents, minlength=len(lengths))
    return Report(
        packs=packs,
        documents=int(np.count_nonzero(there)),
        tokens=total,
        fill=total / (packs * capacity) if packs else 0.0,
        fewest_packs=_fewest(index.lengths, capacity),
        documents_per_pack=_spread(sizes),
        left_out=int(np.count_nonzero(there[lengths > 0] == 0)),
        left_out_tokens=int(lengths[there == 0].sum(dtype=np.int64)),
        alone=int(np.count_nonzero(index.lengths > capacity)),
        cut=int(np.count_nonzero(there > 1)),
        mixed_attention=_mixed(tokens, index.lengths),
        length_correlation=_correlation(tokens, sizes),
    )


def _fewest(lengths: npt.NDArray[np.int32], capacity: int) -> int:
    shared = lengths[lengths <= capacity]
    needed = -(-int(shared.sum(dtype=np.int64)) // capacity)
    halves = int(np.count_nonzero(shared > capacity // 2))
    return max(needed, halves) + len(lengths) - len(shared)


def _spread(sizes: npt.NDArray[np.int64]) -> dict[str, float]:
    if not len(sizes):
        return {"min": 0, "median": 0, "mean": 0, "max": 0}
    return {
        "min": int(sizes.min()),
        "median": float(np.median(sizes)),
        "mean": float(sizes.mean()),
        "max": int(sizes.max()),
    }


def _mixed(packs: npt.NDArray[np.int64], documents: npt.NDArray[np.int32]) -> float:
    """A token attends to itself and to those before it: n (n + 1) / 2 pairs among n tokens."""
    every, own = _pairs(packs), _pairs(documents)
    return 1 - own / every if every else 0.0


def _pairs(lengths: npt.NDArray[Any]) -> float:
    wide = lengths.astype(np.float64)
    return float((wide * (wide + 1) / 2).sum())


def _correlation(tokens: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]) -> float:
    means = tokens / np.maximum(sizes, 1)
    places = np.arange(len(means)) - (len(means) - 1) / 2
    means = means - means.mean() if len(means) else means
    scale = float(np.sqrt((places**2).sum() * (means**2).sum()))
    return float((places * means).sum()) / scale if scale else 0.0
