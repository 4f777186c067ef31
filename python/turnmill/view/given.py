"""Raw conversations and rows that other tools tokenized: each row is encoded when it is seen."""

from __future__ import annotations

import bisect
import itertools
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from turnmill.errors import TurnmillError
from turnmill.inputs.files import FileInput, InputPart
from turnmill.inputs.find import Input, find_inputs, repeatable
from turnmill.inputs.lines import counted_rows, fine_parts
from turnmill.inputs.rows import FARTHEST_ROW, ColumnarRows, PickedRow, rows_in
from turnmill.recipe import Recipe
from turnmill.rules import rules
from turnmill.show.select import RawRows
from turnmill.show.tokenized import TokenizedRows, is_tokenized
from turnmill.show.unresolved import ready_to_look
from turnmill.show.view import RowView
from turnmill.stats.roles import Roles, roles_of
from turnmill.template import Template
from turnmill.tokenizer import Tokenizer
from turnmill.view.listing import Filter, fits, forget

_REMEMBERED = 2
"""Parts of inputs, of 64 MB each, whose rows are kept."""
_REMEMBERED_FINE = 8
"""Parts of a quarter of a megabyte whose rows are kept."""


@dataclass(frozen=True)
class _Stretch:
    """Rows of one part, and the number of the first of them over all inputs."""

    input: Input
    part: InputPart
    first: int
    rows: int | None = None
    """How many, once it is known."""


class GivenListing:
    """The rows of inputs, one after another."""

    def __init__(self, data: Any, recipe: Recipe) -> None:
        data = repeatable(data)
        self._desk: RawRows | TokenizedRows
        if is_tokenized(data):
            inputs = find_inputs(data, recipe.split)
            self._desk = TokenizedRows(recipe)
            self.roles = _roles(recipe, self._desk.tokenizer)
        else:
            session, inputs, _ = ready_to_look(recipe, data)
            self._desk = RawRows(session)
            self.roles = roles_of(session.facts(), session.tokenizer())
        self._rows: OrderedDict[int, Sequence[PickedRow]] = OrderedDict()
        self._fine: dict[int, list[InputPart] | None] = {}
        self._fine_rows: OrderedDict[tuple[int, int], list[PickedRow]] = OrderedDict()
        self.sources = [input_.name for input_ in inputs]
        self.name = ", ".join(self.sources[:3])
        self.note = ""
        self._stretches, self._total = self._survey(inputs)
        self.rules = [name for name in rules() if isinstance(self._desk, RawRows)]

    def _survey(self, inputs: list[Input]) -> tuple[list[_Stretch], int]:
        """Where the rows of each part start. Only the last part of an input is read for that."""
        found: list[_Stretch] = []
        total = 0
        for input_ in inputs:
            _, parts = input_.survey(threading.Event())
            found += [
                _Stretch(input_, part, total + part.first_row, after.first_row - part.first_row)
                for part, after in itertools.pairwise(parts)
            ]
            first = total + parts[-1].first_row
            rows = counted_rows(input_, parts[-1])
            found.append(_Stretch(input_, parts[-1], first, rows))
            if rows is None:
                self._rows[len(found) - 1] = self._read(found[-1])
                rows = len(self._rows[len(found) - 1])
            total = first + rows
        return found, total

    def _read(self, stretch: _Stretch) -> Sequence[PickedRow]:
        """The rows of a part; of a file that cannot be entered in the middle, the first ones."""
        input_ = stretch.input
        if input_.columnar:
            return ColumnarRows(input_, stretch.part)
        rows = rows_in(input_, stretch.part)
        if not isinstance(input_, FileInput) or input_.has_plain_lines:
            return list(rows)
        some = list(itertools.islice(rows, FARTHEST_ROW + 1))
        if len(some) > FARTHEST_ROW:
            self.note = "view-first-rows"
        return some[:FARTHEST_ROW]

    def candidates(self, wanted: Filter) -> Sequence[int]:
        """By source: its rows stand together."""
        if not wanted.source:
            return range(self._total)
        firsts = [one.first for one in self._stretches if one.input.name == wanted.source]
        after = [one.first for one in self._stretches if firsts and one.first > firsts[-1]]
        return range(firsts[0], min(after, default=self._total)) if firsts else []

    def looks_inside(self, wanted: Filter) -> bool:
        """For all but the source."""
        return wanted != Filter(source=wanted.source)

    def look(
        self, wanted: Filter, candidates: Sequence[int], at: int
    ) -> Iterator[tuple[int, int | None]]:
        """Encodes one row after another."""
        for place in range(at, len(candidates)):
            number = candidates[place]
            yield place + 1, number if fits(self.row(number), wanted) else None

    def row(self, number: int) -> RowView:
        """A row, encoded."""
        place = bisect.bisect_right([one.first for one in self._stretches], number) - 1
        stretch = self._stretches[place]
        rows, first = self._rows_near(place, number - stretch.first + stretch.part.first_row)
        return self._desk.view(stretch.input, rows[number - stretch.first - first])

    def _rows_near(self, place: int, row: int) -> tuple[Sequence[PickedRow], int]:
        """Rows of a stretch among which one is, and the number in it of their first."""
        stretch = self._stretches[place]
        if place not in self._fine:
            fine = fine_parts(stretch.input, stretch.part, stretch.rows) if stretch.rows else None
            self._fine[place] = fine
        parts = self._fine[place]
        if parts is None:
            if place not in self._rows:
                self._rows[place] = self._read(stretch)
                forget(self._rows, _REMEMBERED)
            return self._rows[place], 0
        part = parts[bisect.bisect_right([one.first_row for one in parts], row) - 1]
        key = (place, part.start)
        if key not in self._fine_rows:
            self._fine_rows[key] = list(rows_in(stretch.input, part))
            forget(self._fine_rows, _REMEMBERED_FINE)
        return self._fine_rows[key], part.first_row - stretch.part.first_row

    def whole_row(self, number: int) -> RowView:
        """The same: nothing more is known of it."""
        if not 0 <= number < self._total:
            raise IndexError(number)
        return self.row(number)


def _roles(recipe: Recipe, tokenizer: Tokenizer) -> Roles:
    """The roles of the template that tokenized rows are said to have, or of the tokenizer's own."""
    try:
        source = Template(recipe.template or tokenizer.path).source
    except TurnmillError:
        return Roles()
    return roles_of({"template": {"source": source}}, tokenizer)
