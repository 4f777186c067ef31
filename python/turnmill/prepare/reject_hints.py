"""What helps when many rows are rejected."""

from __future__ import annotations

from turnmill import _core


def advice(rejected: dict[str, int]) -> str:
    """The commonest reasons, and the flags that would help with them, one line each."""
    commonest = sorted(rejected.items(), key=lambda item: (-item[1], item[0]))[:3]
    reasons = ", ".join(f"{rule} ({number:,})" for rule, number in commonest)
    hints = {name: hint for name, *_, hint in _core.rules()}
    help_ = [f"{rule}: {hints[rule]}" for rule, _ in commonest if hints.get(rule)]
    look = "`turnmill show INPUT --source FILE:LINE` shows what becomes of a row"
    return "\n".join([f"the commonest reasons: {reasons}", *help_, look])
