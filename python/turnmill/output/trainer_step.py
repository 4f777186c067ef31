"""What to write into the configuration of one trainer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NextStep:
    """What to write into the configuration of one trainer."""

    trainer: str
    lines: tuple[str, ...]
    reason: str
    short: str = ""
    """The same in one line."""
