"""The rows of a run that wrote nothing: all of them were rejected."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from turnmill.output.reader import REJECTS
from turnmill.show.select import reject_of
from turnmill.show.view import RowView
from turnmill.stats.roles import Roles
from turnmill.storage.local import read_table
from turnmill.storage.remote import output_path
from turnmill.view.listing import LEFT_OUT, Filter


class RefusedListing:
    """The rejects of a directory that holds nothing else."""

    note = ""
    roles = Roles()

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = str(path)
        self._rejects = read_table(output_path(path) / REJECTS).to_pylist()
        self.sources = list(dict.fromkeys(reject["source"] for reject in self._rejects))
        self.rules = list(dict.fromkeys(reject["code"] for reject in self._rejects))

    def candidates(self, wanted: Filter) -> Sequence[int]:
        """By source and rule; no reject has a length."""
        if wanted.least:
            return []
        return [
            number
            for number, reject in enumerate(self._rejects)
            if wanted.source in {"", reject["source"]}
            and wanted.rule in {"", LEFT_OUT, reject["code"]}
        ]

    def looks_inside(self, wanted: Filter) -> bool:
        """Only for a text."""
        return bool(wanted.text)

    def look(
        self, wanted: Filter, candidates: Sequence[int], at: int
    ) -> Iterator[tuple[int, int | None]]:
        """Searches the reasons."""
        for place, number in enumerate(candidates[at:], at + 1):
            yield place, number if wanted.text in self._rejects[number]["reason"] else None

    def row(self, number: int) -> RowView:
        """A reject with its reason."""
        reject = self._rejects[number]
        return RowView(reject["source"], reject["row"], reject["line"], (), reject_of(reject))

    def whole_row(self, number: int) -> RowView:
        """The same: nothing more is known of it."""
        if not 0 <= number < len(self._rejects):
            raise IndexError(number)
        return self.row(number)
