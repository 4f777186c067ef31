"""The replay: would a perfect model see the prompts of the data, and stop in the right place?

For every trained turn, the tokens before it are compared with the prompt that a server would send,
and the first stop token that the server would see with the turn's last label. If the conversations
are known (raw data, turnmill's own output), the template *renders* the prompt. If only tokens are
known, the prompt is *decoded* from them and encoded again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Positions = list[list[int]]
"""Turns replayed and turns right, by position in the conversation; the last holds later ones."""


@dataclass
class Replay:
    """Replayed turns."""

    by: str
    """``rendered`` or ``decoded``."""
    positions: Positions = field(default_factory=list)
    switched: dict[str, int] = field(default_factory=dict)
    """Turns that are right only with a setting for reasoning, by that setting."""
    of: int = 0
    """Trained turns; not all are replayed."""

    def add(self, positions: Positions, switched: Mapping[str, int], of: int) -> None:
        """Adds the result of another part of the data, which has ``of`` trained turns."""
        self.of += of
        empty = [[0, 0] for _ in positions]
        self.positions = [
            [turns + more, right + more_right]
            for (turns, right), (more, more_right) in zip(
                self.positions or empty, positions, strict=True
            )
        ]
        for setting, turns in switched.items():
            self.switched[setting] = self.switched.get(setting, 0) + turns

    @property
    def turns(self) -> int:
        """Turns replayed."""
        return sum(turns for turns, _ in self.positions)

    def to_dict(self) -> dict[str, Any]:
        """The rate in total and by turn; ``None`` if nothing could be replayed."""
        right = sum(right for _, right in self.positions)
        return {
            "by": self.by,
            "turns": self.turns,
            "of": self.of,
            "rate": right / self.turns if self.turns else None,
            "by_turn": [
                {"turns": turns, "rate": right / turns} for turns, right in self.positions if turns
            ],
            "switched": self.switched,
        }

    @property
    def notes(self) -> list[str]:
        """Notes for the user on the server's settings."""
        if not self.switched:
            return []
        plain = self.turns - sum(self.switched.values())
        also = f", {plain:,} with the template's defaults" if plain else ""
        return [
            f"{turns:,} turns replay only if the server sets {setting}{also}"
            for setting, turns in self.switched.items()
        ]
