"""Draw the bar chart of README from the table next to it.

Usage: ``python scripts/chart.py README.md docs/speed.svg``. The first table whose header names
``turnmill`` and ``ratio`` is read; a bar is as long as its MB/s. No library: bars are rectangles.
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path

WIDTH, LABEL, BAR, GAP, TOP = 720, 190, 18, 14, 40
OURS, THEIRS, INK = "#2f81f7", "#8b949e", "#6e7781"


def table(text: str) -> list[dict[str, str]]:
    """Rows of the speed table by its header's names."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if "turnmill" in line and "ratio" in line)
    names = cells(lines[start])
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(dict(zip(names, cells(line), strict=True)))
    return rows


def cells(line: str) -> list[str]:
    """The cells of a row of a Markdown table."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def draw(rows: list[dict[str, str]]) -> str:
    """The chart: two bars a row, ours above theirs."""
    speeds = [
        (row, number(row["turnmill"]), number(row["transformers + datasets"])) for row in rows
    ]
    scale = (WIDTH - LABEL - 120) / max(ours for _, ours, _ in speeds)
    parts, y = [], TOP
    for row, ours, theirs in speeds:
        name = f"{row['set']}, {row['cores']} core{'s' if row['cores'] != '1' else ''}"
        parts.append(words(LABEL - 12, y + BAR + 2, name, "end"))
        for colour, speed, note in (
            (OURS, ours, f"{ours:g} MB/s, {row['ratio']}x"),
            (THEIRS, theirs, f"{theirs:g}"),
        ):
            length = max(speed * scale, 1.5)
            bar = f'<rect x="{LABEL}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{colour}"/>'
            parts += [bar, words(LABEL + length + 8, y + 14, note, "start")]
            y += BAR
        y += GAP
    legend = [
        f'<rect x="{LABEL}" y="12" width="12" height="12" fill="{OURS}"/>',
        words(LABEL + 18, 22, "turnmill", "start"),
        f'<rect x="{LABEL + 110}" y="12" width="12" height="12" fill="{THEIRS}"/>',
        words(LABEL + 128, 22, "transformers + datasets", "start"),
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" '
        'role="img" aria-label="Megabytes of messages a second, turnmill beside transformers" '
        'font-family="system-ui, \'DejaVu Sans\', sans-serif" font-size="13">'
    )
    return "\n".join([head, *legend, *parts, "</svg>", ""])


def number(cell: str) -> float:
    """The number at the start of a cell."""
    return float(cell.split(maxsplit=1)[0])


def words(x: float, y: float, text: str, anchor: str) -> str:
    """A line of text."""
    return f'<text x="{x:.1f}" y="{y}" fill="{INK}" text-anchor="{anchor}">{escape(text)}</text>'


if __name__ == "__main__":
    readme, picture = map(Path, sys.argv[1:3])
    picture.write_text(draw(table(readme.read_text("utf-8"))), "utf-8")
