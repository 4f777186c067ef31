"""Packs made a part at a time are those of all documents at once, and so is their report."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnmill import pack_lengths
from turnmill.packing import index, parts
from turnmill.packing.index import PackIndex, joined
from turnmill.packing.lengths import options
from turnmill.packing.report import Count

CAPACITY = 100
LENGTHS = st.lists(st.integers(0, CAPACITY + 20), max_size=120)
SEEDS = st.one_of(st.none(), st.integers(0, 2**64 - 1))

Strategy = pytest.mark.parametrize("strategy", ["best-fit", "global", "in-order", "none", "split"])


def packs(lengths: npt.NDArray[Any], how: dict[str, Any], multiple: int) -> list[PackIndex]:
    if how["strategy"] == "split":
        return [*parts.split(lengths, CAPACITY)]
    return [*parts.packed(lengths, how, multiple)]


@Strategy
@pytest.mark.parametrize("over_length", ["alone", "reject"])
@given(
    values=LENGTHS,
    seed=SEEDS,
    window=st.integers(1, 150),
    size=st.integers(1, 50),
    multiple=st.sampled_from([1, 8]),
    width=st.sampled_from([np.uint16, np.int32]),
)
def test_the_size_of_a_part_changes_nothing(
    strategy: str,
    over_length: str,
    values: list[int],
    seed: int | None,
    window: int,
    size: int,
    multiple: int,
    width: type,
) -> None:
    lengths: npt.NDArray[Any] = np.array(values, width)
    how = {**options(CAPACITY, "none", window, seed, over_length), "strategy": strategy}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "PART_DOCUMENTS", size)
        found = packs(lengths, how, multiple)
        whole = joined(found)
        patch.setattr(index, "_GROUP_PACKS", size)
        for group in [*index._groups(found)][:-1]:
            assert len(group) == size
        assert_same(joined([*index._groups(found)]), whole)
    assert_same(whole, joined(packs(lengths, how, multiple)))
    if strategy != "split":
        assert_same(whole, by_bins(lengths, how, multiple))
    count = Count(CAPACITY)
    assert sum(len(part) for part in count.watch(found)) == len(whole)
    assert_right(count, whole, lengths)


def assert_same(one: PackIndex, other: PackIndex) -> None:
    for name in ("offsets", "documents", "starts", "lengths"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist(), name


def by_bins(lengths: npt.NDArray[Any], how: dict[str, Any], multiple: int) -> PackIndex:
    """What the public function says of all lengths at once."""
    rooms = [-(-length // multiple) * multiple for length in lengths.tolist()]
    bins, count = pack_lengths(rooms, **how)
    members: list[list[int]] = [[] for _ in range(count)]
    for document, bin_ in enumerate(bins.tolist()):
        if bin_ >= 0:
            members[bin_].append(document)
    flat = np.array([document for bin_ in members for document in bin_], np.int32)
    offsets = np.cumsum([0, *map(len, members)])
    return PackIndex(offsets, flat, np.zeros(len(flat), np.int32), lengths[flat].astype(np.int32))


def assert_right(count: Count, whole: PackIndex, lengths: npt.NDArray[Any]) -> None:
    """The report, as numpy has it of all packs at once."""
    report = count.report(lengths)
    tokens, sizes = whole.tokens, np.diff(whole.offsets)
    there = np.bincount(whole.documents, minlength=len(lengths))
    assert report.packs == len(whole)
    assert report.tokens == int(tokens.sum())
    assert report.documents == int((there > 0).sum())
    assert report.cut == int((there > 1).sum())
    assert report.left_out == int((there[lengths > 0] == 0).sum())
    assert report.left_out_tokens == int(lengths[there == 0].sum())
    if not len(whole):
        return
    spread = report.documents_per_pack
    expected = [sizes.min(), np.median(sizes), sizes.mean(), sizes.max()]
    assert [*spread.values()] == pytest.approx(expected)
    means = tokens / np.maximum(sizes, 1)
    if len(set(means.tolist())) > 1:
        expected = np.corrcoef(np.arange(len(means)), means)[0, 1]
        assert math.isclose(report.length_correlation, expected, abs_tol=1e-9)
