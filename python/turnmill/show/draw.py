"""Draws rows so that one glance shows what is trained and where it ends.

With colour, trained text is green, terminators are reversed and the rest is dim. Without, trained
text is between ``⟦`` and ``⟧``, and a ``■`` follows each terminator.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence

from turnmill._terminal import Terminal, columns_of, count, pad, share, visible, wrap
from turnmill.show.view import Kind, RowView, SampleView, TextRun

OPEN, CLOSE, END = "⟦", "⟧", "■"
_STYLES = {"masked": ("dim",), "trained": ("green",), "terminator": ("bold", "reverse", "green")}
_KEPT = {"masked": (300, 200), "trained": (700, 300), "terminator": (100, 100)}
"""Characters of a long piece that are kept at its start and its end."""
_KEPT_TOKENS = (300, 100)
"""Tokens of a long sample that are drawn with their ids from its start and its end."""
_BETWEEN = " │ "
_INDENT = 3
_STYLED = re.compile(r"\x1b\[[0-9;]*m")
_RAW_SHOWN = 1000
"""Characters of a rejected row that are shown as it was read."""


def draw(
    rows: Sequence[RowView],
    console: Terminal,
    *,
    full: bool = False,
    ids: bool = False,
    side_by_side: bool = False,
    note: str | None = None,
) -> list[str]:
    """The lines of a drawing.

    Args:
        rows: What to draw.
        console: Decides on colour and width.
        full: Whether long texts are drawn whole.
        ids: Whether each token is drawn with its id.
        side_by_side: Whether the row as it was read is drawn beside.
        note: What is special about how they are shown.
    """
    lines: list[str] = []
    body = _with_ids if ids else _beside if side_by_side else _body
    for row in rows:
        lines += [*_row(row, console, body, full=full), ""]
    if any(row.samples for row in rows):
        lines.append(_legend(console, ids=ids))
    if note is None:
        return lines
    text = console.say("note") + console.say(": ") + note
    return lines + wrap(text, console.width, indent="  ")


def _legend(console: Terminal, *, ids: bool) -> str:
    if console.colour:
        words: tuple[tuple[Kind, str], ...] = (
            ("masked", console.say("masked")),
            ("trained", console.say("trained")),
            ("terminator", console.say("terminator (EOS)")),
        )
        return "   ".join(console.style(word, *_STYLES[kind]) for kind, word in words)
    if ids:
        return console.say("text·id   [in brackets] trained")
    return console.say("⟦…⟧ trained   ■ after a trained terminator (EOS)   the rest is masked")


Body = Callable[..., list[str]]
"""Draws a sample: row, sample, console, ``full``."""


def _row(row: RowView, console: Terminal, body: Body, *, full: bool) -> list[str]:
    if row.reject is not None:
        return _rejected(row, console, full=full)
    lines = []
    for sample in row.samples:
        lines += _heading(row, sample, console)
        if row.notes and sample.number == 0:
            notes = wrap(_notes(row, console), console.width)
            lines += [console.style(line, "dim") for line in notes]
        lines += body(row, sample, console, full=full)
    return lines


def _heading(row: RowView, sample: SampleView, console: Terminal) -> list[str]:
    title, *facts = facts_of(row, sample, console)
    return _rule(title, facts, console)


def facts_of(row: RowView, sample: SampleView, console: Terminal) -> list[str]:
    """Which sample it is, its place, its length and how it ends."""
    several = len(row.samples) > 1
    number = console.say("sample {number}", number=sample.number) if several else ""
    which = console.say(", ") + (sample.name or number) if sample.name or number else ""
    trained = console.say(
        "{count} tokens, {share} trained",
        count=count(sample.tokens),
        share=share(sample.trained, sample.tokens),
    )
    title = console.say("row {number}", number=row.row) + which
    return [title, row.place, trained, _ending(sample, console)]


def _notes(row: RowView, console: Terminal) -> str:
    """What was counted of the row, by rule."""
    times = (f"{rule} ({n})" if n > 1 else rule for rule, n in row.notes.items())
    return console.say("noted: {rules}", rules=console.say(", ").join(times))


def _ending(sample: SampleView, console: Terminal) -> str:
    ends = sample.terminators
    if not ends:
        return console.style(console.say("no terminator"), "bold", "red")
    stops = visible(" ".join(sample.ends))
    if ends == 1:
        return console.say("1 turn ends in {stops}", stops=stops)
    return console.say("{count} turns end in {stops}", count=count(ends), stops=stops)


def _rule(title: str, facts: list[str], console: Terminal) -> list[str]:
    """A heading; what does not fit beside it stands on the next line."""
    place, *others = facts
    lines, used = [console.style(f"── {title}", "bold", "cyan")], columns_of(title) + 3
    for fact in (visible(place), *others):
        width = columns_of(_STYLED.sub("", fact)) + 3
        if used + width > console.width and used > _INDENT:
            lines.append(" " * _INDENT + fact)
            used = _INDENT + width - 3
        else:
            lines[-1] += f" · {fact}"
            used += width
    return lines


def _rejected(row: RowView, console: Terminal, *, full: bool) -> list[str]:
    code, reason, message = row.reject or ("", "", None)
    title = console.style(console.say("rejected: {rule}", rule=code), "bold", "yellow")
    where = "" if message is None else console.say("message {number}", number=message)
    where += console.say(": ") if where else ""
    place = console.say("row {number}", number=row.row)
    lines = _rule(place, [row.place, title], console)
    lines += wrap(where + visible(reason), console.width)
    if row.raw:
        raw = visible(row.raw if full else row.raw[:_RAW_SHOWN])
        lines += [console.style(line, "dim") for line in wrap(raw, console.width)]
    return lines


def _body(_row: RowView, sample: SampleView, console: Terminal, *, full: bool) -> list[str]:
    if console.colour:
        text = "".join(_coloured(piece, console, full=full) for piece in sample.pieces)
    else:
        text = _marked(sample.pieces, console, full=full)
    lines = text.split("\n")
    # The line end after the last turn is masked; a blank line for it says nothing.
    return lines[:-1] if lines[-1] == "" else lines


def _with_ids(_row: RowView, sample: SampleView, console: Terminal, *, full: bool) -> list[str]:
    """Each token with its id, those of a long sample from both ends."""
    head, tail = (sample.tokens, 0) if full else _KEPT_TOKENS
    lines = _lines_of_tokens(sample, 0, min(head, sample.tokens), console)
    left_out = sample.tokens - head - tail
    if left_out > 0:
        lines.append(console.say("…{count} more tokens…", count=count(left_out)))
    start = max(head, sample.tokens - tail)
    return lines + _lines_of_tokens(sample, start, sample.tokens, console)


def _lines_of_tokens(sample: SampleView, start: int, stop: int, console: Terminal) -> list[str]:
    lines, line, used = [], "", 0
    for token in sample.sequence(start, stop):
        shown = f"{visible(repr(token.text)[1:-1])}·{token.id}"
        shown = shown if token.kind == "masked" or console.colour else f"[{shown}]"
        width = columns_of(shown) + 1
        if line and used + width > console.width:
            lines.append(line)
            line, used = "", 0
        line += f"{' ' if line else ''}{console.style(shown, *_STYLES[token.kind])}"
        used += width
    return [*lines, line] if line else lines


def _beside(row: RowView, sample: SampleView, console: Terminal, *, full: bool) -> list[str]:
    """The row as it was read on the left, the text on the right."""
    width = (console.columns - len(_BETWEEN)) // 2
    raw = visible(_laid_out(row.raw if full else row.raw[:_RAW_SHOWN]))
    left = [part for line in raw.split("\n") for part in _folded(line, width)]
    right = list(_folded_pieces(sample.pieces, width, console, full=full))
    return [
        f"{pad(one, width)}{_BETWEEN}{other}".rstrip()
        for one, other in itertools.zip_longest(left, right, fillvalue="")
    ]


def _laid_out(raw: str) -> str:
    """Whole JSON over several lines."""
    try:
        return json.dumps(json.loads(raw), indent=2, ensure_ascii=False)
    except ValueError:
        return raw


def _folded(line: str, width: int) -> list[str]:
    """A line cut wherever it is as wide as that: neither Chinese nor ids break at spaces."""
    parts, part, used = [], "", 0
    for character in line:
        columns = columns_of(character)
        if used + columns > width:
            parts.append(part)
            part, used = "", 0
        part += character
        used += columns
    return [*parts, part]


def _folded_pieces(
    pieces: Sequence[TextRun], width: int, console: Terminal, *, full: bool
) -> Iterator[str]:
    """The lines of pieces, each in its style, none wider than that."""
    line, used = "", 0
    for piece in pieces:
        for i, text in enumerate(_marks(piece, console, full=full).split("\n")):
            if i:
                yield line
                line, used = "", 0
            first, *others = _folded(text, width - used) if used < width else ["", text]
            line += console.style(first, *_STYLES[piece.kind])
            used += columns_of(first)
            for other in _folded("".join(others), width) if others else []:
                yield line
                line, used = console.style(other, *_STYLES[piece.kind]), columns_of(other)
    if line:
        yield line


def _marks(piece: TextRun, console: Terminal, *, full: bool) -> str:
    """The text of a piece, marked where there are no colours."""
    text = shortened(piece, console, full=full)
    if console.colour or piece.kind == "masked":
        return text
    return text + END if piece.kind == "terminator" else f"{OPEN}{text}{CLOSE}"


def _coloured(piece: TextRun, console: Terminal, *, full: bool) -> str:
    """A piece in its style, line by line, so that no style continues over a line end."""
    lines = shortened(piece, console, full=full).split("\n")
    return "\n".join(console.style(line, *_STYLES[piece.kind]) for line in lines)


def _marked(pieces: Sequence[TextRun], console: Terminal, *, full: bool) -> str:
    text, inside = "", False
    for piece in pieces:
        trained = piece.kind != "masked"
        if trained != inside:
            text += OPEN if trained else CLOSE
        inside = trained
        text += shortened(piece, console, full=full) + (END if piece.kind == "terminator" else "")
    return text + (CLOSE if inside else "")


def shortened(piece: TextRun, console: Terminal, *, full: bool) -> str:
    """The text of a piece, the middle of a long one left out, with control characters visible."""
    head, tail = _KEPT[piece.kind]
    text = piece.text
    if not full and len(text) > head + tail + 100:
        left_out = len(text) - head - tail
        gap = console.say("…{count} more characters…", count=count(left_out))
        text = f"{text[:head]} {gap} {text[-tail:]}"
    return visible(text)
