"""A finished run: what was written, what was not, and what to do next."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from turnmill._terminal import (
    Terminal,
    count,
    duration,
    share,
    short_count,
    table,
    terminal,
    visible,
    wrap,
)
from turnmill.output.formats import FORMATS
from turnmill.output.trainers import NextStep, next_steps
from turnmill.prepare.commit import Totals
from turnmill.prepare.history_cost import HistoryCost, in_words
from turnmill.storage.remote import AnyPath


@dataclass(frozen=True)
class Run:
    """A finished run: what was written, what was not, and what to do next."""

    output: AnyPath
    """The output directory."""
    totals: Totals
    facts: dict[str, Any]
    """Tokenizer, template and stop set."""
    inputs: list[dict[str, Any]]
    """The inputs, each with its name, format and schema."""
    format: str
    """The format of the data files: a name of `turnmill.output.formats.FORMATS`."""
    columns: list[str]
    """The columns of the data files."""
    seconds: float
    """Time of this run; a resumed run counts only its own share."""
    bytes_read: int
    """Bytes of text or Arrow data that this run read."""
    shards: int
    shards_reused: int
    """Shards that an earlier run had finished."""
    history: HistoryCost | None = None
    """What each choice of ``history`` costs on the first rows, if the choices differ."""

    @property
    def rows(self) -> int:
        """Number of input rows: rows written plus rows rejected."""
        return self.totals.tally.rows

    @property
    def rejected(self) -> dict[str, int]:
        """Rejected rows by rule, most frequent first."""
        return self.totals.rejected

    @property
    def samples(self) -> int:
        """Training samples written."""
        return self.totals.tally.samples

    @property
    def next_steps(self) -> list[NextStep]:
        """Settings for trainers."""
        longest = self.totals.lengths.get(100, 0)
        return next_steps(str(self.output), FORMATS[self.format], longest, self.columns)

    def __str__(self) -> str:
        return "\n".join(self.summary(terminal(sys.stdout, colour=False)))

    def summary(self, console: Terminal) -> list[str]:
        """The closing lines of ``turnmill prepare``, which ``print(run)`` prints."""
        return [
            *_rows(self, console),
            "",
            *_samples(self, console),
            *_rules(self, console),
            *_notes(self, console),
            "",
            *_next(self, console),
        ]

    def to_dict(self) -> dict[str, Any]:
        """The run as JSON-able values, as ``turnmill prepare --json`` prints it."""
        return {
            "output": str(self.output),
            "inputs": self.inputs,
            **self.totals.to_dict(),
            "stop": self.facts["stop"],
            "notes": self.facts.get("notes", []),
            "history": self.history,
            "seconds": round(self.seconds, 3),
            "bytes_read": self.bytes_read,
            "shards": self.shards,
            "shards_reused": self.shards_reused,
        }


def _rows(run: Run, console: Terminal) -> list[str]:
    rejected = sum(run.rejected.values())
    cells = [
        ("rows in", count(run.rows), ""),
        ("  written", count(run.rows - rejected), share(run.rows - rejected, run.rows)),
        *(
            (f"  rejected: {rule}", count(number), share(number, run.rows))
            for rule, number in run.rejected.items()
        ),
    ]
    lines = table(cells, numbers=(1, 2))
    painted = [console.style(lines[0], "bold"), console.style(lines[1], "green")]
    return painted + [console.style(line, "yellow") for line in lines[2:]]


def _samples(run: Run, console: Terminal) -> list[str]:
    tally, lengths = run.totals.tally, run.totals.lengths
    spread = "  ".join(
        f"{_percentile_name(percent)} {count(length)}" for percent, length in lengths.items()
    )
    reused = f", {run.shards_reused} of them kept from before" if run.shards_reused else ""
    speed = run.bytes_read / 1e6 / run.seconds if run.seconds else 0.0
    cells = [
        *_schemas(run.inputs),
        ("samples", f"{count(tally.samples)} in {count(run.shards)} {_shards(run)}{reused}"),
        (
            "tokens",
            f"{count(tally.tokens)}, {share(tally.trained, tally.tokens)} trained "
            f"({count(tally.trained)})",
        ),
        ("length", spread),
        ("ends in", _terminator(run.facts)),
        (
            "time",
            f"{duration(run.seconds)}, {speed:.1f} MB/s, "
            f"{short_count(_per_second(tally.tokens, run))} tokens/s",
        ),
        ("output", console.style(visible(str(run.output)), "cyan")),
    ]
    return table(cells)


def _schemas(inputs: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Each schema with its one file, or the number of its files."""
    names: dict[str, list[str]] = {}
    for read in inputs:
        names.setdefault(read["schema"], []).append(visible(read["name"].rpartition("/")[2]))
    lines = [
        f"{'no rows' if schema == 'auto' else schema}: "
        f"{found[0] if len(found) == 1 else f'{len(found)} inputs'}"
        for schema, found in names.items()
    ]
    return [("" if i else "read as", line) for i, line in enumerate(lines)]


def _terminator(facts: dict[str, Any]) -> str:
    stops = [f"{stop['token']} ({stop['id']})" for stop in facts["stop"]]
    terminator = facts.get("terminator") or facts["stop"][0]
    ends = f"{terminator['token']} ({terminator['id']})"
    return ends if stops == [ends] else f"{ends}; serving stops on {', '.join(stops)}"


def _per_second(number: int, run: Run) -> float:
    return number / run.seconds if run.seconds and not run.shards_reused else 0.0


def _shards(run: Run) -> str:
    return "shard" if run.shards == 1 else "shards"


def _percentile_name(percent: int) -> str:
    return {0: "min", 50: "median", 100: "max"}.get(percent, f"p{percent}")


def _rules(run: Run, console: Terminal) -> list[str]:
    counted = {rule: n for rule, n in run.totals.rules.items() if rule not in run.rejected}
    if not counted:
        return []
    lines = table([(f"  {rule}", count(number)) for rule, number in counted.items()], numbers=(1,))
    return ["", console.style("counted, and written", "bold"), *lines]


def _notes(run: Run, console: Terminal) -> list[str]:
    history = [] if run.history is None else [in_words(run.history)]
    return [
        line
        for note in [*run.facts.get("notes", []), *history]
        for line in wrap(
            f"{console.style('note', 'bold', 'yellow')}: {note}", console.width, indent="  "
        )
    ]


def _next(run: Run, console: Terminal) -> list[str]:
    lines = []
    for step in run.next_steps:
        lines.append(f"{console.style('next', 'bold', 'green')}: {step.trainer}: {step.reason}")
        lines += [f"    {visible(line)}" for line in step.lines]
    return lines
