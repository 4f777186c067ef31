"""The pages of a view: lists of rows, and single rows with their tokens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode

from turnmill._terminal import visible
from turnmill.report.contents import short_names
from turnmill.report.conversation import conversation_of, raw_text
from turnmill.report.page import environment
from turnmill.report.texts import Texts
from turnmill.rules import rules
from turnmill.show.view import RowView, SampleView
from turnmill.view.listing import Filter, Listing

PAGE_ROWS = 10
PAGE_TOKENS = 500
_SECONDS = 0.06
"""How long one answer may search; the page then goes on from where it stopped."""
_COUNTED_TOKENS = 100_000
"""Tokens before a place whose characters are counted to tell its span."""
_STYLES = {"masked": "masked-text", "trained": "trained-text", "terminator": "end-text"}


@dataclass(frozen=True)
class Found:
    """One page of a list."""

    at: int
    """The position among the candidates where it starts."""
    numbers: list[int]
    looked: int
    """Candidates up to where it stopped."""
    total: int
    """All candidates."""
    searched: bool
    """Whether candidates were read to know if they pass."""

    @property
    def next(self) -> int | None:
        """Where the next page starts."""
        return self.looked if self.looked < self.total else None

    @property
    def previous(self) -> int | None:
        """Where the page before starts; not known after a search."""
        return max(self.at - PAGE_ROWS, 0) if self.at and not self.searched else None

    @property
    def searching(self) -> bool:
        """Whether time was up before anything was found."""
        return self.searched and not self.numbers and self.next is not None


def find(listing: Listing, wanted: Filter, at: int) -> Found:
    """The rows of one page.

    Args:
        listing: The rows.
        wanted: Which of them.
        at: The position among the candidates to start from.
    """
    candidates = listing.candidates(wanted)
    total, searched = len(candidates), listing.looks_inside(wanted)
    at = min(at, total)
    if not searched:
        last = min(at + PAGE_ROWS, total)
        return Found(at, [int(candidates[i]) for i in range(at, last)], last, total, searched)
    numbers: list[int] = []
    until = time.monotonic() + _SECONDS
    place = at
    for place, number in listing.look(wanted, candidates, at):  # noqa: B007
        if number is not None:
            numbers.append(number)
        if len(numbers) == PAGE_ROWS or time.monotonic() > until:
            break
    return Found(at, numbers, place, total, searched)


@dataclass(frozen=True)
class ShownToken:
    """A token under the pointer."""

    position: int
    id: int
    label: int
    text: str
    style: str
    span: str
    about: str
    """What the pointer shows."""

    @property
    def quoted(self) -> str:
        """The text with its line ends visible."""
        return repr(self.text)[1:-1]


@dataclass(frozen=True)
class Window:
    """Some of the tokens of a sample."""

    tokens: list[ShownToken]
    first: int
    last: int
    before: int | None
    after: int | None


class Pages:
    """Makes the pages of one listing.

    Args:
        listing: The rows.
        texts: The sentences.
        base: The start of every address.
        with_text: Whether texts of the data are shown.
    """

    def __init__(self, listing: Listing, texts: Texts, base: str, *, with_text: bool) -> None:
        self._listing = listing
        self._texts = texts
        self._base = base
        self._with_text = with_text
        self._short = short_names(listing.sources)
        for name in ("list", "row"):  # so that the first answer does not wait for it
            environment().get_template(f"{name}.html.jinja")

    def list(self, wanted: Filter, at: int) -> str:
        """The rows that pass a filter, from a position on."""
        if not self._with_text:
            wanted = Filter(wanted.source, wanted.rule, wanted.least, wanted.most)
        found = find(self._listing, wanted, at)
        rows = [(number, self._listing.row(number)) for number in found.numbers]
        return self._render(
            "list",
            page=found,
            rows=rows,
            wanted=wanted,
            short=self._short,
            link=lambda at: self._link(wanted, at),
            goes_on=self._link(wanted, found.looked) if found.searching else None,
        )

    def row(self, number: int, token: int) -> str:
        """One row, its tokens from a position on.

        Raises:
            IndexError: There is no such row.
        """
        row = self._listing.whole_row(number)
        return self._render(
            "row",
            number=number,
            is_last=number + 1 == len(self._listing.candidates(Filter())),
            row=row,
            tokens=lambda sample: self._window(sample, token),
        )

    def wrong(self) -> str:
        """The page for an address that is not one."""
        return self._render("view")

    def failed(self, what: str) -> str:
        """The page that says what went wrong."""
        return self._render("view", failure=what)

    def _render(self, name: str, **values: Any) -> str:
        template = environment().get_template(f"{name}.html.jinja")
        own: dict[str, Any] = {
            "t": self._texts,
            "base": self._base,
            "listing": self._listing,
            "with_text": self._with_text,
            "conversation": lambda one: conversation_of(one, self._listing.roles),
            "raw_text": raw_text,
            "place": self._place,
            "reason": self._reason,
            "goes_on": None,
            "failure": None,
        }
        return template.render({**own, **values})

    def _place(self, row: RowView) -> str:
        source = visible(self._short.get(row.source, row.source))
        if row.line is None:
            return self._texts("place-row", source=source, row=f"{row.row:,}")
        return self._texts("place-line", source=source, line=f"{row.line:,}")

    def _reason(self, row: RowView) -> str:
        """Why a row was left out; without texts what its rule means, because reasons may quote."""
        assert row.reject is not None
        rule, reason, _ = row.reject
        if self._with_text:
            return reason
        return self._texts.rule(rules()[rule]).meaning if rule in rules() else rule

    def _link(self, wanted: Filter, at: int) -> str:
        given = {key: value for key, value in asdict(wanted).items() if value not in ("", None)}
        return f"{self._base}/?{urlencode({**given, 'at': at})}"

    def _window(self, sample: SampleView, token: int) -> Window:
        first = max(0, min(token, sample.tokens - 1))
        last = min(first + PAGE_TOKENS, sample.tokens)
        return Window(
            list(self._tokens(sample, first, last)),
            first,
            last,
            max(0, first - PAGE_TOKENS) if first else None,
            last if last < sample.tokens else None,
        )

    def _tokens(self, sample: SampleView, first: int, last: int) -> Iterator[ShownToken]:
        start = len(sample.text(0, first)) if first <= _COUNTED_TOKENS else None
        for position, token in enumerate(sample.sequence(first, last), first):
            about = {"position": position, "id": token.id, "label": token.label}
            span = ""
            if start is not None:
                end = start + len(token.text)
                span = f"{start}–{end}"
                shown = self._texts("view-token", **about, start=start, end=end)
                start = end
            else:
                shown = self._texts("view-token-far", **about)
            yield ShownToken(
                **about,
                text=visible(token.text),
                style=_STYLES[token.kind],
                span=span,
                about=shown,
            )
