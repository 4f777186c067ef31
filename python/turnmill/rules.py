"""The list of rules, as the core has it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from turnmill import _core
from turnmill.errors import DataError


@dataclass(frozen=True)
class Rule:
    """One rule of the list."""

    name: str
    severity: str
    meaning: str
    cause: str
    cure: str


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
    import difflib

    near = difflib.get_close_matches(name, rules(), n=1, cutoff=0.3)
    hint = f"did you mean {near[0]}?" if near else "docs/rules.md lists every rule"
    raise DataError(f"there is no rule {name!r}", code="unknown-rule", hint=hint)
