"""Draws rows so that one glance shows what is trained and where it ends.

With colour, trained text is green, terminators are reversed and the rest is dim. Without, trained
text is between ``⟦`` and ``⟧``, and a ``■`` follows each terminator.
"""

from __future__ import annotations

from collections.abc import Sequence

from turnmill._terminal import Terminal, count, share, visible, wrap
from turnmill.show.view import Piece, RowView, SampleView

OPEN, CLOSE, END = "⟦", "⟧", "■"
_STYLES = {"masked": ("dim",), "trained": ("green",), "terminator": ("bold", "reverse", "green")}
_KEPT = {"masked": (300, 200), "trained": (700, 300), "terminator": (100, 100)}
"""Characters of a long piece that are kept at its start and its end."""
_RAW_SHOWN = 1000
"""Characters of a rejected row that are shown as it was read."""


def draw(
    rows: Sequence[RowView], console: Terminal, *, full: bool = False, note: str | None = None
) -> list[str]:
    """The lines of a drawing.

    Args:
        rows: What to draw.
        console: Decides on colour and width.
        full: Whether long texts are drawn whole.
        note: What is special about how they are shown.
    """
    lines: list[str] = []
    for row in rows:
        lines += [*_row(row, console, full=full), ""]
    if any(row.samples for row in rows):
        lines.append(_legend(console))
    return lines if note is None else lines + wrap(f"note: {note}", console.width, indent="  ")


def _legend(console: Terminal) -> str:
    if console.colour:
        words = (("masked", "masked"), ("trained", "trained"), ("terminator", "terminator (EOS)"))
        return "   ".join(console.style(word, *_STYLES[kind]) for kind, word in words)
    return f"{OPEN}…{CLOSE} trained   {END} after a trained terminator (EOS)   the rest is masked"


def _row(row: RowView, console: Terminal, *, full: bool) -> list[str]:
    if row.reject is not None:
        return _rejected(row, console, full=full)
    lines = []
    for sample in row.samples:
        lines.append(_heading(row, sample, console))
        if row.notes and sample.number == 0:
            lines += [console.style(line, "dim") for line in wrap(_notes(row), console.width)]
        lines += _body(sample, console, full=full)
    return lines


def _heading(row: RowView, sample: SampleView, console: Terminal) -> str:
    which = f", sample {sample.number}" if len(row.samples) > 1 else ""
    trained = f"{count(sample.tokens)} tokens, {share(sample.trained, sample.tokens)} trained"
    return _rule(f"row {row.row}{which}", [row.place, trained, _ending(sample, console)], console)


def _notes(row: RowView) -> str:
    """What was counted of the row, by rule."""
    times = (f"{rule} ({n})" if n > 1 else rule for rule, n in row.notes.items())
    return f"noted: {', '.join(times)}"


def _ending(sample: SampleView, console: Terminal) -> str:
    ends = sample.terminators
    if not ends:
        return console.style("no terminator", "bold", "red")
    turns = "1 turn ends" if ends == 1 else f"{count(ends)} turns end"
    return f"{turns} in {visible(' '.join(sample.ends))}"


def _rule(title: str, facts: list[str], console: Terminal) -> str:
    place, *others = facts
    return (
        f"{console.style('── ' + title, 'bold', 'cyan')} · {' · '.join([visible(place), *others])}"
    )


def _rejected(row: RowView, console: Terminal, *, full: bool) -> list[str]:
    code, reason, message = row.reject or ("", "", None)
    title = console.style(f"rejected: {code}", "bold", "yellow")
    where = "" if message is None else f"message {message}: "
    lines = [_rule(f"row {row.row}", [row.place, title], console)]
    lines += wrap(where + visible(reason), console.width)
    if row.raw:
        raw = visible(row.raw if full else row.raw[:_RAW_SHOWN])
        lines += [console.style(line, "dim") for line in wrap(raw, console.width)]
    return lines


def _body(sample: SampleView, console: Terminal, *, full: bool) -> list[str]:
    if console.colour:
        text = "".join(_coloured(piece, console, full=full) for piece in sample.pieces)
    else:
        text = _marked(sample.pieces, full=full)
    lines = text.split("\n")
    # The line end after the last turn is masked; a blank line for it says nothing.
    return lines[:-1] if lines[-1] == "" else lines


def _coloured(piece: Piece, console: Terminal, *, full: bool) -> str:
    """A piece in its style, line by line, so that no style continues over a line end."""
    lines = _shortened(piece, full=full).split("\n")
    return "\n".join(console.style(line, *_STYLES[piece.kind]) for line in lines)


def _marked(pieces: Sequence[Piece], *, full: bool) -> str:
    text, inside = "", False
    for piece in pieces:
        trained = piece.kind != "masked"
        if trained != inside:
            text += OPEN if trained else CLOSE
        inside = trained
        text += _shortened(piece, full=full) + (END if piece.kind == "terminator" else "")
    return text + (CLOSE if inside else "")


def _shortened(piece: Piece, *, full: bool) -> str:
    head, tail = _KEPT[piece.kind]
    text = piece.text
    if not full and len(text) > head + tail + 100:
        left_out = len(text) - head - tail
        text = f"{text[:head]} …{count(left_out)} more characters… {text[-tail:]}"
    return visible(text)
