"""Writes what follows from the core's table of recipe keys.

That is the keys of `turnmill.Recipe`, with types and defaults, those of functions that take them by
name, and the tables of docs/recipe.md.

    python scripts/recipe_keys.py

Run it after `make build` when rust/core/src/recipe/keys.rs has changed; a test compares.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

from turnmill.recipe import Key, keys

ROOT = Path(__file__).parents[1]
CLASS = ROOT / "python" / "turnmill" / "recipe.py"
TYPED = ROOT / "python" / "turnmill" / "_recipe_keys.py"
PAGE = ROOT / "docs" / "recipe.md"

CLASS_START = "    # Written by scripts/recipe_keys.py from the core's table of keys.\n"
CLASS_END = "    # End of the keys.\n"

ARGUMENTS = ("inputs", "tokenizer")
"""Keys that functions take as arguments of their own."""
ENCODING = ("model", "data", "training")
"""Groups of keys that decide what becomes of a row."""

HEADINGS = {
    "model": "## Model",
    "data": "## Data",
    "training": "## What is trained",
    "set": "## The set",
    "output": "## Output",
}

TYPES = {
    "any": "Any",
    "text": "str",
    "path": "str | os.PathLike[str]",
    "date": "str | dt.date",
    "switch": "bool",
    "count": "int",
    "number": "int",
    "share": "float",
    "object": "Mapping[str, Any]",
    "names": "Mapping[str, str]",
    "word-or-names": "{words} | Sequence[str]",
    "word-or-tokens": "{words} | Sequence[str | int]",
    "word": "{words}",
    "words": "Sequence[str]",
}


def python_type(key: Key) -> str:
    """The annotation of a key."""
    words = ", ".join(f'"{word}"' for word, _ in key.words)
    named = TYPES[key.form].format(words=f"Literal[{words}]")
    optional = python_default(key) == "None" and key.form != "any"
    return f"{named} | None" if optional else named


def python_default(key: Key) -> str:
    """The default of a key as code; a path that is not named is None."""
    default = key.default
    if default == {}:
        return "field(default_factory=dict)"
    if default is None or default == "":
        return "None"
    if isinstance(default, list):
        return "(" + ", ".join(f'"{item}"' for item in default) + ")"
    return f'"{default}"' if isinstance(default, str) else repr(default)


def docstring(key: Key) -> list[str]:
    """What the key does, and each of its words."""
    lines = textwrap.wrap(key.means, 92)
    if not key.words:
        lines[0] = f'"""{lines[0]}'
        lines[-1] += '"""'
        return lines
    lines[0] = f'"""{lines[0]}'
    lines.append("")
    for word, meaning in key.words:
        text = f"{word}: {meaning}"
        lines += textwrap.wrap(text, 92, subsequent_indent="    ")
    return [*lines, '"""']


def class_keys() -> str:
    """The body of the class."""
    lines: list[str] = []
    for key in keys():
        declared = f"{key.name}: {python_type(key)} = {python_default(key)}"
        lines += [declared, *docstring(key)]
    return "".join(f"    {line}\n" if line else "\n" for line in lines)


def typed_keys(*, encoding: bool) -> str:
    """The entries of a `TypedDict`: keys that decide what becomes of a row, or the others."""
    chosen = (
        key for key in keys() if key.name not in ARGUMENTS and (key.group in ENCODING) == encoding
    )
    return "".join(f"    {key.name}: {python_type(key)}\n" for key in chosen)


def page_table(group: str) -> str:
    """The table of one group for the page, in Markdown."""
    rows = ["| key | values, default first | meaning |", "| --- | --- | --- |"]
    for key in keys():
        if key.group == group:
            values = [f"`{word}`" for word, _ in key.words] if key.form != "words" else []
            values += [key.takes] if key.takes else []
            means = [key.means, *(f"`{word}`: {text}" for word, text in key.words)]
            cells = [f"`{key.name}`", ", ".join(values), "<br>".join(means)]
            rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def between(text: str, start: str, end: str, new: str) -> str:
    """The text with what stands between two marks replaced."""
    head, _, rest = text.partition(start)
    _, found, tail = rest.partition(end)
    if not found:
        raise ValueError(f"no {start!r} … {end!r}")
    return head + start + new + end + tail


def formatted(path: Path, source: str) -> str:
    """The source as `make format` leaves it."""
    ruff = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(path), "-"]
    return subprocess.run(ruff, input=source, capture_output=True, check=True, text=True).stdout


def written() -> dict[Path, str]:
    """Each file as it should be."""
    source = between(CLASS.read_text("utf-8"), CLASS_START, CLASS_END, class_keys())
    typed = TYPED.read_text("utf-8")
    for heading, encoding in (("EncodingKeys", True), ("RecipeKeys", False)):
        start = f"    # {heading}, written by scripts/recipe_keys.py.\n"
        typed = between(typed, start, CLASS_END, typed_keys(encoding=encoding))
    page = PAGE.read_text("utf-8")
    for group, heading in HEADINGS.items():
        start = f"{heading}\n\n<!-- Written by scripts/recipe_keys.py. -->\n\n"
        page = between(page, start, "\n<!-- End. -->\n", page_table(group))
    return {CLASS: formatted(CLASS, source), TYPED: formatted(TYPED, typed), PAGE: page}


if __name__ == "__main__":
    for path, text in written().items():
        path.write_text(text, "utf-8")
