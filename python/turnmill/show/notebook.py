"""Rows as HTML, for notebooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from turnmill import _markup
from turnmill._terminal import Terminal, silent
from turnmill.languages import locale_language
from turnmill.show.draw import facts_of, shortened
from turnmill.show.view import RowView


def rows(views: Sequence[RowView], *, note: str | None = None) -> str:
    """Rows, each with its trained tokens marked."""
    console = silent(locale_language())
    parts = [part for view in views for part in _row(view, console)]
    return "".join(parts if note is None else [*parts, f"<p>{_markup.text(note)}</p>"])


def _row(view: RowView, console: Terminal) -> Iterator[str]:
    if view.reject is not None:
        code, reason, _ = view.reject
        row, rule = (
            console.say("row {number}", number=view.row),
            console.say("rejected: {rule}", rule=code),
        )
        yield _markup.heading(f"{row} · {view.place} · {rule}")
        yield f"<p>{_markup.text(reason)}</p>"
        yield _markup.marked([("masked", view.raw[:1000])])
    for sample in view.samples:
        yield _markup.heading(" · ".join(facts_of(view, sample, console)))
        pieces = [(piece.kind, shortened(piece, console, full=False)) for piece in sample.pieces]
        yield _markup.marked(pieces)
