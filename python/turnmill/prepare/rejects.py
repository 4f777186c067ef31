"""Too many rejects: when a run stops for them, and what helps."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from turnmill import _core
from turnmill.encoder.session import Session
from turnmill.errors import DataError
from turnmill.inputs.find import Input
from turnmill.output.sinks import TooManyRejectsError
from turnmill.output.tables import TableWriter
from turnmill.prepare.commit import Totals
from turnmill.prepare.cures import TRIED, cure
from turnmill.prepare.shard import Tally
from turnmill.rules import rules
from turnmill.storage.local import read_table, whole_file
from turnmill.storage.remote import AnyPath

REJECTS_LOOKED_AT_AFTER = 10_000
"""Rows after which ``max_rejects`` is first checked."""


@dataclass
class RejectLimit:
    """Stops a run in which too many rows are rejected."""

    limit: float | None
    looked: bool = False

    def look(self, tally: Tally) -> None:
        """Checks once, after the first 10,000 rows."""
        if not self.looked and tally.rows >= REJECTS_LOOKED_AT_AFTER:
            self.looked = True
            self.check(tally)

    def check(self, tally: Tally) -> None:
        """Raises an error when the share of rejects is above the limit."""
        if self.limit is None or tally.rejected <= self.limit * tally.rows:
            return
        percent = 100 * tally.rejected / tally.rows
        message = (
            f"{tally.rejected:,} of {tally.rows:,} rows were rejected ({percent:.3g} %), "
            f"more than max_rejects allows ({100 * self.limit:.3g} %)"
        )
        raise _too_many(message, "too-many-rejects", tally)


def refuse_nothing(totals: Totals, inputs: list[str]) -> None:
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
        raise _too_many(message, "all-rejected", tally)


def _too_many(message: str, code: str, tally: Tally) -> TooManyRejectsError:
    error = TooManyRejectsError(message, code=code)
    error.rejected = tally.rejected
    return error


def explain(error: DataError, output: AnyPath, session: Session, inputs: list[Input]) -> None:
    """Says of a run that stopped for its rejects why rows were rejected, and what helps."""
    rejects = read_table(output / "rejects.parquet")
    codes = rejects["code"].to_pylist() if rejects.num_rows else []
    commonest = sorted(Counter(codes).items(), key=lambda item: (-item[1], item[0]))[:3]
    reasons = ", ".join(f"{rule} ({number:,})" for rule, number in commonest)
    lines = [f"the most frequent reasons: {reasons}"]
    hints = {name: hint for name, *_, hint in _core.rules()}
    for rule, _ in commonest:
        places = [place for place, code in enumerate(codes) if code == rule][:TRIED]
        some = [rejects.slice(place, 1).to_pylist()[0] for place in places]
        lines.append(f"{rule}: {some[0]['reason']} ({_place(some[0])})")
        helps = cure(rule, some, session, inputs) or hints.get(rule)
        lines += [f"{rule}: {helps}"] if helps else []
    lines += [
        f"`turnmill show {output}` shows rejected rows",
        f"every rejected row with its reason: {output / 'rejects.parquet'}",
    ]
    error.hint = "\n".join(lines)
    error.add_note(f"hint: {error.hint}")


def _place(row: dict[str, Any]) -> str:
    if row["line"] is None:
        return f"row {row['row']} of {row['source']}"
    return f"{row['source']}:{row['line']}"


def leave_reasons_out(output: AnyPath) -> None:
    """Puts what a rule means in the place of each reason, because reasons may quote the data."""
    path = output / "rejects.parquet"
    if not path.exists():
        return
    rejects = read_table(path)
    if "reason" not in rejects.schema.names:
        return
    meanings = {name: rule.meaning for name, rule in rules().items()}
    reasons = [meanings.get(code, code) for code in rejects["code"].to_pylist()]
    place = rejects.schema.get_field_index("reason")
    field = rejects.schema.field(place)
    with whole_file(path) as file:
        writer = TableWriter(file, rejects.schema)
        writer.write_table(rejects.set_column(place, field, pa.array(reasons, field.type)))
        writer.close()
