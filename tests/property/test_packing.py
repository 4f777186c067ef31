"""Packings of random lengths, against what must hold and against a slow packer of another kind."""

from __future__ import annotations

import bisect
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnmill import pack_lengths

CAPACITY = 100
LENGTHS = st.lists(st.integers(0, CAPACITY), max_size=200)
STRATEGIES = ("best-fit", "global", "in-order", "none")


def first_fit_decreasing(lengths: list[int], capacity: int) -> list[list[int]]:
    """As textbooks have it: the longest first, each into the first bin that has room."""
    bins: list[list[int]] = []
    for length in sorted(lengths, reverse=True):
        for bin_ in bins:
            if sum(bin_) + length <= capacity:
                bin_.append(length)
                break
        else:
            bins.append([length])
    return bins


def best_fit_decreasing(lengths: list[int], capacity: int) -> int:
    """The longest first, each into the fullest bin that has room; how many bins that takes."""
    rooms: list[int] = []
    for length in sorted(lengths, reverse=True):
        place = bisect.bisect_left(rooms, length)
        room = rooms.pop(place) if place < len(rooms) else capacity
        bisect.insort(rooms, room - length)
    return len(rooms)


def contents(lengths: list[int], bins: np.ndarray, count: int) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in range(count)]
    for length, bin_ in zip(lengths, bins.tolist(), strict=True):
        found[bin_].append(length)
    return found


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(lengths=LENGTHS, seed=st.integers(0, 2**64 - 1), window=st.integers(1, 300))
def test_no_bin_overflows_or_is_empty(
    strategy: str, lengths: list[int], seed: int, window: int
) -> None:
    bins, count = pack_lengths(lengths, CAPACITY, strategy=strategy, seed=seed, window=window)
    assert len(bins) == len(lengths)
    found = contents(lengths, bins, count)
    assert all(found)
    assert all(sum(bin_) <= CAPACITY for bin_ in found)
    again = pack_lengths(lengths, CAPACITY, strategy=strategy, seed=seed, window=window)
    assert np.array_equal(bins, again[0])


@given(lengths=LENGTHS, seed=st.integers(0, 2**64 - 1))
def test_global_fills_bins_as_first_fit_decreasing_does(lengths: list[int], seed: int) -> None:
    bins, count = pack_lengths(lengths, CAPACITY, strategy="global", seed=seed)
    expected = first_fit_decreasing(lengths, CAPACITY)
    found = contents(lengths, bins, count)
    assert sorted(sorted(bin_) for bin_ in found) == sorted(sorted(bin_) for bin_ in expected)


@given(lengths=st.lists(st.integers(1, CAPACITY), max_size=200))
def test_global_takes_no_more_bins_than_the_bounds_allow(lengths: list[int]) -> None:
    _, count = pack_lengths(lengths, CAPACITY, strategy="global")
    least = max(-(-sum(lengths) // CAPACITY), sum(n > CAPACITY // 2 for n in lengths))
    # First-fit-decreasing takes at most 11/9 of the best and 6/9 of a bin (Dósa, 2007).
    assert least <= count
    assert count <= 11 / 9 * best_fit_decreasing(lengths, CAPACITY) + 6 / 9


@given(lengths=LENGTHS, seed=st.integers(0, 2**64 - 1))
def test_in_order_keeps_the_order(lengths: list[int], seed: int) -> None:
    bins, count = pack_lengths(lengths, CAPACITY, strategy="in-order", seed=seed)
    assert bins.tolist() == sorted(bins.tolist())
    found = contents(lengths, bins, count)
    for before, after in itertools.pairwise(found):
        assert sum(before) + after[0] > CAPACITY


@given(lengths=LENGTHS, window=st.integers(1, 50))
def test_windows_stay_apart(lengths: list[int], window: int) -> None:
    bins, _ = pack_lengths(lengths, CAPACITY, window=window)
    begin = 0
    for first in range(0, len(lengths), window):
        part = bins[first : first + window]
        assert part.min() == begin
        begin = part.max() + 1


@given(lengths=LENGTHS, seeds=st.tuples(st.integers(0, 9), st.integers(10, 99)))
def test_the_seed_changes_the_order_of_bins_and_nothing_else(
    lengths: list[int], seeds: tuple[int, int]
) -> None:
    one, other = (pack_lengths(lengths, CAPACITY, seed=seed)[0].tolist() for seed in seeds)
    assert len(set(zip(one, other, strict=True))) == len(set(one)) == len(set(other))
