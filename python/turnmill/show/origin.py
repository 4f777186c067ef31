"""What was counted of written rows: their source rows are encoded once more."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from turnmill.encoder.row import EncodedRow, encode_row
from turnmill.encoder.session import Session
from turnmill.errors import TurnmillError
from turnmill.inputs.find import find_inputs
from turnmill.inputs.rows import rows_of
from turnmill.output.reader import Output, WrittenRow

Counts = dict[tuple[str, int], dict[str, int]]
"""How often each rule was counted, by input and row."""

_FARTHEST = 100_000
"""Rows of a source that are read to find one; a look must not take minutes."""


def counts_of(output: Output, rows: list[WrittenRow], tokenizer: str) -> Counts:
    """What a run counts of rows, where the source still gives the samples that were written."""
    try:
        session = Session(output.recipe(tokenizer))
        found: Counts = {}
        for source in dict.fromkeys(row.source for row in rows):
            written = {row.row: row for row in rows if row.source == source}
            found |= _counts(output, source, written, session)
    except (TurnmillError, OSError):
        return {}  # the source or the template is gone; the samples are what matters
    return found


def _counts(
    output: Output, source: str, written: dict[int, WrittenRow], session: Session
) -> Counts:
    """The counts of rows of one input."""
    found: Counts = {}
    near = [row for row in written if row < _FARTHEST]
    inputs = find_inputs(output.input(source)) if near else []
    for input_ in inputs[:1]:
        schema = output.planned(source)["schema"]
        for picked in islice(rows_of(input_), max(near) + 1):
            if picked.row in written:
                made = encode_row(picked, session, input_, schema)
                if _same(made, written[picked.row]):
                    found[source, picked.row] = made.counts
    return found


def _same(made: EncodedRow, written: WrittenRow) -> bool:
    return _ids(made.samples) == _ids(written.samples)


def _ids(samples: Iterable[dict[str, list[int]]]) -> list[list[int]]:
    return [sample["input_ids"] for sample in samples]
