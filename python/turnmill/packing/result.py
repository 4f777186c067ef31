"""A pack in an output, its closing table, and what trainers need."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from turnmill._terminal import Terminal, count, share, table, terminal, visible
from turnmill.packing.lengths import WINDOW

if TYPE_CHECKING:
    from turnmill.output.trainer_step import NextStep
    from turnmill.packing.report import Report
    from turnmill.storage.remote import AnyPath


_DEFAULTS = {
    "strategy": "best-fit",
    "window": WINDOW,
    "seed": 0,
    "over_length": "error",
    "multiple_of": 1,
}


@dataclass(frozen=True)
class Pack:
    """A pack index in a directory of the output, and the rows made from it, if any."""

    path: AnyPath
    """The directory."""
    record: dict[str, Any]
    """Its ``pack.json``: what it was made from, the report, the hashes of its files."""

    @property
    def report(self) -> Report:
        """How full the packs are, and what mixes in them."""
        from turnmill.packing.report import Report

        return Report(**self.record["report"])

    @property
    def length(self) -> int:
        """Capacity of a pack, in tokens."""
        return int(self.record["made_of"]["length"])

    @property
    def rows(self) -> dict[str, Any] | None:
        """The packed rows that were written: files, columns, trained tokens."""
        rows: dict[str, Any] | None = self.record["rows"]
        return rows

    @property
    def next_steps(self) -> list[NextStep]:
        """What each trainer needs so that attention does not mix documents."""
        from turnmill.output.formats import FORMATS
        from turnmill.packing.trainers import next_steps

        output = str(self.path).removesuffix(f"/{self.path.name}")
        return next_steps(
            output,
            str(self.path),
            self.length,
            unwritten=None if self.rows else self._writing(output),
            format_=FORMATS[self.record["samples"]["format"]],
            columns=self.record["samples"]["columns"],
            apart=self.record["samples"]["apart"],
        )

    def _writing(self, output: str) -> str:
        """The command that also writes the rows."""
        made = self.record["made_of"]
        others = [
            f"--{key.replace('_', '-')} {made[key]}"
            for key, default in _DEFAULTS.items()
            if made.get(key, default) != default
        ]
        return " ".join(["turnmill pack", output, f"--length {self.length}", *others, "--write"])

    def __str__(self) -> str:
        return "\n".join(self.summary(terminal(sys.stdout, colour=False)))

    def summary(self, console: Terminal) -> list[str]:
        """The closing lines of ``turnmill pack``, which ``print(pack)`` prints."""
        report = [*_contents(self), *_mixing(self), *_files(self, console)]
        return [*table(report), "", *_next(self, console)]

    def to_dict(self) -> dict[str, Any]:
        """As ``turnmill pack --json`` prints it."""
        return {"path": str(self.path), **self.record}


def _contents(pack: Pack) -> list[tuple[str, str]]:
    report = pack.report
    per_pack = report.documents_per_pack
    spread = "  ".join(f"{name} {per_pack[name]:,.4g}" for name in ("min", "median", "mean", "max"))
    lines = [
        (
            "packs",
            f"{count(report.packs)} of {count(pack.length)} tokens, {_fill(report.fill)} full",
        ),
        ("at best", f"{count(report.fewest_packs)} packs, by the lengths"),
        ("documents", f"{count(report.documents)}, {count(report.tokens)} tokens"),
        ("in a pack", f"{spread} documents"),
    ]
    if report.cut:
        lines.append(("cut", f"{count(report.cut)} documents stand in more than one pack"))
    if report.alone:
        lines.append(("alone", f"{count(report.alone)} documents longer than a pack"))
    if report.left_out:
        lost = f"{count(report.left_out)} documents longer than a pack"
        lines.append(("left out", f"{lost}, {count(report.left_out_tokens)} tokens"))
    return lines


def _fill(fill: float) -> str:
    """A fill rate, with enough digits to tell 99.98 % from 99 %."""
    return f"{100 * fill:.2f} %"


def _mixing(pack: Pack) -> list[tuple[str, str]]:
    report = pack.report
    mixed = f"{share(report.mixed_attention, 1)} of attention would join different documents"
    order = f"{report.length_correlation:+.2f} between place and length of documents"
    return [("mixing", f"{mixed}, without boundaries"), ("order", order)]


def _files(pack: Pack, console: Terminal) -> list[tuple[str, str]]:
    lines = []
    if pack.rows is not None:
        rows = pack.rows
        trained = f"{count(rows['trained_tokens'])} trained tokens"
        masked = rows["masked_first_labels"]
        note = f"; {count(masked)} first labels of documents masked" if masked else ""
        lines.append(("rows", f"{', '.join(rows['columns'])}; {trained}{note}"))
    return [*lines, ("output", console.style(visible(str(pack.path)), "cyan"))]


def _next(pack: Pack, console: Terminal) -> list[str]:
    lines = []
    for step in pack.next_steps:
        lines.append(f"{console.style('next', 'bold', 'green')}: {step.trainer}: {step.reason}")
        lines += [f"    {visible(line)}" for line in step.lines]
    return lines
