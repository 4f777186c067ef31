"""What a terminal can show: colours, width, tables and a progress line.

Colour never carries meaning alone. ``NO_COLOR`` and ``TERM=dumb`` switch it off, ``FORCE_COLOR``
switches it on; a stream that is not a terminal gets none.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TextIO

from turnmill.languages import LANGUAGES, locale_language, sentence

_CODES = {
    "bold": "1",
    "dim": "2",
    "reverse": "7",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "cyan": "36",
}
MAX_WIDTH = 100
"""Prose and tables are at most this wide, even on a wider terminal."""
_ONE = re.compile(
    r"(?<![\w.,])1 ((?:more |trained |replayed )?"
    r"(?:character|conversation|document|pack|row|sample|token|turn))s\b"
)
"""One of what English sentences count in the plural."""
_MAX_COLUMNS = 200
_LEAST_WIDTH = 40


@dataclass(frozen=True)
class Terminal:
    """One output stream and what it can show."""

    stream: TextIO
    colour: bool
    width: int
    live: bool
    """Whether a line can be redrawn: a terminal that is not ``TERM=dumb``."""
    language: str = "en"
    """The language of what is said on it."""
    columns: int = MAX_WIDTH
    """How wide it really is, up to 200 columns, for what stands side by side."""

    def speaking(self, language: str | None) -> Terminal:
        """The same terminal in another language; None changes nothing."""
        return self if language is None else replace(self, language=language)

    def say(self, english: str, **values: Any) -> str:
        """A sentence in the language of the terminal, its names in braces filled in."""
        text = sentence(self.language, english)
        if not values:
            return text
        text = text.format(**values)
        return _ONE.sub(r"1 \1", text) if self.language == LANGUAGES[0] else text

    def style(self, text: str, *names: str) -> str:
        """``text`` in the named styles, such as ``"bold"`` and ``"green"``, or as it is."""
        if not self.colour or not text or not names:
            return text
        return f"\x1b[{';'.join(_CODES[name] for name in names)}m{text}\x1b[0m"

    def write(self, text: str = "") -> None:
        """Writes a line."""
        self.stream.write(text + "\n")
        self.stream.flush()

    def redraw(self, text: str) -> None:
        """Redraws the current line with ``text``, without a line end."""
        self.stream.write("\r\x1b[2K" + text)
        self.stream.flush()


def terminal(
    stream: TextIO | None = None, *, colour: bool | None = None, language: str | None = None
) -> Terminal:
    """The terminal of ``stream`` (standard error by default).

    Args:
        stream: Where the text goes.
        colour: Forces colour on or off; by default the environment and the stream decide.
        language: The language of what is said; by default that of the locale.
    """
    # A process may be started with its streams closed.
    stream = stream or sys.stderr or io.StringIO()
    live = stream.isatty() and os.environ.get("TERM") != "dumb"
    if colour is None:
        colour = _colour_by_environment(live=live)
    columns = shutil.get_terminal_size((MAX_WIDTH, 24)).columns
    width = max(min(columns, MAX_WIDTH), _LEAST_WIDTH)
    most = max(min(columns, _MAX_COLUMNS), _LEAST_WIDTH)
    return Terminal(stream, colour, width, live, language or locale_language(), most)


def silent(language: str = LANGUAGES[0]) -> Terminal:
    """A terminal that nobody sees, for sentences that go elsewhere."""
    return Terminal(io.StringIO(), colour=False, width=MAX_WIDTH, live=False, language=language)


def _colour_by_environment(*, live: bool) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return live or bool(os.environ.get("FORCE_COLOR"))


# Text from the data must not reach the terminal as control codes; half a surrogate pair cannot be
# written at all.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """``text`` with control characters as their pictures or numbers."""
    return _CONTROL.sub(_picture, text.replace("\r\n", "\n"))


def _picture(match: re.Match[str]) -> str:
    code = ord(match.group())
    return chr(0x2400 + code) if code < 0x20 else f"\\u{code:04x}"


def columns_of(text: str) -> int:
    """How many columns ``text`` (without colour codes) takes: wide characters take two."""
    return sum(_character_columns(character) for character in text)


def _character_columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Cf", "Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def clip(text: str, width: int) -> str:
    """``text`` cut to ``width`` columns, with an ellipsis if something is missing."""
    if columns_of(text) <= width:
        return text
    kept, used = [], 1
    for character in text:
        used += _character_columns(character)
        if used > width:
            break
        kept.append(character)
    return "".join(kept) + "…"


def pad(text: str, width: int, *, right: bool = False) -> str:
    """``text`` padded with spaces to ``width`` columns; ``right`` aligns it to the right."""
    fill = " " * max(0, width - columns_of(text))
    return fill + text if right else text + fill


def table(rows: Iterable[Sequence[str]], *, numbers: Sequence[int] = ()) -> list[str]:
    """Rows of cells as aligned lines; the columns in ``numbers`` are aligned to the right."""
    rows = list(rows)
    count = max((len(row) for row in rows), default=0)
    widths = [max(columns_of(row[i]) for row in rows if i < len(row)) for i in range(count)]
    return [
        "  ".join(pad(cell, widths[i], right=i in numbers) for i, cell in enumerate(row)).rstrip()
        for row in rows
    ]


def wrapped_table(
    rows: Iterable[Sequence[str]], width: int, *, numbers: Sequence[int] = ()
) -> list[list[str]]:
    """Rows of cells as aligned lines, each row a list: its last cell is wrapped to fit.

    >>> wrapped_table([("a", "one two three"), ("bb", "four")], 12)
    [['a   one two', '    three'], ['bb  four']]
    """
    rows = [list(row) for row in rows]
    heads = table([[*row[:-1], "|"] for row in rows], numbers=numbers)
    start = max((columns_of(head) for head in heads), default=1) - 1
    wrapped = []
    for head, row in zip(heads, rows, strict=True):
        first, *others = wrap(row[-1], max(width - start, _NARROWEST_CELL))
        wrapped.append([head[:-1] + first, *(" " * start + line for line in others)])
    return wrapped


_NARROWEST_CELL = 8


def wrap(text: str, width: int, *, indent: str = "") -> list[str]:
    """``text`` in lines of at most ``width`` columns, the lines after the first indented.

    Lines break at spaces and between wide characters, but not before the punctuation that follows
    one, nor after a bracket that opens.
    """
    lines: list[str] = []
    line = ""
    for word in text.split():
        gap = " "
        for piece in [word] if word.isascii() else _piece().findall(word):
            candidate = line + gap * bool(line.strip()) + piece
            if columns_of(candidate) > width and line.strip():
                lines.append(line)
                candidate = indent + piece
            line, gap = candidate, ""
    return [*lines, line]


_WIDE = "\u2e80-\u2fff\u3004-\u3007\u3012-\u9fff\uac00-\ud7a3\uf900-\ufaff"
_OPEN, _CLOSE = "（《〈「『【", "），。、；：？！》〉」』】"


@cache
def _piece() -> re.Pattern[str]:
    """What stays on one line: a word, or a wide character with its punctuation.

    Such sets of characters take long to compile, so help pages do without: a line of ASCII needs
    none.
    """
    return re.compile(
        f"[{_OPEN}“‘]*[{_WIDE}][{_CLOSE}”’]*"
        f"|[{_OPEN}]*[^{_WIDE}{_OPEN}{_CLOSE}]+[{_CLOSE}]*"
        f"|[{_OPEN}]+[{_CLOSE}]*|[{_CLOSE}]+"
    )


def count(number: int) -> str:
    """A whole number with thousands separated: ``1,234``."""
    return f"{number:,}"


def short_count(number: float) -> str:
    """A number with three digits: ``950``, ``12.3k``, ``4.56M``, ``7.89G``."""
    for unit in ("", "k", "M", "G"):
        if abs(number) < 999.5 or unit == "G":
            return f"{number:.0f}" if not unit else f"{number:.3g}{unit}"
        number /= 1000
    raise AssertionError


def share(part: float, whole: float) -> str:
    """A share in per cent, exact enough to tell few from none: ``0 %``, ``0.02 %``, ``37 %``."""
    if not whole or not part:
        return "0 %"
    percent = 100 * part / whole
    if percent < 10:
        return f"{percent:.2g} %"
    if 99 < percent < 100:
        return f"{min(percent, 99.9):.1f} %"
    return f"{percent:.0f} %"


def duration(seconds: float) -> str:
    """A time span in two units: ``0.8 s``, ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
