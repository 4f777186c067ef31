"""What a view pages through: numbered rows of any source, and a filter over them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from turnmill.show.view import RowView
from turnmill.stats.roles import Roles

LEFT_OUT = "left-out"
"""Stands for all rules in a filter: the rows that were left out."""


@dataclass(frozen=True)
class Filter:
    """Which rows are listed; an empty field means any."""

    source: str = ""
    rule: str = ""
    """A rule, or `LEFT_OUT`."""
    least: int | None = None
    """Length in tokens, at least."""
    most: int | None = None
    """Length in tokens, at most."""
    text: str = ""
    """What the text holds."""


class Listing(Protocol):
    """Rows that a view can page through."""

    @property
    def name(self) -> str:
        """What is viewed."""

    @property
    def sources(self) -> list[str]:
        """The names of the inputs."""

    @property
    def rules(self) -> list[str]:
        """Rules by which rows can be filtered."""

    @property
    def roles(self) -> Roles:
        """The headers by which messages are told apart."""

    @property
    def note(self) -> str:
        """The key of a sentence on what cannot be seen; empty if there is none."""

    def candidates(self, wanted: Filter) -> Sequence[int]:
        """The numbers of rows that may pass; found without reading any of them."""

    def looks_inside(self, wanted: Filter) -> bool:
        """Whether candidates must be read to know if they pass."""

    def look(
        self, wanted: Filter, candidates: Sequence[int], at: int
    ) -> Iterator[tuple[int, int | None]]:
        """Reads candidates from a position on.

        Yields:
            After a short time each: the position after what was read, and the number of the row
            before it if that passes.
        """

    def row(self, number: int) -> RowView:
        """The row of a number, for a list."""

    def whole_row(self, number: int) -> RowView:
        """The row of a number with all that is known of it.

        Raises:
            IndexError: There is no such row.
        """


def holds(view: RowView, text: str) -> bool:
    """Whether a row holds a text, in its samples or, if it was left out, as it was read."""
    if not view.samples:
        return text in view.raw
    return any(text in sample.text(0, sample.tokens) for sample in view.samples)


def fits(view: RowView, wanted: Filter) -> bool:
    """Whether a row passes a filter, judged by itself."""
    if wanted.rule == LEFT_OUT and view.reject is None:
        return False
    if wanted.rule and wanted.rule != LEFT_OUT:
        rejected = view.reject is not None and view.reject[0] == wanted.rule
        if not rejected and wanted.rule not in view.notes:
            return False
    longest = max((sample.tokens for sample in view.samples), default=0)
    if wanted.least is not None and longest < wanted.least:
        return False
    if wanted.most is not None and longest > wanted.most:
        return False
    return not wanted.text or holds(view, wanted.text)


def forget(remembered: OrderedDict[Any, Any], most: int) -> None:
    """Leaves the entries that were added last."""
    while len(remembered) > most:
        remembered.popitem(last=False)
