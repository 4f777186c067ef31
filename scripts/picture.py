"""Draw what commands print in a terminal as an SVG picture.

Usage: ``python scripts/picture.py OUT.svg "turnmill demo" ["turnmill show ..." ...]``. The commands
run one after the other in an empty directory with colour switched on; the picture shows them with
their output. Options: ``--columns N`` (92), ``--lines N`` cuts the picture after N lines.

``docs/demo.svg``, the picture in README, is made by ``make picture``.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

CELL, LINE, MARGIN, FONT = 8.4, 19, 18, 14
COLOURS = {
    30: "#484f58",
    31: "#ff7b72",
    32: "#7ee787",
    33: "#e3b341",
    34: "#79c0ff",
    35: "#d2a8ff",
    36: "#56d4dd",
    37: "#e6edf3",
    90: "#8b949e",
}
INK, DIM, PAPER = "#e6edf3", "#768390", "#0d1117"
ESCAPE = re.compile(r"\x1b\[([0-9;]*)([A-Za-z])")


@dataclass(frozen=True)
class Style:
    """How a run of characters looks."""

    colour: str = INK
    bold: bool = False
    dim: bool = False
    reverse: bool = False

    def after(self, code: int) -> Style:
        """The style after one code of an SGR sequence."""
        if code == 0:
            return Style()
        return replace(
            self,
            colour=COLOURS.get(code, self.colour),
            bold=self.bold or code == 1,
            dim=self.dim or code == 2,
            reverse=self.reverse or code == 7,
        )


def columns(text: str) -> int:
    """Columns that ``text`` takes in a terminal."""
    wide = sum(unicodedata.east_asian_width(character) in {"W", "F"} for character in text)
    hidden = sum(unicodedata.category(character) in {"Mn", "Me", "Cf"} for character in text)
    return len(text) + wide - hidden


def runs(line: str, style: Style) -> Iterator[tuple[str, Style]]:
    """The runs of one style in ``line``."""
    position = 0
    for found in ESCAPE.finditer(line):
        if found.start() > position:
            yield line[position : found.start()], style
        if found[2] == "m":
            for code in found[1].split(";"):
                style = style.after(int(code or 0))
        position = found.end()
    if position < len(line):
        yield line[position:], style


def scripts(text: str) -> Iterator[str]:
    """``text`` cut where wide characters begin or end, because fonts give them different widths."""
    for found in re.finditer(r"[\u2e80-\uffdc]+|[^\u2e80-\uffdc]+", text):
        yield found[0]


def drawn(text: str, style: Style, column: int, row: int) -> str:
    """One run as SVG."""
    x, y = MARGIN + column * CELL, MARGIN + 30 + row * LINE
    width = columns(text) * CELL
    ink = PAPER if style.reverse else DIM if style.dim else style.colour
    weight = ' font-weight="bold"' if style.bold else ""
    box = (
        f'<rect x="{x:.1f}" y="{y - FONT:.1f}" width="{width:.1f}" height="{LINE}" '
        f'fill="{style.colour}"/>'
        if style.reverse
        else ""
    )
    return (
        f'{box}<text x="{x:.1f}" y="{y:.1f}" fill="{ink}"{weight} textLength="{width:.1f}" '
        f'xml:space="preserve">{escape(text, quote=False)}</text>'
    )


def svg(lines: list[str], wide: int) -> str:
    """Terminal lines as a picture."""
    body = []
    for row, line in enumerate(lines):
        column = 0
        for text, style in runs(line, Style()):
            for part in scripts(text):
                if part.strip() or style.reverse:
                    body.append(drawn(part, style, column, row))
                column += columns(part)
    width = 2 * MARGIN + wide * CELL
    height = 2 * MARGIN + 24 + len(lines) * LINE
    fonts = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
            f'width="{width:.0f}" font-family="{fonts}" font-size="{FONT}">',
            f'<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>',
            *body,
            "</svg>\n",
        ]
    )


def output_of(command: str, folder: str, wide: int) -> list[str]:
    """The command after a prompt, and the lines that it prints."""
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(wide), "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode not in {0, 1}:
        sys.exit(f"error: `{command}` ended with {done.returncode}\n{done.stdout}")
    # Of a redrawn line, only the last state is shown.
    printed = [line.rsplit("\r", 1)[-1] for line in done.stdout.rstrip("\n").split("\n")]
    return [f"\x1b[36m$\x1b[0m \x1b[1m{command}\x1b[0m", *printed, ""]


def main() -> None:
    """Runs the commands and writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("picture", type=Path)
    parser.add_argument("command", nargs="+")
    parser.add_argument("--columns", type=int, default=92)
    parser.add_argument("--lines", type=int)
    parser.add_argument("--with", dest="folder", type=Path, help="a folder that the commands find")
    options = parser.parse_args()
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        if options.folder:
            shutil.copytree(options.folder, Path(folder) / options.folder.name)
        for command in options.command:
            lines += output_of(command, folder, options.columns)
    options.picture.write_text(svg(lines[: options.lines], options.columns), "utf-8")


if __name__ == "__main__":
    main()
