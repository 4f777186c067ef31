"""The progress of a run: one line that is redrawn, or a plain line now and then."""

from __future__ import annotations

import time
from dataclasses import dataclass

from turnmill._terminal import Terminal, clip, columns_of, count, duration, share, short_count
from turnmill.prepare.progress import Progress

REDRAW_SECONDS = 0.1
PLAIN_LINE_SECONDS = 10.0
_BAR, _NARROWEST = 24, 6
_PERCENT = 9
"""Columns of the percentage and the spaces around it."""


@dataclass
class ProgressLine:
    """Shows the progress of a run, as often as is useful for a reader or a log."""

    console: Terminal
    _shown: float = 0.0
    _drawn: bool = False

    def __post_init__(self) -> None:
        # A log gets its first line after ten seconds, so short runs log nothing.
        self._shown = 0.0 if self.console.live else time.monotonic()

    def __call__(self, moment: Progress) -> None:
        """Shows ``moment`` if it is time for an update."""
        now = time.monotonic()
        wait = REDRAW_SECONDS if self.console.live else PLAIN_LINE_SECONDS
        if now - self._shown < wait:
            return
        self._shown = now
        figures = self._figures(moment)
        if self.console.live:
            room = self.console.width - columns_of(figures) - _PERCENT
            bar = self._bar(moment, max(_NARROWEST, min(_BAR, room)))
            self.console.redraw(bar + clip(figures, self.console.width - _NARROWEST - _PERCENT))
            self._drawn = True
        else:
            self.console.write(f"{100 * moment.done:3.0f} %  {figures}")

    def clear(self) -> None:
        """Removes the line, so that something else can be printed."""
        if self._drawn:
            self.console.redraw("")
            self._drawn = False

    def _bar(self, moment: Progress, width: int) -> str:
        eighths = round(moment.done * width * 8)
        full, part = divmod(eighths, 8)
        bar = "█" * full + ("" if not part else " ▏▎▍▌▋▊▉"[part])
        rest = "·" * (width - len(bar))
        drawn = self.console.style(bar, "green") + self.console.style(rest, "dim")
        return f"{drawn} {100 * moment.done:3.0f} %  "

    def _figures(self, moment: Progress) -> str:
        parts = [
            f"{short_count(moment.rows)} rows",
            f"{short_count(moment.tokens)} tokens",
            f"{moment.megabytes_per_second:.1f} MB/s",
        ]
        if moment.rejected:
            parts.append(
                f"{count(moment.rejected)} rejected ({share(moment.rejected, moment.rows)})"
            )
        if moment.seconds_left is not None and moment.done < 1:
            parts.append(f"{duration(moment.seconds_left)} left")
        return "  ".join(parts)
