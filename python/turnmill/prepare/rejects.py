"""Too many rejects: when a run stops for them, and what helps."""

from __future__ import annotations

from dataclasses import dataclass, field

from turnmill import _core
from turnmill.errors import DataError
from turnmill.output.sinks import TooManyRejectsError
from turnmill.prepare.commit import Totals
from turnmill.prepare.shard import Tally
from turnmill.storage.remote import AnyPath

REJECTS_LOOKED_AT_AFTER = 10_000
"""Rows after which ``max_rejects`` is first checked."""


@dataclass
class RejectLimit:
    """Stops a run in which too many rows are rejected."""

    limit: float | None
    output: AnyPath
    looked: bool = False
    finished: dict[str, int] = field(default_factory=dict)
    """Rejects of the shards that are done, by rule."""

    def look(self, tally: Tally, rejected: dict[str, int]) -> None:
        """Checks once, after the first 10,000 rows."""
        if not self.looked and tally.rows >= REJECTS_LOOKED_AT_AFTER:
            self.looked = True
            rules = dict.fromkeys([*self.finished, *rejected])
            so_far = {r: self.finished.get(r, 0) + rejected.get(r, 0) for r in rules}
            self._judge(tally, so_far)

    def check(self, tally: Tally, rejected: dict[str, int]) -> None:
        """Checks at the end."""
        self._judge(tally, rejected)

    def _judge(self, tally: Tally, rejected: dict[str, int]) -> None:
        """Raises an error when the share of rejects is above the limit."""
        if self.limit is None or tally.rejected <= self.limit * tally.rows:
            return
        percent = 100 * tally.rejected / tally.rows
        message = (
            f"{tally.rejected:,} of {tally.rows:,} rows were rejected ({percent:.3g} %), "
            f"more than max_rejects allows ({100 * self.limit:.3g} %)"
        )
        hint = _hints(rejected, self.output)
        raise TooManyRejectsError(message, code="too-many-rejects", hint=hint)


def refuse_nothing(totals: Totals, inputs: list[str], output: AnyPath) -> None:
    """Raises an error if the run wrote nothing.

    Raises:
        DataError: There are no rows, or all were rejected.
    """
    tally = totals.tally
    if not tally.rows:
        what = "input holds" if len(inputs) == 1 else "inputs hold"
        place = inputs[0] if len(inputs) == 1 else None
        raise DataError(
            f"the {what} no rows",
            code="no-rows",
            path=place,
            hint="give the file that holds the conversations",
        )
    if not tally.samples:
        every = f"all {tally.rows:,} rows were" if tally.rows > 1 else "the only row was"
        message = f"{every} rejected, so nothing was written"
        hint = _hints(totals.rejected, output)
        raise DataError(message, code="all-rejected", hint=hint)


def _hints(rejected: dict[str, int], output: AnyPath) -> str:
    """The most frequent reasons, and the flags that would help, one line each."""
    commonest = sorted(rejected.items(), key=lambda item: (-item[1], item[0]))[:3]
    reasons = ", ".join(f"{rule} ({number:,})" for rule, number in commonest)
    hints = {name: hint for name, *_, hint in _core.rules()}
    help_ = [f"{rule}: {hints[rule]}" for rule, _ in commonest if hints.get(rule)]
    look = "`turnmill show INPUT --source FILE:LINE` shows what becomes of a row"
    listed = f"every rejected row with its reason: {output / 'rejects.parquet'}"
    return "\n".join([f"the most frequent reasons: {reasons}", *help_, look, listed])
