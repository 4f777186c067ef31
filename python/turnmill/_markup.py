"""Parts of HTML for notebooks. Every text is escaped; colours fit light and dark pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from turnmill._terminal import visible

_STYLES = {
    "masked": "opacity: 0.7",
    "trained": "background: rgba(46, 160, 67, 0.25); text-decoration: underline",
    "terminator": "background: rgba(46, 160, 67, 0.5); font-weight: bold; outline: 1px solid; "
    "display: inline-block; unicode-bidi: isolate",
}


def text(value: object) -> str:
    """A text, with control characters as pictures."""
    return escape(visible(str(value)))


def heading(value: object) -> str:
    """A line above something."""
    return f'<p style="margin: 0.8em 0 0.2em"><strong>{text(value)}</strong></p>'


def marked(pieces: Iterable[tuple[str, str]]) -> str:
    """Pieces of a kind each (``masked``, ``trained``, ``terminator``), as one text."""
    spans = (
        f'<span style="{_STYLES[kind]}">{"■ " if kind == "terminator" else ""}{text(piece)}</span>'
        for kind, piece in pieces
    )
    style = "white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: plaintext"
    return f'<pre dir="auto" style="{style}">{"".join(spans)}</pre>'


def drawn(lines: str) -> str:
    """What is drawn for a terminal, as it is."""
    return f'<pre style="overflow-x: auto; line-height: 1.2">{text(lines)}</pre>'


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; numbers stand to the right."""
    names = "".join(f'<th scope="col" style="text-align: start">{text(name)}</th>' for name in head)
    lines = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table>"


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f'<td style="text-align: end">{value:,}</td>'
    return f'<td style="text-align: start">{text(value)}</td>'
