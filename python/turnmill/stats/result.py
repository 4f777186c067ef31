"""The numbers of an output, drawn as tables."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from turnmill._terminal import Terminal, count, share, table, terminal, visible
from turnmill.stats.histogram import Histogram
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

    def draw(self, console: Terminal) -> str:
        """The tables, for a terminal."""
        return "\n".join(_lines(self, console))


def _keyed(counts: dict[int, int]) -> dict[str, int]:
    return {str(key): value for key, value in counts.items()}


def _lines(stats: Stats, console: Terminal) -> Iterator[str]:
    yield from table(_overview(stats))
    for title, lines in (
        ("sources", _sources(stats)),
        ("length in tokens", list(_bars(stats.lengths, console))),
        ("trained share of a sample", list(_bars(stats.trained_share, console, percent=True))),
        ("turns of a sample", _turns(stats, console)),
        ("tokens by role", _roles(stats)),
        ("control tokens", _control(stats)),
    ):
        if lines:
            yield ""
            yield console.style(title, "bold")
            yield from lines


def _overview(stats: Stats) -> list[tuple[str, str]]:
    totals = stats.totals
    spread = "  ".join(
        f"{ {0: 'min', 50: 'median', 100: 'max'}.get(percent, f'p{percent}') } {count(length)}"
        for percent, length in stats.length_percentiles.items()
    )
    tokens = totals["tokens"]
    lines = [
        ("rows", f"{count(totals['rows'])}, {count(totals['rows_rejected'])} of them rejected"),
        ("samples", count(totals["samples"])),
        ("tokens", f"{count(tokens)}, {share(totals['trained_tokens'], tokens)} trained"),
        ("length", spread),
        (
            "duplicates",
            f"{count(stats.duplicate_rows)} rows, {count(stats.duplicate_conversations)} "
            "conversations",
        ),
    ]
    if totals["lost_turns"]:
        lost = f"{count(totals['lost_turns'])} turns, {count(totals['lost_tokens'])} tokens"
        lines.append(("over length", f"{lost} left out"))
    if stats.untrained:
        lines.append(("untrained", f"{count(stats.untrained)} samples without a trained token"))
    return lines


def _sources(stats: Stats) -> list[str]:
    head = ("source", "schema", "rows", "rejected", "samples", "tokens", "trained", "median")
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
    return table([head, *cells], numbers=range(2, 8))


def _bars(histogram: Histogram, console: Terminal, *, percent: bool = False) -> Iterator[str]:
    """A line with a bar for each bin from the first to the last that is not empty."""
    filled = [i for i, number in enumerate(histogram.counts) if number]
    if not filled:
        return
    rows = []
    for i in range(filled[0], filled[-1] + 1):
        low, high = histogram.edges[i], histogram.edges[i + 1]
        name = (
            f"{100 * low:.0f} to {100 * high:.0f} %"
            if percent
            else f"{low:,.0f} to {high - 1:,.0f}"
        )
        rows.append((name, histogram.counts[i]))
    if histogram.longer:
        rows.append(("longer", histogram.longer))
    yield from _barred(rows, console)


def _turns(stats: Stats, console: Terminal) -> list[str]:
    few = {turns: n for turns, n in stats.turns.items() if turns < _TURNS_SHOWN}
    more = sum(stats.turns.values()) - sum(few.values())
    rows = [(str(turns), n) for turns, n in few.items()]
    return _barred([*rows, *([(f"{_TURNS_SHOWN} or more", more)] if more else [])], console)


def _barred(rows: list[tuple[str, int]], console: Terminal) -> list[str]:
    most = max((number for _, number in rows), default=0)
    total = sum(number for _, number in rows)
    lines = table(
        [(f"  {name}", count(number), share(number, total)) for name, number in rows],
        numbers=(0, 1, 2),
    )
    width = max((len(line) for line in lines), default=0)
    return [
        f"{line.ljust(width)}  {console.style(_bar(number, most), 'green')}".rstrip()
        for line, (_, number) in zip(lines, rows, strict=True)
    ]


def _bar(number: int, most: int) -> str:
    """At least a thin line for what is not nothing."""
    eighths = round(8 * _BAR * number / most) if most else 0
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip() or ("▏" if number else "")


def _roles(stats: Stats) -> list[str]:
    total = sum(role.tokens for role in stats.roles)
    cells = [
        (
            f"  {'outside of messages' if role.role == START else role.role}",
            count(role.tokens),
            share(role.tokens, total),
            f"{share(role.trained, role.tokens)} trained",
        )
        for role in stats.roles
    ]
    return table(cells, numbers=(1, 2, 3)) + (_looked_at(stats) if cells else [])


def _looked_at(stats: Stats) -> list[str]:
    seen = stats.tokens
    if seen is None or seen.whole:
        return []
    samples = f"{count(seen.samples)} of {count(stats.totals['samples'])} samples"
    return [f"  from {samples}, evenly spaced; --whole reads all"]


def _control(stats: Stats) -> list[str]:
    cells = [
        (
            f"  {visible(token.token)}",
            str(token.id),
            count(token.count),
            f"{share(token.trained, token.count)} trained",
            "stops" if token.stops else "",
        )
        for token in stats.control_tokens
    ]
    return table(cells, numbers=(1, 2, 3)) + (_looked_at(stats) if cells else [])
