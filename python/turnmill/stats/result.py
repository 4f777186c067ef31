"""The numbers of an output, drawn as tables."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from turnmill import _markup
from turnmill._terminal import Terminal, columns_of, count, pad, share, table, terminal, visible
from turnmill.stats.histogram import Histogram, percentile_name
from turnmill.stats.roles import START
from turnmill.stats.tokens import ControlToken, RoleCount, TokenCounts

_BAR = 40
"""Columns of the longest bar."""
_TURNS_SHOWN = 12


@dataclass(frozen=True)
class SourceStats:
    """One input and what came of it."""

    source: str
    schema: str
    rows: int
    """Rows read: those written and those rejected."""
    rejected: int
    samples: int
    tokens: int
    trained: int
    turns: int
    """Trained and untrained turns of the samples."""
    lengths: dict[int, int]
    """Length of the samples by percentile."""


@dataclass(frozen=True)
class Stats:
    """What an output holds, in numbers; ``print(stats)`` draws them."""

    output: str
    totals: dict[str, Any]
    """The totals of the run record: rows, rejects by rule, samples, tokens, what was lost."""
    sources: list[SourceStats]
    lengths: Histogram
    """Samples by length, in tokens."""
    length_percentiles: dict[int, int]
    trained_share: Histogram
    """Samples by the share of their tokens that is trained, in steps of a twentieth."""
    untrained: int
    """Samples without a trained token."""
    turns: dict[int, int]
    """How many samples have each number of turns."""
    duplicate_rows: int
    """Written rows whose bytes stood before."""
    duplicate_conversations: int
    """Written rows whose conversation stood before, however it was written."""
    tokens: TokenCounts | None
    """Control tokens and tokens by role; ``None`` if the tokenizer is not there any more."""

    @property
    def control_tokens(self) -> list[ControlToken]:
        """Control tokens of the samples that were looked at, most frequent first."""
        return self.tokens.control if self.tokens else []

    @property
    def roles(self) -> list[RoleCount]:
        """The tokens of each role in the samples that were looked at."""
        return self.tokens.roles if self.tokens else []

    def to_dict(self) -> dict[str, Any]:
        """As ``turnmill stats --json`` prints it."""
        return {
            "output": self.output,
            "totals": self.totals,
            "sources": [
                {**asdict(source), "lengths": _keyed(source.lengths)} for source in self.sources
            ],
            "lengths": {
                "percentiles": _keyed(self.length_percentiles),
                "histogram": self.lengths.to_dict(),
            },
            "trained_share": self.trained_share.to_dict(),
            "untrained": self.untrained,
            "turns": _keyed(self.turns),
            "duplicates": {
                "rows": self.duplicate_rows,
                "conversations": self.duplicate_conversations,
            },
            "tokens": None if self.tokens is None else asdict(self.tokens),
        }

    def __str__(self) -> str:
        return self.draw(terminal(sys.stdout, colour=False))

    def _repr_html_(self) -> str:
        return _markup.drawn(str(self))

    def draw(self, console: Terminal) -> str:
        """The tables, for a terminal."""
        return "\n".join(_lines(self, console))


def _keyed(counts: dict[int, int]) -> dict[str, int]:
    return {str(key): value for key, value in counts.items()}


def _lines(stats: Stats, console: Terminal) -> Iterator[str]:
    say = console.say
    yield from table(_overview(stats, console))
    for title, lines in (
        (say("sources"), _sources(stats, console)),
        (say("length in tokens"), list(_bars(stats.lengths, console))),
        (say("trained share of a sample"), list(_bars(stats.trained_share, console, percent=True))),
        (say("turns of a sample"), _turns(stats, console)),
        (say("tokens by role"), _roles(stats, console)),
        (say("control tokens"), _control(stats, console)),
    ):
        if lines:
            yield ""
            yield console.style(title, "bold")
            yield from lines


def _overview(stats: Stats, console: Terminal) -> list[tuple[str, str]]:
    totals, say = stats.totals, console.say
    spread = "  ".join(
        f"{say(percentile_name(percent))} {count(length)}"
        for percent, length in stats.length_percentiles.items()
    )
    tokens = totals["tokens"]
    rows = {"rows": count(totals["rows"]), "rejected": count(totals["rows_rejected"])}
    lines = [
        (say("rows"), say("{rows}, {rejected} of them rejected", **rows)),
        (say("samples"), count(totals["samples"])),
        (
            say("tokens"),
            say(
                "{count} tokens, {share} trained",
                count=count(tokens),
                share=share(totals["trained_tokens"], tokens),
            ),
        ),
        (say("length"), spread),
        (
            say("duplicates"),
            say(
                "{rows} rows, {conversations} conversations",
                rows=count(stats.duplicate_rows),
                conversations=count(stats.duplicate_conversations),
            ),
        ),
    ]
    if totals["lost_turns"]:
        lost = {"turns": count(totals["lost_turns"]), "tokens": count(totals["lost_tokens"])}
        lines.append((say("over length"), say("{turns} turns, {tokens} tokens left out", **lost)))
    if stats.untrained:
        number = count(stats.untrained)
        without = say("{count} samples without a trained token", count=number)
        lines.append((say("untrained"), without))
    return lines


def _sources(stats: Stats, console: Terminal) -> list[str]:
    words = ("source", "schema", "rows", "rejected", "samples", "tokens", "trained", "median")
    cells = [
        (
            visible(source.source.rpartition("/")[2]),
            source.schema,
            count(source.rows),
            count(source.rejected),
            count(source.samples),
            count(source.tokens),
            share(source.trained, source.tokens),
            count(source.lengths.get(50, 0)),
        )
        for source in stats.sources
    ]
    return table([[console.say(word) for word in words], *cells], numbers=range(2, 8))


def _bars(histogram: Histogram, console: Terminal, *, percent: bool = False) -> Iterator[str]:
    """A line with a bar for each bin from the first to the last that is not empty."""
    filled = [i for i, number in enumerate(histogram.counts) if number]
    if not filled:
        return
    rows = []
    for i in range(filled[0], filled[-1] + 1):
        low, high = histogram.edges[i], histogram.edges[i + 1]
        first, last = (100 * low, 100 * high) if percent else (low, high - 1)
        name = console.say("{low} to {high}", low=f"{first:,.0f}", high=f"{last:,.0f}")
        rows.append((f"{name} %" if percent else name, histogram.counts[i]))
    if histogram.longer:
        rows.append((console.say("longer"), histogram.longer))
    yield from _barred(rows, console)


def _turns(stats: Stats, console: Terminal) -> list[str]:
    few = {turns: n for turns, n in stats.turns.items() if turns < _TURNS_SHOWN}
    more = sum(stats.turns.values()) - sum(few.values())
    rows = [(str(turns), n) for turns, n in few.items()]
    last = console.say("{count} or more", count=_TURNS_SHOWN)
    return _barred([*rows, *([(last, more)] if more else [])], console)


def _barred(rows: list[tuple[str, int]], console: Terminal) -> list[str]:
    most = max((number for _, number in rows), default=0)
    total = sum(number for _, number in rows)
    lines = table(
        [(f"  {name}", count(number), share(number, total)) for name, number in rows],
        numbers=(0, 1, 2),
    )
    width = max((columns_of(line) for line in lines), default=0)
    return [
        f"{pad(line, width)}  {console.style(_bar(number, most), 'green')}".rstrip()
        for line, (_, number) in zip(lines, rows, strict=True)
    ]


def _bar(number: int, most: int) -> str:
    """At least a thin line for what is not nothing."""
    eighths = round(8 * _BAR * number / most) if most else 0
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip() or ("▏" if number else "")


def _roles(stats: Stats, console: Terminal) -> list[str]:
    total = sum(role.tokens for role in stats.roles)
    cells = [
        (
            f"  {console.say('outside of messages') if role.role == START else role.role}",
            count(role.tokens),
            share(role.tokens, total),
            console.say("{share} trained", share=share(role.trained, role.tokens)),
        )
        for role in stats.roles
    ]
    return table(cells, numbers=(1, 2, 3)) + (_looked_at(stats, console) if cells else [])


def _looked_at(stats: Stats, console: Terminal) -> list[str]:
    seen = stats.tokens
    if seen is None or seen.whole:
        return []
    text = console.say(
        "from {seen} of {samples} samples, evenly spaced; --whole reads all",
        seen=count(seen.samples),
        samples=count(stats.totals["samples"]),
    )
    return [f"  {text}"]


def _control(stats: Stats, console: Terminal) -> list[str]:
    cells = [
        (
            f"  {visible(token.token)}",
            str(token.id),
            count(token.count),
            console.say("{share} trained", share=share(token.trained, token.count)),
            console.say("stops") if token.stops else "",
        )
        for token in stats.control_tokens
    ]
    return table(cells, numbers=(1, 2, 3)) + (_looked_at(stats, console) if cells else [])
