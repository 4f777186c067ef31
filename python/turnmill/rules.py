"""The list of rules, as the core has it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from turnmill import _core
from turnmill._arguments import nearest
from turnmill.errors import DataError
from turnmill.languages import rule_texts

IGNORED = _core.IGNORED
"""The label of a token that is not trained: -100."""
DUPLICATE, NOT_DRAWN = "duplicate-conversation", "not-drawn"
OUT_OF_SET = {DUPLICATE, NOT_DRAWN}
"""Rules by which a set leaves out rows that gave samples."""


@dataclass(frozen=True)
class Rule:
    """One rule of the list."""

    name: str
    severity: str
    meaning: str
    cause: str
    cure: str

    def in_language(self, language: str) -> Rule:
        """The rule with its texts in a language; the name stays."""
        return replace(self, **rule_texts(language).get(self.name, {}))


@cache
def rules() -> dict[str, Rule]:
    """Every rule by its name, in the order of reports."""
    return {name: Rule(name, *texts) for name, *texts, _ in _core.rules()}


def rule(name: str) -> Rule:
    """The rule of that name.

    Raises:
        DataError: There is no such rule; the hint names the nearest one.
    """
    if name in rules():
        return rules()[name]
    near = nearest(name, rules())
    hint = f"did you mean {near}?" if near else "docs/rules.md lists every rule"
    raise DataError(f"there is no rule {name!r}", code="unknown-rule", hint=hint)
