"""Finds the rows that ``show`` was asked for, in raw data or in an output directory."""

from __future__ import annotations

import heapq
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
from turnmill.output.reader import REJECTS, is_output, is_refused
from turnmill.recipe import Recipe
from turnmill.show.origin import raw_text
from turnmill.show.row import NotebookRow
from turnmill.show.tokenized import TokenizedRows, is_tokenized
from turnmill.show.unresolved import ready_to_look
from turnmill.show.view import RowView, sample_views
from turnmill.storage.local import read_table
from turnmill.storage.remote import output_path

__all__ = [
    "Selection",
    "is_output",
    "is_refused",
    "refused_rows",
    "seen_rows",
]

_Item = TypeVar("_Item")

SEARCHED_ROWS = 10_000
"""Rows of raw data that are encoded to find those that are wanted."""


@dataclass(frozen=True)
class Selection:
    """The rows to show."""

    n: int = 3
    row: int | None = None
    sample: int | None = None
    source: str | None = None
    random: int | None = None
    seed: int = 0
    rejected: bool = False
    """Only rows that were left out."""
    rule: str | None = None
    """Only rows that were left out by a rule, or for which it was counted."""
    longest: bool = False
    shortest: bool = False

    def __post_init__(self) -> None:
        names = ("row", "sample", "source", "random", "rejected", "rule", "longest", "shortest")
        given = [name for name in names if getattr(self, name) not in {None, False}]
        if len(given) > 1:
            message = f"{' and '.join(given)} name a row each"
            raise ArgumentError(message, code="several-places", hint="give one of them")

    @property
    def searches(self) -> bool:
        """Whether rows have to be encoded to know which are wanted."""
        return self.rejected or self.rule is not None or self.longest or self.shortest

    def of(self, views: Iterable[RowView]) -> list[RowView]:
        """The wanted ones of rows that were encoded."""
        if self.longest or self.shortest:
            choose = heapq.nlargest if self.longest else heapq.nsmallest
            return choose(self.n, (view for view in views if view.samples), key=_length)
        if self.searches:
            views = islice(filter(self._is_wanted, views), self.n)
        return list(views)

    def _is_wanted(self, view: RowView) -> bool:
        if self.rule is None:
            return view.reject is not None
        return self.rule in view.notes or (view.reject is not None and view.reject[0] == self.rule)

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
    desk = TokenizedRows(recipe)
    views = (desk.view(input_, picked) for input_, picked in _wanted(inputs, selection))
    return _some(selection.of(views), inputs), _searched(selection, None)


def _refuse_sample(selection: Selection) -> None:
    if selection.sample is not None:
        message = "samples are counted in an output of turnmill only"
        raise DataError(message, code="no-such-row", hint="use --row")


def raw_rows(data: Any, selection: Selection, recipe: Recipe) -> tuple[list[RowView], str | None]:
    """Encodes the wanted rows of raw conversations."""
    _refuse_sample(selection)
    session, inputs, note = ready_to_look(recipe, data)
    desk = RawRows(session)
    views = (desk.view(input_, picked) for input_, picked in _wanted(inputs, selection))
    return _some(selection.of(views), inputs), _searched(selection, note)


def _searched(selection: Selection, note: str | None) -> str | None:
    """The note, and how far a search went."""
    if not selection.searches:
        return note
    searched = f"of the first {SEARCHED_ROWS:,} rows; of a written output all are known"
    return searched if note is None else f"{note}; {searched}"


def _length(view: RowView) -> int:
    return max(sample.tokens for sample in view.samples)


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
        reject = reject_of(made.rejects[0]) if made.rejects else None
        samples = sample_views(made.samples, self._stops, self._token_bytes)
        counts = {} if reject else made.counts
        raw = raw_text(picked)
        return NotebookRow(input_.name, picked.row, picked.line, samples, reject, raw, counts)


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
            every = iter(drawn(every, selection.random, selection.seed))
        most = SEARCHED_ROWS if selection.searches else selection.random or selection.n
        yield from islice(every, most)


def drawn(every: Iterable[_Item], number: int, seed: int) -> list[_Item]:
    """So many items at random, in their order; each is as likely as any other."""
    draw, kept = random.Random(seed), list[tuple[int, _Item]]()
    for place, item in enumerate(every):
        if len(kept) < number:
            kept.append((place, item))
        elif (chosen := draw.randrange(place + 1)) < number:
            kept[chosen] = (place, item)
    return [item for _, item in sorted(kept, key=lambda pair: pair[0])]


def _by_name(inputs: list[Input], file: str) -> list[Input]:
    name = matching([input_.name for input_ in inputs], file)
    return [input_ for input_ in inputs if input_.name == name]


def matching(names: list[str], file: str) -> str:
    """The name equal to ``file``, or the only one that ends with it."""
    if file in names:
        return file
    ending = [name for name in dict.fromkeys(names) if Path(name).name == Path(file).name]
    if len(ending) == 1:
        return ending[0]
    message = f"no input is called {file}" if not ending else f"several inputs are called {file}"
    raise DataError(message, code="no-such-row", hint=f"inputs: {', '.join(names[:5])}")


def refused_rows(
    path: str | os.PathLike[str], selection: Selection
) -> tuple[list[RowView], str | None]:
    """The rejects of a run that wrote nothing else, and a note that says so."""
    _refuse_sample(selection)
    place = output_path(path)
    every = read_table(place / REJECTS).to_pylist()
    if selection.source is not None:
        file, number = selection.split_source()
        source = matching([row["source"] for row in every], file)
        every = [row for row in every if row["source"] == source and number == _number(row)]
    elif selection.row is not None:
        every = [row for row in every if row["row"] == selection.row]
    elif selection.random is not None:
        every = drawn(every, selection.random, selection.seed)
    else:
        every = every[: selection.n]
    if not every:
        message = "the run rejected no such row"
        raise DataError(message, code="no-such-row", path=str(place / REJECTS))
    note = f"the run wrote nothing; {place / REJECTS} holds every row that it rejected"
    return [NotebookRow(r["source"], r["row"], r["line"], (), reject_of(r)) for r in every], note


def _number(row: Mapping[str, Any]) -> int:
    """The number of a row in its file: its line, or its row where there are no lines."""
    return int(row["row"] if row["line"] is None else row["line"])


def reject_of(reject: Mapping[str, Any]) -> tuple[str, str, int | None]:
    """Rule, reason and message of a row of the rejects."""
    return reject["code"], reject["reason"], reject["message"]
