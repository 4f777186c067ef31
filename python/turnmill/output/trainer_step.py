"""What to write into the configuration of one trainer."""

from __future__ import annotations

from dataclasses import dataclass

from turnmill._terminal import Terminal, visible


@dataclass(frozen=True)
class NextStep:
    """What to write into the configuration of one trainer."""

    trainer: str
    lines: tuple[str, ...]
    reason: str
    short: str = ""
    """The same in one line."""

    def drawn(self, console: Terminal) -> list[str]:
        """The reason, and the lines below it."""
        head = console.style(console.say("next"), "bold", "green") + console.say(": ")
        reason = console.say(self.reason)
        return [
            f"{head}{self.trainer}{console.say(': ')}{reason}",
            *(f"    {visible(line)}" for line in self.lines),
        ]
