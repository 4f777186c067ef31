"""A pack in an output, its closing table, and what trainers need."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from turnmill._terminal import Terminal, count, share, table, terminal, visible
from turnmill.packing.lengths import WINDOW

if TYPE_CHECKING:
    from turnmill.output.trainer_step import NextStep
    from turnmill.packing.report import PackReport
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
    def report(self) -> PackReport:
        """How full the packs are, and what mixes in them."""
        from turnmill.packing.report import PackReport

        return PackReport(**self.record["report"])

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
        report = [*_contents(self, console), *_mixing(self, console), *_files(self, console)]
        return [*table(report), "", *_next(self, console)]

    def to_dict(self) -> dict[str, Any]:
        """As ``turnmill pack --json`` prints it."""
        return {"path": str(self.path), **self.record}


def _contents(pack: Pack, console: Terminal) -> list[tuple[str, str]]:
    report, say = pack.report, console.say
    per_pack = report.documents_per_pack
    names = {name: say(name) for name in ("min", "median", "mean", "max")}
    spread = "  ".join(f"{shown} {per_pack[name]:,.4g}" for name, shown in names.items())
    packs = {"packs": count(report.packs), "length": count(pack.length)}
    lines = [
        (
            say("packs"),
            say("{packs} of {length} tokens, {fill} full", **packs, fill=_fill(report.fill)),
        ),
        (say("at best"), say("{count} packs, by the lengths", count=count(report.fewest_packs))),
        (
            say("documents"),
            say(
                "{count}, {tokens} tokens",
                count=count(report.documents),
                tokens=count(report.tokens),
            ),
        ),
        (say("in a pack"), say("{spread} documents", spread=spread)),
    ]
    return [*lines, *_unusual(pack, console)]


def _unusual(pack: Pack, console: Terminal) -> list[tuple[str, str]]:
    """Documents that are longer than a pack."""
    report, say = pack.report, console.say
    lines = []
    if report.cut:
        cut = say("{count} documents stand in more than one pack", count=count(report.cut))
        lines.append((say("cut"), cut))
    if report.alone:
        alone = say("{count} documents longer than a pack", count=count(report.alone))
        lines.append((say("alone"), alone))
    if report.left_out:
        lost = say(
            "{count} documents longer than a pack, {tokens} tokens",
            count=count(report.left_out),
            tokens=count(report.left_out_tokens),
        )
        lines.append((say("left out"), lost))
    return lines


def _fill(fill: float) -> str:
    """A fill rate, with enough digits to tell 99.98 % from 99 %."""
    return f"{100 * fill:.2f} %"


def _mixing(pack: Pack, console: Terminal) -> list[tuple[str, str]]:
    report, say = pack.report, console.say
    mixed = say(
        "{share} of attention would join different documents, without boundaries",
        share=share(report.mixed_attention, 1),
    )
    order = say(
        "{correlation} between place and length of documents",
        correlation=f"{report.length_correlation:+.2f}",
    )
    return [(say("mixing"), mixed), (say("order"), order)]


def _files(pack: Pack, console: Terminal) -> list[tuple[str, str]]:
    say, lines = console.say, []
    if pack.rows is not None:
        rows = pack.rows
        text = say(
            "{columns}; {trained} trained tokens",
            columns=", ".join(rows["columns"]),
            trained=count(rows["trained_tokens"]),
        )
        masked = rows["masked_first_labels"]
        if masked:
            text += say("; {count} first labels of documents masked", count=count(masked))
        lines.append((say("rows"), text))
    return [*lines, (say("output"), console.style(visible(str(pack.path)), "cyan"))]


def _next(pack: Pack, console: Terminal) -> list[str]:
    return [line for step in pack.next_steps for line in step.drawn(console)]
