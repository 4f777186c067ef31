"""Finds the rows that ``show`` was asked for, in raw data or in an output directory."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from turnmill.encoder.inspect import inspect_input
from turnmill.encoder.row import encode_row
from turnmill.encoder.session import Session
from turnmill.errors import ArgumentError, DataError
from turnmill.inputs.find import Input, find_inputs, repeatable
from turnmill.inputs.rows import PickedRow, rows_of
from turnmill.output.reader import Output, WrittenRow, is_output
from turnmill.recipe import Recipe
from turnmill.show.origin import Origin, raw_text
from turnmill.show.tokenized import is_tokenized, tokenized_rows
from turnmill.show.unresolved import ready_to_look
from turnmill.show.view import RowView, TokenBytes, sample_view
from turnmill.storage.local import read_table
from turnmill.storage.remote import output_path

__all__ = [
    "Selection",
    "is_output",
    "is_refused",
    "refused_rows",
    "seen_rows",
    "written_rows",
]

_Item = TypeVar("_Item")

REJECTS = "rejects.parquet"


@dataclass(frozen=True)
class Selection:
    """The rows to show."""

    n: int = 3
    row: int | None = None
    sample: int | None = None
    source: str | None = None
    random: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        names = ("row", "sample", "source", "random")
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) > 1:
            message = f"{' and '.join(given)} name a row each"
            raise ArgumentError(message, code="several-places", hint="give one of them")

    def split_source(self) -> tuple[str, int]:
        """File and number of ``source``.

        Raises:
            DataError: It is not ``FILE:NUMBER``.
        """
        file, _, number = (self.source or "").rpartition(":")
        if not file or not number.isdecimal():
            message = f"{self.source!r} is not a place"
            raise DataError(
                message, code="no-such-row", hint="give FILE:LINE, such as chat.jsonl:12"
            )
        return file, int(number)


def seen_rows(data: Any, selection: Selection, recipe: Recipe) -> tuple[list[RowView], str | None]:
    """The wanted rows of data that turnmill did not write, and a note on how they are shown."""
    data = repeatable(data)
    if not is_tokenized(data):
        return raw_rows(data, selection, recipe)
    _refuse_sample(selection)
    inputs = find_inputs(data, recipe.split)
    return _some(tokenized_rows(_wanted(inputs, selection), recipe), inputs), None


def _refuse_sample(selection: Selection) -> None:
    if selection.sample is not None:
        message = "samples are counted in an output of turnmill only"
        raise DataError(message, code="no-such-row", hint="use --row")


def raw_rows(data: Any, selection: Selection, recipe: Recipe) -> tuple[list[RowView], str | None]:
    """Encodes the wanted rows of raw conversations."""
    _refuse_sample(selection)
    session, inputs, note = ready_to_look(recipe, data)
    desk = RawRows(session)
    views = [desk.view(input_, picked) for input_, picked in _wanted(inputs, selection)]
    return _some(views, inputs), note


class RawRows:
    """Encodes single rows of raw conversations to be looked at."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._stops = session.stop_ids()
        self._token_bytes = session.tokenizer()._token_bytes
        self._schemas: dict[Input, str] = {}

    def view(self, input_: Input, picked: PickedRow) -> RowView:
        """The view of a row of an input."""
        if input_ not in self._schemas:
            self._schemas[input_] = inspect_input(input_, self._session).schema
        made = encode_row(picked, self._session, input_, self._schemas[input_])
        reject = _reject_of(made.rejects[0]) if made.rejects else None
        samples = (
            sample_view(i, sample, self._stops, self._token_bytes)
            for i, sample in enumerate(made.samples)
        )
        counts = {} if reject else made.counts
        raw = raw_text(picked)
        return RowView(input_.name, picked.row, picked.line, tuple(samples), reject, raw, counts)


def _some(views: list[RowView], inputs: list[Input]) -> list[RowView]:
    """The views.

    Raises:
        DataError: There are none.
    """
    if views:
        return views
    message, path = "the input holds no such row", inputs[0].name
    hint = "rows count from 0 and lines from 1; blank lines are not rows"
    raise DataError(message, code="no-such-row", path=path, hint=hint)


