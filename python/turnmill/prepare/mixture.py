"""How often each row of the inputs is written: their weights and caps.

All counts are exact, and which rows are drawn depends on their conversations and the seed alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from turnmill._splitmix64 import Numbers, mix, streams
from turnmill.errors import DataError, RecipeError
from turnmill.recipe import EACH_ONCE, Quota

_Places = npt.NDArray[np.int64]
_NEAR_ONE = Fraction(1, 1_000_000)
"""Shares that were written as decimals, such as three thirds, may miss 1 by this much."""


@dataclass(frozen=True)
class Item:
    """A given input, perhaps of many files, and its rows among those of all inputs."""

    name: str
    quota: Quota
    rows: slice


def check_shares(quotas: Sequence[Quota]) -> None:
    """Refuses shares that no data can give.

    Raises:
        RecipeError: They add up to too much, or to less than the whole set.
    """
    shares = [_exact(quota.share) for quota in quotas if quota.share is not None]
    total, rest = sum(shares, Fraction(0)), len(quotas) - len(shares)
    if not shares or (total < 1 if rest else abs(total - 1) <= _NEAR_ONE):
        return
    said = f"the shares of the inputs add up to {float(total):.6g}"
    if rest:
        what = f"{said}, which leaves nothing for the {rest} without a share"
        hint = "give smaller ones: `weight` is a share of all rows that are written"
    else:
        what, hint = f"{said}, not to 1", "inputs that all have a share make the whole set"
    raise RecipeError(what, code="bad-shares", hint=hint)


def apportion(available: Sequence[int], quotas: Sequence[Quota]) -> list[int]:
    """How many rows each input gives to the set, repeated ones included.

    Inputs with a number of epochs, and those without a weight, decide how large the set is. If all
    have a share, it is as large as can be without a row that is written twice. Each share is met
    within one row.

    >>> apportion([100, 500], [Quota(epochs=2), Quota(share=0.5)])
    [200, 200]
    >>> apportion([100, 500], [Quota(share=0.25), Quota(share=0.75)])
    [100, 300]

    Args:
        available: Rows that each has.
        quotas: What each says of itself.
    """
    shares = [None if quota.share is None else _exact(quota.share) for quota in quotas]
    total = sum((share for share in shares if share is not None), Fraction(0))
    fixed = [
        0 if share is not None else _rounded(_exact(quota.epochs or 1) * count)
        for share, quota, count in zip(shares, quotas, available, strict=True)
    ]
    if total == 0:
        return fixed
    if all(share is not None for share in shares):
        shares = [None if share is None else share / total for share in shares]
        size = min(int(n / s) for n, s in zip(available, shares, strict=True) if s is not None)
    else:
        size = _rounded(sum(fixed) / (1 - total))
    return [
        given + asked for given, asked in zip(fixed, _divide(size, sum(fixed), shares), strict=True)
    ]


def _divide(size: int, fixed: int, shares: Sequence[Fraction | None]) -> list[int]:
    """Whole numbers near the shares of ``size``, which with ``fixed`` add up to it."""
    exact = [Fraction(0) if share is None else share * size for share in shares]
    whole = [math.floor(number) for number in exact]
    left = size - fixed - sum(whole)
    with_share = [number for number, share in enumerate(shares) if share is not None]
    by_remainder = sorted(with_share, key=lambda number: whole[number] - exact[number])
    for number in by_remainder[:left]:
        whole[number] += 1
    return whole


def _exact(number: float) -> Fraction:
    """The number as it was meant: 0.1 is a tenth, and 1 / 3 a third."""
    return Fraction(repr(number)).limit_denominator(10**9)


def _rounded(number: Fraction) -> int:
    return math.floor(number + Fraction(1, 2))


def row_copies(
    items: Sequence[Item],
    hashes: Numbers,
    usable: npt.NDArray[np.bool_],
    apart: npt.NDArray[np.bool_],
    seed: int,
) -> npt.NDArray[np.int32]:
    """How often each row is written.

    Args:
        items: The given inputs.
        hashes: Lower half of the hash of each row's conversation.
        usable: Which rows are not left out for another reason.
        apart: Which rows are set apart: weights do not concern them.
        seed: The recipe's.

    Raises:
        DataError: An input has no row for its share, or no row at all is left.
    """
    copies = usable.astype(np.int32)
    if all(item.quota == EACH_ONCE for item in items):
        return copies
    stream = np.uint64(streams(seed, 1)[0])
    for item in items:
        _apply_cap(item, copies, hashes, stream)
    trained = [np.flatnonzero((copies[i.rows] > 0) & ~apart[i.rows]) + i.rows.start for i in items]
    for item, places in zip(items, trained, strict=True):
        if item.quota.share is not None and not len(places):
            raise _nothing_left("the input has no row for its share of the set", item.name)
    counts = apportion([len(places) for places in trained], [item.quota for item in items])
    if not sum(counts):
        raise _nothing_left("the weights of the inputs leave no row to train on")
    for places, count in zip(trained, counts, strict=True):
        _draw(places, count, copies, hashes, stream)
    return copies


def _apply_cap(
    item: Item, copies: npt.NDArray[np.int32], hashes: Numbers, stream: np.uint64
) -> None:
    places = np.flatnonzero(copies[item.rows]) + item.rows.start
    if item.quota.cap is not None and item.quota.cap < len(places):
        copies[item.rows] = 0
        copies[_first_drawn(places, item.quota.cap, hashes, stream)] = 1


def _draw(
    places: _Places, count: int, copies: npt.NDArray[np.int32], hashes: Numbers, stream: np.uint64
) -> None:
    """Writes rows so often that they are ``count`` together; none twice as often as another."""
    if count == len(places):
        return
    each, more = divmod(count, len(places))
    copies[places] = each
    copies[_first_drawn(places, more, hashes, stream)] += 1


def _first_drawn(places: _Places, count: int, hashes: Numbers, stream: np.uint64) -> _Places:
    """Some of the rows: those that come first in a random order, which the conversations decide."""
    order = np.argsort(mix(hashes[places] ^ stream), kind="stable")
    return places[order[:count]]


def _nothing_left(message: str, name: str | None = None) -> DataError:
    hint = "add rows, or leave the `weight` out"
    return DataError(message, code="no-rows", path=name, hint=hint)
