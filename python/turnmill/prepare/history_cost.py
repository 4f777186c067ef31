"""What each choice of ``history`` costs, from the first rows of every input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from turnmill._terminal import Terminal, count

HistoryCost = dict[str, Any]
"""``rows`` looked at, ``rewritten`` ones of them, and by choice samples, turns, tokens, trained."""

_TAKEN = "as-rendered"
"""What ``history = auto`` does with rows that lose none of their own text."""


def add_up(costs: Sequence[HistoryCost | None]) -> HistoryCost | None:
    """The costs of all inputs together; ``None`` if no input has any."""
    known = [cost for cost in costs if cost is not None]
    if not known:
        return None
    names = [name for name in known[0]["choices"] if all(name in c["choices"] for c in known)]
    return {
        "rows": sum(cost["rows"] for cost in known),
        "rewritten": sum(cost["rewritten"] for cost in known),
        "choices": {
            name: {
                key: sum(cost["choices"][name][key] for cost in known)
                for key in known[0]["choices"][name]
            }
            for name in names
        },
    }


def in_words(cost: HistoryCost, console: Terminal) -> str:
    """The costs as a sentence for the end of a run."""
    choices = [
        console.say(
            "{choice} trains {trained} tokens in {samples} samples of {tokens}",
            choice=f"{name}{console.say(' (taken)') if name == _TAKEN else ''}",
            **{key: count(choice[key]) for key in ("trained", "samples", "tokens")},
        )
        for name, choice in cost["choices"].items()
    ]
    if cost["rows"] == 1:
        return console.say(
            "the template shows earlier turns differently from inference; on the first row "
            "--history {choices}",
            choices=console.say("; ").join(choices),
        )
    return console.say(
        "in {rewritten} of the first {rows} rows the template shows earlier turns differently "
        "from inference; on all of these rows --history {choices}",
        rewritten=count(cost["rewritten"]),
        rows=count(cost["rows"]),
        choices=console.say("; ").join(choices),
    )