def _wanted(inputs: list[Input], selection: Selection) -> Iterator[tuple[Input, PickedRow]]:
    if selection.source is not None:
        file, number = selection.split_source()
        yield from (
            (input_, picked)
            for input_ in _by_name(inputs, file)
            for picked in rows_of(input_)
            if number == (picked.row if picked.line is None else picked.line)
        )
    elif selection.row is not None:
        if len(inputs) > 1:
            message = f"there are {len(inputs)} inputs, and each has a row {selection.row}"
            raise DataError(message, code="no-such-row", hint="say which with --source FILE:LINE")
        yield from (
            (inputs[0], p) for p in islice(rows_of(inputs[0]), selection.row, selection.row + 1)
        )
    else:
        every: Iterator[tuple[Input, PickedRow]] = (
            (input_, picked) for input_ in inputs for picked in rows_of(input_)
        )
        if selection.random is not None:
            every = iter(_drawn(every, selection.random, selection.seed))
        yield from islice(every, selection.random or selection.n)


def _drawn(every: Iterable[_Item], number: int, seed: int) -> list[_Item]:
    """So many items at random, in their order; each is as likely as any other."""
    draw, kept = random.Random(seed), list[tuple[int, _Item]]()
    for place, item in enumerate(every):
        if len(kept) < number:
            kept.append((place, item))
        elif (chosen := draw.randrange(place + 1)) < number:
            kept[chosen] = (place, item)
    return [item for _, item in sorted(kept, key=lambda pair: pair[0])]


def _by_name(inputs: list[Input], file: str) -> list[Input]:
    name = _matching([input_.name for input_ in inputs], file)
    return [input_ for input_ in inputs if input_.name == name]


def _matching(names: list[str], file: str) -> str:
    """The name equal to ``file``, or the only one that ends with it."""
    if file in names:
        return file
    ending = [name for name in dict.fromkeys(names) if Path(name).name == Path(file).name]
    if len(ending) == 1:
        return ending[0]
    message = f"no input is called {file}" if not ending else f"several inputs are called {file}"
    raise DataError(message, code="no-such-row", hint=f"inputs: {', '.join(names[:5])}")


def is_refused(path: str | os.PathLike[str]) -> bool:
    """Whether a run left nothing in a directory but the rows that it rejected."""
    place = output_path(path)
    return not (place / "turnmill.json").is_file() and (place / REJECTS).is_file()


def refused_rows(
    path: str | os.PathLike[str], selection: Selection
) -> tuple[list[RowView], str | None]:
    """The rejects of a run that wrote nothing else, and a note that says so."""
    _refuse_sample(selection)
    place = output_path(path)
    every = read_table(place / REJECTS).to_pylist()
    if selection.source is not None:
        file, number = selection.split_source()
        source = _matching([row["source"] for row in every], file)
        every = [row for row in every if row["source"] == source and number == _number(row)]
    elif selection.row is not None:
        every = [row for row in every if row["row"] == selection.row]
    elif selection.random is not None:
        every = _drawn(every, selection.random, selection.seed)
    else:
        every = every[: selection.n]
    if not every:
        message = "the run rejected no such row"
        raise DataError(message, code="no-such-row", path=str(place / REJECTS))
    note = f"the run wrote nothing; {place / REJECTS} holds every row that it rejected"
    return [RowView(r["source"], r["row"], r["line"], (), _reject_of(r)) for r in every], note


def _number(row: Mapping[str, Any]) -> int:
    """The number of a row in its file: its line, or its row where there are no lines."""
    return int(row["row"] if row["line"] is None else row["line"])


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
        samples = _drawn(numbers, selection.random, selection.seed)
        rows = [output.sample(number) for number in samples]
        return list({(row.source, row.row): row for row in rows}.values())
    if selection.source is not None:
        file, number = selection.split_source()
        source = _matching(output.sources, file)
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


def written_view(
    row: WrittenRow, stops: frozenset[int], token_bytes: TokenBytes, origin: Origin
) -> RowView:
    """A written row, with what was counted of it and the row that it was made from."""
    samples = tuple(
        sample_view(i, sample, stops, token_bytes) for i, sample in enumerate(row.samples)
    )
    reject = _reject_of(row.reject) if row.reject else None
    raw = origin.raw(row.source, row.row, row.line)
    notes = {} if reject else origin.counts(row)
    return RowView(row.source, row.row, row.line, samples, reject, raw, notes)


def _reject_of(reject: Mapping[str, Any]) -> tuple[str, str, int | None]:
    return reject["code"], reject["reason"], reject["message"]
