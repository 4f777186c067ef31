"""Rows of an output, read back to be looked at."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable

import pyarrow.compute as pc

from turnmill.errors import DataError
from turnmill.output.reader import REJECTS, Output, WrittenRow
from turnmill.show.origin import Origin
from turnmill.show.row import NotebookRow
from turnmill.show.select import Selection, matching, reject_of
from turnmill.show.view import RowView, TokenBytes, sample_views
from turnmill.stats.index import extremes
from turnmill.storage.local import read_table


def written_rows(
    path: str | os.PathLike[str],
    selection: Selection,
    tokenizer: str | os.PathLike[str] | None,
) -> list[RowView]:
    """Reads the wanted rows of an output directory back."""
    output = Output.open(path)
    loaded = output.load_tokenizer(tokenizer)
    stops = frozenset(stop["id"] for stop in output.record["facts"]["stop"])
    rows = _written(output, selection)
    origin = Origin(output, str(loaded.path))
    return [written_view(row, stops, loaded._token_bytes, origin) for row in rows]


def _written(output: Output, selection: Selection) -> list[WrittenRow]:
    if selection.sample is not None:
        return [output.sample(selection.sample)]
    if selection.random is not None:
        numbers = range(output.record["totals"]["samples"])
        number = min(selection.random, len(numbers))
        samples = sorted(random.Random(selection.seed).sample(numbers, number))
        return _rows_of(output, samples)
    if selection.longest or selection.shortest:
        found = extremes(output, selection.n, longest=selection.longest)
        return _rows_of(output, found)
    if selection.rejected or selection.rule is not None:
        return _counted(output, selection.rule, selection.n)
    if selection.source is not None:
        file, number = selection.split_source()
        source = matching(output.sources, file)
        if output.planned(source)["format"] in {"lines", "array"}:
            return output.find(source, line=number)
        return output.find(source, row=number)
    if selection.row is not None:
        if len(set(output.sources)) > 1:
            message = (
                f"the output has {len(output.sources)} inputs, and each has a row {selection.row}"
            )
            raise DataError(message, code="no-such-row", hint="say which with --source FILE:LINE")
        return output.find(output.sources[0], row=selection.row)
    return list(output.first_rows(selection.n))


def _rows_of(output: Output, samples: Iterable[int]) -> list[WrittenRow]:
    """The rows of samples, each once."""
    rows = (output.sample(number) for number in samples)
    return list({(row.source, row.row): row for row in rows}.values())


def _counted(output: Output, rule: str | None, number: int) -> list[WrittenRow]:
    """The first rows that a rule, or any, left out, or else for which it was counted."""
    rejects = read_table(output.path / REJECTS)
    if rule is not None:
        rejects = rejects.filter(pc.field("code") == rule)
    found = [
        WrittenRow(reject["source"], reject["row"], reject["line"], [], reject)
        for reject in rejects.slice(0, number).to_pylist()
    ]
    places = output.record.get("evidence", {}).get(rule, []) if rule and not found else []
    for place in places[:number]:
        found += output.find(place["source"], row=place["row"])
    if found:
        return found
    what = "left no row out" if rule is None else f"counted no {rule}"
    message = f"the run {what}"
    raise DataError(message, code="no-such-row", path=str(output.path))


def written_view(
    row: WrittenRow, stops: frozenset[int], token_bytes: TokenBytes, origin: Origin
) -> RowView:
    """A written row, with what was counted of it and the row that it was made from."""
    samples = sample_views(row.samples, stops, token_bytes)
    reject = reject_of(row.reject) if row.reject else None
    raw = origin.raw(row.source, row.row, row.line)
    notes = {} if reject else origin.counts(row)
    return NotebookRow(row.source, row.row, row.line, samples, reject, raw, notes)
