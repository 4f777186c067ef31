"""What an answer did: whether it stopped, where, and what it did instead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from turnmill.stop_test.generation import Generation
from turnmill.stop_test.markers import Markers
from turnmill.stop_test.prompts import Prompt

LATE, LATE_TOKENS = 1.5, 8
"""An answer stops late beyond this multiple of its reference and these tokens."""
EARLY = 0.5
"""An answer stops early below this part of its reference."""
BEGINNING = 8
"""Tokens of the beginning of an answer that are looked for again."""
TAIL, PERIOD = 64, 32
"""Tokens at the end of an answer that are looked at, and the longest period looked for."""
ROUNDS = 3
"""How often something has to come in a row to be a repetition."""

Decode = Callable[[Sequence[int]], str]


@dataclass(frozen=True)
class Outcome:
    """What one answer did. Each field is a measure; `MEASURES` says what it means."""

    stop: bool
    over_run: bool
    premature: bool
    ran_past: bool
    foreign_stop: bool
    role_leak: bool
    restart: bool
    repetition: bool
    length: int
    """Tokens up to the end, the stop token among them."""
    duplicates: float
    """The share of repeated 4-grams."""

    @property
    def failures(self) -> list[str]:
        """Why it is not a good answer."""
        found = [name for name in FAULTS if getattr(self, name)]
        return found if self.stop else ["no_stop", *found]


MEASURES = {
    "stop": "stops with a token of the stop set, before another turn begins",
    "over_run": "stops, but late: beyond 1.5 times the reference and 8 tokens",
    "premature": "stops early: below half of the reference",
    "ran_past": "gives a stop token, and the generation goes on",
    "foreign_stop": "gives a token that ends turns elsewhere",
    "role_leak": "begins the turn of another role instead of stopping",
    "restart": "begins again: its first 8 tokens come twice",
    "repetition": "ends in something that comes 3 times in a row",
}
"""What is counted, in the order of reports."""

FAULTS = ("ran_past", "foreign_stop", "role_leak", "restart", "repetition")
"""Measures of which one alone makes a failure."""


def outcome(
    prompt: Prompt,
    answer: Generation,
    stops: frozenset[int],
    markers: Markers,
    decode: Decode | None,
) -> Outcome:
    """Measures one answer.

    Args:
        prompt: What was asked, with the reference.
        answer: What came.
        stops: The stop set.
        markers: Texts that end turns elsewhere or begin those of a role.
        decode: Ids to text; without it nothing is looked for in the text.
    """
    ids = list(answer.ids)
    found = next((place for place, id_ in enumerate(ids) if id_ in stops), None)
    body = ids if found is None else ids[:found]
    text, reference = (decode(body), decode(prompt.reference)) if decode else ("", "")
    leaks = markers.begins(text, reference)
    ended = found is not None or bool(answer.ended and not answer.exact)
    stopped = ended and not leaks
    # A server that ended and whose ids end in none of the stop set stopped on another token.
    elsewhere = bool(answer.ended and answer.exact and found is None)
    length = len(body) + ended
    return Outcome(
        stop=stopped,
        over_run=stopped and length > LATE * len(prompt.reference) + LATE_TOKENS,
        premature=stopped and length < EARLY * len(prompt.reference),
        ran_past=found is not None and _goes_on(ids[found + 1 :], answer),
        foreign_stop=elsewhere or markers.ends(text, reference),
        role_leak=leaks,
        restart=restarts(body),
        repetition=repeats(body),
        length=length,
        duplicates=duplicate_share(body),
    )


def _goes_on(after: list[int], answer: Generation) -> bool:
    """Whether something follows a stop token.

    Where nobody says whether the answer ended, one token again and again is padding.
    """
    return len(set(after)) > 1 if answer.ended is None else bool(after)


def restarts(ids: Sequence[int]) -> bool:
    """Whether the first tokens come again later.

    >>> restarts([1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8]), restarts([1, 2, 3])
    (True, False)
    """
    first = tuple(ids[:BEGINNING])
    later = range(len(first), len(ids) - len(first) + 1)
    return len(first) == BEGINNING and any(
        tuple(ids[place : place + len(first)]) == first for place in later
    )


def repeats(ids: Sequence[int]) -> bool:
    """Whether the end is something that came three times or more, over 16 tokens or more.

    >>> repeats([9, 8, *[1, 2, 3] * 6]), repeats(range(40))
    (True, False)
    """
    tail = list(ids[-TAIL:])
    return any(
        _has_period(tail[-size:], period)
        for period in range(1, PERIOD + 1)
        if (size := max(ROUNDS * period, 2 * BEGINNING)) <= len(tail)
    )


def _has_period(ids: list[int], period: int) -> bool:
    return ids[period:] == ids[:-period]


def duplicate_share(ids: Sequence[int]) -> float:
    """The share of 4-grams that came before.

    >>> duplicate_share([1, 1, 1, 1, 1, 1]), duplicate_share([1, 2])
    (0.6666666666666666, 0.0)
    """
    grams = [tuple(ids[place : place + 4]) for place in range(len(ids) - 3)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0
