"""The result of a comparison."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from turnmill import _core
from turnmill._terminal import Terminal, count, table, terminal, wrap, wrapped_table

__all__ = ["UNEXPLAINED", "Difference", "Parity"]

Kind = Literal["render", "ids", "mask"]
KINDS: tuple[Kind, ...] = ("render", "ids", "mask")
UNEXPLAINED = "unexplained"
"""The cause of a difference that no rule and no key explains."""

_WHAT = {
    "render": "text with apply_chat_template",
    "ids": "ids",
    "mask": "trained tokens with the assistant mask",
}
_OTHERS = "trained tokens with those of {}"


@dataclass(frozen=True)
class Difference:
    """Where a row first differs."""

    kind: Kind
    cause: str
    """A rule's name, a recipe key with its value, or ``unexplained``."""
    source: str
    row: int
    line: int | None
    offset: int | None
    """Code point of the text, or token; ``None`` if one side has nothing."""
    ours: str
    """The text there, escaped."""
    theirs: str

    @property
    def place(self) -> str:
        """The row, as ``turnmill show --source`` takes it."""
        return f"{self.source}:{self.row if self.line is None else self.line}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able values."""
        return dict(vars(self))


@dataclass
class Parity:
    """Counts of equal and different rows, causes, and the first difference of each cause."""

    versions: dict[str, str]
    """Of turnmill, transformers and tokenizers, and of whoever's rules give the labels."""
    has_mask: bool
    """Whether the template has the tags that transformers needs to give a mask."""
    rows: int = 0
    """Rows that were compared."""
    conversations: int = 0
    """Of these, conversations; other rows have no template to compare."""
    refused: int = 0
    """Conversations that both sides refuse."""
    equal: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    different: dict[str, dict[str, int]] = field(
        default_factory=lambda: {kind: {} for kind in KINDS}
    )
    """Rows by kind and cause."""
    counted: dict[str, int] = field(default_factory=dict)
    """Rows of which turnmill counts something, by rule: what it read differently, and what the
    template leaves out of both texts."""
    rejected: dict[str, int] = field(default_factory=dict)
    """Rows that `prepare` leaves out, by rule."""
    differences: list[Difference] = field(default_factory=list)
    """The first of each kind and cause."""
    against: str = "transformers"
    """What the rows are compared with."""

    @property
    def ok(self) -> bool:
        """Whether every difference is explained."""
        return all(UNEXPLAINED not in causes for causes in self.different.values())

    def count_row(self, rules: Mapping[str, int], rejects: Iterable[str]) -> None:
        """Counts what turnmill says of one row."""
        for into, names in ((self.counted, rules), (self.rejected, rejects)):
            for name in names:
                into[name] = into.get(name, 0) + 1

    def add(self, difference: Difference) -> None:
        """Counts a difference and keeps the first of its kind and cause."""
        causes = self.different[difference.kind]
        if difference.cause not in causes:
            self.differences.append(difference)
        causes[difference.cause] = causes.get(difference.cause, 0) + 1

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able values, as ``turnmill parity --json`` prints it."""
        return {
            "ok": self.ok,
            "against": self.against,
            "versions": self.versions,
            "rows": self.rows,
            "conversations": self.conversations,
            "refused": self.refused,
            "has_mask": self.has_mask,
            "equal": self.equal,
            "different": self.different,
            "counted": self.counted,
            "rejected": self.rejected,
            "differences": [difference.to_dict() for difference in self.differences],
        }

    def __str__(self) -> str:
        return self.draw(terminal(sys.stdout, colour=False))

    def draw(self, out: Terminal) -> str:
        """The comparison for a terminal."""
        against = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        lines = [
            f"{_some(self.conversations, 'conversation')} of {_some(self.rows, 'row')}; {against}",
            *table(self._cells(), numbers=(1, 2)),
        ]
        if self.refused:
            lines.append(f"{count(self.refused)} conversations are refused by both templates")
        if not self.has_mask:
            lines += wrap(
                "the template has no {% generation %} tags, so transformers gives no mask to "
                "compare with",
                out.width,
            )
        lines += self._rules(out)
        for difference in self.differences:
            lines += ["", *_drawn(difference, out, self.against)]
        return "\n".join(lines)

    def _rules(self, out: Terminal) -> list[str]:
        """What turnmill says of the rows besides, which both texts may agree on."""
        rules = {name: (meaning, cure) for name, _, meaning, _, cure, _ in _core.rules()}
        lines = []
        for title, rows in (("left out by prepare", self.rejected), ("counted", self.counted)):
            named = [(f"  {name}", count(n), rules[name][0]) for name, n in rows.items()]
            drawn = wrapped_table([(title, "rows", ""), *named], out.width, numbers=(1,))
            lines += ["", *(line.rstrip() for row in drawn for line in row)] if rows else []
        if any("wire = keep" in rules[name][1] for name in self.counted):
            text = (
                "transformers was given these rows as turnmill reads them; --wire keep compares "
                "them as they stand"
            )
            lines += wrap(text, out.width)
        return lines

    def _cells(self) -> list[tuple[str, str, str]]:
        cells = [("", "equal", "different")]
        for kind in KINDS:
            if kind == "mask" and not self.has_mask:
                continue
            causes = self.different[kind]
            plain = kind != "mask" or self.against == "transformers"
            what = _WHAT[kind] if plain else _OTHERS.format(self.against)
            cells.append((what, count(self.equal[kind]), count(sum(causes.values()))))
            cells += [(f"  {cause}", "", count(number)) for cause, number in causes.items()]
        return cells


def _drawn(difference: Difference, out: Terminal, against: str) -> list[str]:
    colour = "red" if difference.cause == UNEXPLAINED else "yellow"
    unit = "character" if difference.kind == "render" else "token"
    other = against if difference.kind == "mask" else "transformers"
    where = "" if difference.offset is None else f", {unit} {difference.offset}"
    return [
        f"{out.style(difference.cause, 'bold', colour)}: {difference.kind} of "
        f"{out.style(difference.place, 'cyan')}{where}",
        f"  {'turnmill':12}  {difference.ours}",
        f"  {other:12}  {difference.theirs}",
    ]


def _some(number: int, of: str) -> str:
    return f"{count(number)} {of}" if number == 1 else f"{count(number)} {of}s"
