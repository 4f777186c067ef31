"""What each choice of ``history`` costs, from the first rows of every input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from turnmill._terminal import count

Prices = dict[str, Any]
"""``rows`` looked at, ``rewritten`` ones of them, and by choice samples, turns, tokens, trained."""

_TAKEN = "as-rendered"
"""What ``history = auto`` does with rows that lose none of their own text."""


def add_up(prices: Sequence[Prices | None]) -> Prices | None:
    """The prices of all inputs together; none where no input has any."""
    known = [price for price in prices if price is not None]
    if not known:
        return None
    names = [name for name in known[0]["choices"] if all(name in p["choices"] for p in known)]
    return {
        "rows": sum(price["rows"] for price in known),
        "rewritten": sum(price["rewritten"] for price in known),
        "choices": {
            name: {
                key: sum(price["choices"][name][key] for price in known)
                for key in known[0]["choices"][name]
            }
            for name in names
        },
    }


def in_words(prices: Prices) -> str:
    """The price list as a sentence for the end of a run."""
    choices = [
        f"{name}{' (taken)' if name == _TAKEN else ''} trains {count(price['trained'])} tokens "
        f"in {count(price['samples'])} samples of {count(price['tokens'])}"
        for name, price in prices["choices"].items()
    ]
    return (
        f"in {count(prices['rewritten'])} of the first {count(prices['rows'])} rows the template "
        "shows earlier turns otherwise than inference did; on all of these rows --history "
        + "; ".join(choices)
    )
