"""Rows as HTML, for notebooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from turnmill import _markup
from turnmill._terminal import count, share, silent
from turnmill.show.draw import shortened
from turnmill.show.view import RowView


def rows(views: Sequence[RowView], *, note: str | None = None) -> str:
    """Rows, each with its trained tokens marked."""
    parts = [part for view in views for part in _row(view)]
    return "".join(parts if note is None else [*parts, f"<p>{_markup.text(note)}</p>"])


def _row(view: RowView) -> Iterator[str]:
    if view.reject is not None:
        code, reason, _ = view.reject
        yield _markup.heading(f"row {view.row} · {view.place} · rejected: {code}")
        yield f"<p>{_markup.text(reason)}</p>"
        yield _markup.marked([("masked", view.raw[:1000])])
    for sample in view.samples:
        trained = f"{count(sample.tokens)} tokens, {share(sample.trained, sample.tokens)} trained"
        ends = f"{count(sample.terminators)} terminators" if sample.terminators else "no terminator"
        yield _markup.heading(f"row {view.row} · {view.place} · {trained} · {ends}")
        pieces = [(piece.kind, shortened(piece, silent(), full=False)) for piece in sample.pieces]
        yield _markup.marked(pieces)
