"""Documents become packs, some at a time: an index of all takes more memory than the lengths do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from turnmill._splitmix64 import STEP
from turnmill.packing.index import PackIndex, joined
from turnmill.packing.lengths import group_samples, pack_lengths

PART_DOCUMENTS = 1 << 20
"""Documents that are packed at a time, about; the packs do not depend on it."""
_MOST_PASSES = 32
"""Parts into which the packs of ``global`` are divided: each goes through the bins of all."""

Lengths = npt.NDArray[np.uint16 | np.int32]


def packed(lengths: Lengths, how: dict[str, Any], multiple: int = 1) -> Iterator[PackIndex]:
    """Packs whole documents.

    Args:
        lengths: Tokens of each document.
        how: The result of :func:`turnmill.packing.lengths.options`.
        multiple: Each document has room to be padded to a multiple of so many tokens.
    """
    if how["strategy"] == "in-order":
        return _in_order(lengths, how, multiple)
    if how["strategy"] == "global":
        return _grouped(lengths, 0, how, multiple)
    return _by_windows(lengths, how, multiple)


def _by_windows(lengths: Lengths, how: dict[str, Any], multiple: int) -> Iterator[PackIndex]:
    """Some windows of best-fit at a time."""
    windows = max(1, PART_DOCUMENTS // how["window"])
    size = windows * how["window"]
    for number, first in enumerate(range(0, len(lengths), size)):
        seed = how["seed"]
        if seed is not None:
            # Best-fit draws one number from SplitMix64 for each window.
            seed = (seed + number * windows * STEP) % (1 << 64)
        part = lengths[first : first + size]
        yield from _grouped(part, first, {**how, "seed": seed}, multiple)


def _in_order(lengths: Lengths, how: dict[str, Any], multiple: int) -> Iterator[PackIndex]:
    """Some documents at a time. The last pack of a part begins the next one: it may not be full."""
    first, size = 0, PART_DOCUMENTS
    while first < len(lengths):
        part = lengths[first : first + size]
        (index,) = _grouped(part, first, how, multiple)
        if first + len(part) == len(lengths):
            yield index
            return
        last = len(index) - 1
        begin = int(index.documents[index.offsets[last]]) if last > 0 else first
        size = PART_DOCUMENTS if begin > first else 2 * size
        if begin > first:
            yield index.segments(0, last)
        first = begin


def _grouped(
    lengths: Lengths, first: int, how: dict[str, Any], multiple: int
) -> Iterator[PackIndex]:
    """The packs of documents that are packed at once; ``first`` is the number of the first."""
    rooms = lengths
    if multiple > 1:
        rooms = -(-lengths.astype(np.int32) // multiple) * multiple
    bins, count = pack_lengths(rooms, **how)
    del rooms
    parts = min(_MOST_PASSES, len(lengths) // PART_DOCUMENTS) if how["strategy"] == "global" else 1
    size = max(1, -(-count // max(1, parts)))
    for start in range(0, count, size) or [0]:
        offsets, samples = group_samples(bins, start, min(start + size, count))
        documents = samples if first == 0 else samples + np.int32(first)
        there = lengths[samples].astype(np.int32)
        yield PackIndex(offsets, documents, np.zeros(len(samples), np.int32), there)


def split(lengths: Lengths, capacity: int) -> Iterator[PackIndex]:
    """Cuts the documents, one after another, into packs of ``capacity`` tokens.

    The last pack holds what is left.
    """
    begun, held = joined([]), 0
    for first in range(0, len(lengths), PART_DOCUMENTS):
        part = _cut(lengths[first : first + PART_DOCUMENTS], first, capacity, held)
        whole = joined([begun, part])
        total = held + int(part.lengths.sum(dtype=np.int64))
        ends = np.cumsum(whole.lengths, dtype=np.int64)
        full = total // capacity
        edges = np.arange(full + 1, dtype=np.int64) * capacity
        offsets = np.searchsorted(ends - whole.lengths, edges).astype(np.int64)
        flat = (whole.documents, whole.starts, whole.lengths)
        yield PackIndex(offsets, *(values[: offsets[-1]] for values in flat))
        rest = [values[offsets[-1] :] for values in flat]
        begun, held = PackIndex(np.array([0, len(rest[0])]), *rest), total - full * capacity
    if held:
        yield begun


def _cut(lengths: Lengths, first: int, capacity: int, held: int) -> PackIndex:
    """The segments of documents, the first of which begins ``held`` tokens into a pack."""
    ends = np.cumsum(lengths, dtype=np.int64)
    total = int(ends[-1])
    # A segment starts where a document or a pack does.
    cuts = np.arange(-held % capacity, total, capacity, dtype=np.int64)
    begins = np.union1d(cuts, (ends - lengths)[lengths > 0])
    documents = np.searchsorted(ends, begins, "right").astype(np.int32)
    starts = begins - (ends - lengths)[documents]
    return PackIndex(
        np.array([0, len(begins)]),
        documents + np.int32(first),
        starts.astype(np.int32),
        np.diff(begins, append=total).astype(np.int32),
    )
