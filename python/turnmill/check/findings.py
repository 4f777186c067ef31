"""The findings of a check."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from turnmill import _markup
from turnmill._terminal import Terminal, count, silent, terminal
from turnmill.check.finding import Finding
from turnmill.check.report import draw
from turnmill.languages import locale_language
from turnmill.rules import rule, rules

_BY_STOP_SET = {
    "missing-terminator",
    "truncated-terminator",
    "terminator-masked",
    "wrong-terminator",
    "duplicate-terminator",
    "premature-terminator",
}
"""Rules that another stop set may answer otherwise."""
OF_TRAINING = {"all-labels-masked", "no-generation-markers", "pad-equals-terminator"}
"""Rules on what is trained: of prompts, nothing is."""
_SHOWN_APART = {"rows", "ok", "rules"}
"""Keys of the core's report that are not facts."""


@dataclass(frozen=True)
class Findings:
    """The findings of a check, by rule.

    Attributes:
        rows: Number of rows.
        ok: No rule of severity error fired, or each stayed within its ``max_rates``, and the
            stop set is not in doubt.
        undecided: The stop set is a guess that something speaks against (``facts["doubt"]`` says
            what), and no other rule failed.
        rules: The findings of each rule, by its name, in the order of the rule list.
        facts: What is known about the data as a whole, without findings: ``documents``,
            ``turns``, ``tokens``, ``trained`` tokens, the ``columns`` that were read, the ``stop``
            set, ``notes``, and the ``replay`` rate by turn (see `replay` in docs/check.md).
    """

    rows: int
    rules: dict[str, Finding]
    facts: dict[str, Any] = field(default_factory=dict)
    ok: bool = True
    undecided: bool = False

    @classmethod
    def of_report(cls, report: Mapping[str, Any]) -> Findings:
        """The findings of the core's report."""
        found = {
            name: Finding(name, item["severity"], item["count"], item["rate"], item["evidence"])
            for name, item in report["rules"].items()
        }
        facts = {name: value for name, value in report.items() if name not in _SHOWN_APART}
        return cls(report["rows"], found, facts)

    def with_note(self, name: str, note: str, **details: Any) -> Findings:
        """Adds a finding on the data set as a whole."""
        place = {"row": None, "turn": None, "message": None, "note": note, "tokens": [], **details}
        old = self.rules.get(name)
        count = (old.count if old else 0) + 1
        evidence = [*(old.evidence if old else []), place]
        new = Finding(name, rule(name).severity, count, 1.0, evidence)
        return self._with_rules({**self.rules, name: new})

    def with_places(self, name: str, rows: int, places: list[dict[str, Any]]) -> Findings:
        """Adds a finding in this many rows, unless the rule has already fired."""
        if name in self.rules:
            return self
        rate = min(rows / self.rows, 1.0) if self.rows else 1.0
        empty: dict[str, Any] = {"turn": None, "message": None, "note": "", "tokens": []}
        evidence = [{**empty, **place} for place in places]
        new = Finding(name, rule(name).severity, rows, rate, evidence)
        return self._with_rules({**self.rules, name: new})

    def without(self, names: set[str]) -> Findings:
        """The same without the findings of some rules."""
        kept = {name: finding for name, finding in self.rules.items() if name not in names}
        return replace(self, rules=kept)

    def without_text(self) -> Findings:
        """The same without texts of the data: tokens keep their ids, places lose their notes."""
        bare = {
            name: replace(finding, evidence=[_without_text(place) for place in finding.evidence])
            for name, finding in self.rules.items()
        }
        return replace(self, rules=bare)

    def with_facts(self, **facts: Any) -> Findings:
        """Adds facts."""
        return replace(self, facts={**self.facts, **facts})

    def _with_rules(self, found: dict[str, Finding]) -> Findings:
        return replace(self, rules={name: found[name] for name in rules() if name in found})

    def judged(self, max_rates: Mapping[str, float]) -> Findings:
        """Decides ``ok`` and ``undecided``: errors fail unless their rate is allowed."""
        allowed = {rule(name).name: rate for name, rate in max_rates.items()}

        def passes(finding: Finding) -> bool:
            limit = allowed.get(finding.rule)
            return finding.severity != "error" if limit is None else finding.rate <= limit

        failed = {name for name, finding in self.rules.items() if not passes(finding)}
        doubt = bool(self.facts.get("doubt"))
        return replace(
            self, ok=not failed and not doubt, undecided=doubt and failed <= _BY_STOP_SET
        )

    def to_dict(self) -> dict[str, Any]:
        """As ``turnmill check --json`` prints it; ``doubt`` only if there is one."""
        doubt = self.facts.get("doubt")
        return {
            "rows": self.rows,
            "ok": self.ok,
            **({"doubt": doubt} if doubt else {}),
            "rules": {name: finding.to_dict() for name, finding in self.rules.items()},
            "notes": list(self.facts.get("notes", [])),
        }

    def _repr_html_(self) -> str:
        console = silent(locale_language())
        say = console.say
        verdict = say("undecided") if self.undecided else say("ok") if self.ok else say("not ok")
        rows = (
            (
                say(one.severity),
                one.rule,
                one.count,
                f"{one.rate:.1%}",
                rule(one.rule).in_language(console.language).meaning,
            )
            for one in self.rules.values()
        )
        words = ("severity", "rule", "count", "rows", "what it means")
        number = say("{count} rows", count=count(self.rows))
        return _markup.heading(f"{verdict}{say(': ')}{number}") + (
            _markup.table([say(word) for word in words], rows) if self.rules else ""
        )

    def draw(self, console: Terminal) -> str:
        """A table of the rules, and the evidence, for a terminal."""
        return "\n".join(draw(self, console))

    def __str__(self) -> str:
        return self.draw(terminal(sys.stdout, colour=False))


def _without_text(place: dict[str, Any]) -> dict[str, Any]:
    tokens = [{**token, "text": None} for token in place.get("tokens", [])]
    # A finding on the data as a whole quotes no row.
    note = place.get("note", "") if place.get("row") is None and not place.get("line") else ""
    return {**place, "note": note, "tokens": tokens}
