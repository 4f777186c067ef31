"""The findings of one rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Finding:
    """The findings of one rule.

    Attributes:
        severity: ``error``, ``warning`` or ``info``.
        count: How often the rule fired.
        rate: Share of rows in which it fired; 1 for a finding on the data set as a whole.
        evidence: The first places, each with ``row``, ``turn``, ``message``, ``note`` and the
            ``tokens`` around it: ``position``, ``id``, ``text``, ``label``, ``trained``.
    """

    rule: str
    severity: str
    count: int
    rate: float
    evidence: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """As in ``turnmill check --json``."""
        return {
            "severity": self.severity,
            "count": self.count,
            "rate": self.rate,
            "evidence": self.evidence,
        }
