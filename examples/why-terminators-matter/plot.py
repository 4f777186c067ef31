"""Draws the results as SVG: the losses, which look alike, beside the stop rates, which do not."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

WIDTH, HEIGHT, TOP, LEFT, GAP = 860, 300, 52, 52, 110
PANEL = (WIDTH - LEFT - GAP - 150) // 2
BOTTOM = HEIGHT - 46
INK = "#6e7781"
COLOURS = ("#2da44e", "#cf222e", "#bf8700", "#8250df")
DASHES = ("", "6 3", "2 3", "8 3 2 3")
"""Lines differ in more than colour."""
MOST_LOSS = 4.0


def draw(results: Sequence[dict[str, Any]]) -> str:
    """The picture.

    Args:
        results: One for each training, with ``defect``, ``curve`` and ``stops``.
    """
    defects = list(dict.fromkeys(result["defect"] for result in results))
    parts = [
        _text(LEFT, 24, "loss during the training", weight="bold"),
        _text(_second(), 24, "answers that stop", weight="bold"),
        *_axes(LEFT, [(0, "0"), (2, "2"), (4, "4 nats")], MOST_LOSS, "steps of training"),
        *_axes(_second(), [(0, "0 %"), (0.5, "50 %"), (1, "100 %")], 1, "a dot is a training"),
    ]
    for number, defect in enumerate(defects):
        mine = [result for result in results if result["defect"] == defect]
        parts += _curves(mine, number)
        parts += _dots(mine, number, len(defects))
        y = TOP + 20 + 24 * number
        x = WIDTH - 148
        parts += [_line([(x, y - 4), (x + 26, y - 4)], number, 2.5), _text(x + 34, y, defect)]
    body = "\n".join(parts)
    style = 'role="img" font-family="system-ui, sans-serif" font-size="13"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {style}>'
        f"\n<title>{escape(_title(results, defects))}</title>\n{body}\n</svg>\n"
    )


def _title(results: Sequence[dict[str, Any]], defects: Sequence[str]) -> str:
    """The picture in words."""
    shares = {
        defect: [result["stops"] for result in results if result["defect"] == defect]
        for defect in defects
    }
    said = ", ".join(
        f"{defect} {100 * sum(values) / len(values):.0f} %" for defect, values in shares.items()
    )
    return f"The losses of all trainings fall alike. Answers that stop: {said}."


def _second() -> int:
    return LEFT + PANEL + GAP


def _axes(left: int, ticks: list[tuple[float, str]], most: float, below: str) -> list[str]:
    parts = [_text(left + PANEL // 2, HEIGHT - 14, below, anchor="middle")]
    for value, name in ticks:
        y = _height(value, most)
        parts.append(
            f'<line x1="{left}" x2="{left + PANEL}" y1="{y:.1f}" y2="{y:.1f}" '
            f'stroke="{INK}" stroke-opacity="0.35"/>'
        )
        parts.append(_text(left - 8, y + 4, name, anchor="end"))
    return parts


def _height(value: float, most: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * min(value, most) / most


def _curves(results: Sequence[dict[str, Any]], number: int) -> list[str]:
    lines = []
    for result in results:
        curve = result["curve"]
        points = [
            (LEFT + PANEL * place / max(1, len(curve) - 1), _height(loss, MOST_LOSS))
            for place, loss in enumerate(curve)
        ]
        lines.append(_line(points, number, 1.5))
    return lines


def _dots(results: Sequence[dict[str, Any]], number: int, columns: int) -> list[str]:
    middle = _second() + PANEL * (number + 0.5) / columns
    spread = 7.0
    return [
        f'<circle cx="{middle + spread * (place - (len(results) - 1) / 2):.1f}" '
        f'cy="{_height(result["stops"], 1):.1f}" r="4.5" fill="{COLOURS[number]}"/>'
        for place, result in enumerate(results)
    ]


def _line(points: Sequence[tuple[float, float]], number: int, width: float) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (
        f'<polyline points="{path}" fill="none" stroke="{COLOURS[number]}" '
        f'stroke-width="{width}" stroke-dasharray="{DASHES[number]}"/>'
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" fill="{INK}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{escape(text)}</text>'
    )
