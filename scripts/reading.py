"""Writes `docs/reading.md` from the shapes that the tests read.

Usage: ``python scripts/reading.py``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from cases import answers, shapes  # noqa: E402

INTRODUCTION = """\
# How rows are read

A row is read by its schema into a conversation, and the conversation's wire format is put right, as
the engines that serve models do it before they render a prompt: both sides must see the same. Each
change is counted under a rule (`turnmill check --explain RULE`). With `wire = "keep"` the row stays
as it is, as transformers takes it.

This page is made from the rows of the tests (`tests/cases/shapes.py`) by `scripts/reading.py`.

## Files

Read are JSON Lines, a JSON array, objects over several lines, one object that holds the rows
(`{"data": [...]}`) or their columns (`{"prompt": [...], "answer": [...]}`), CSV and TSV, Parquet
and Arrow IPC. JSON and tables may be UTF-8, UTF-16 or UTF-32, and in gzip, zstd, bzip2 or xz. `-`
is standard input, which is kept in a temporary file.

What a file is, its first bytes tell; only a table of text must be called `.csv` or `.tsv` (or, for
example, `.csv.gz`). Its first line names the columns. Every cell is text, so that `007` stays
`007`; messages in it are JSON text. An empty cell is null. Quotes that are never closed, and rows
that are longer or shorter than the first line, stop the run. Rows are counted from 0 after the
header, as in Parquet: `--source FILE:ROW`.

All of them take constant memory, except an object of columns: it is
held as a whole. A directory with several splits needs `split`, by the rules of `datasets`.
"""

SEGMENTS = """\
A row of the schema `segments` is a list of texts as the model reads them, each with a `label` (or a
weight: `train`, `loss`, `weight`) that says whether it is trained, as in Axolotl's `input_output`:

```json
{"segments": [
  {"label": false, "text": "<|im_start|>user\\n2+3<|im_end|>\\n<|im_start|>assistant\\n"},
  {"label": true, "text": "5<|im_end|>"}
]}
```

There is no template. Each text is tokenized by itself, so the ids are those that tokenizers gives
for it alone, without special tokens around it. Control tokens in it are control tokens, whatever
`special_in_content` says: whoever wrote the segment wrote the format. Nothing is inserted.

A turn runs from a trained segment to the next trained one that ends in a stop token. Segments
between them that are not trained are gaps in it. The last trained segment must end in a stop token,
or the row is rejected (`missing-terminator`). So is a row with a trained stop token in the middle
of a segment (`premature-terminator`; `special_in_content = "parse"` allows it), and one over
`max_length`, because no part of it may be cut off.
"""

JUDGED = """\
What becomes of them, and which trainers read it: [preference](preference.md).
"""

NULL_CONTENT = """\
## Calls that a template prints only where the content is none

The template of DeepSeek-V3 prints the calls of a turn only where `message['content'] is none`. No
message has such a content: transformers 5.24 drops keys that are null before a template sees them,
and a missing content beside calls is read as an empty one. The calls are not printed, and the row
is rejected as `turn-lost`. turnmill does not hand this template a none, for two reasons. A server
that renders with transformers prints no call either, so the model would be trained on prompts that
it never gets. And after a single call that template prints neither the mark that closes calls nor
the eos, so that the turn would have no stop token. Use a template that prints calls (`--template`),
the same one in training and on the server.
"""


def page() -> str:
    """The page."""
    parts = [
        INTRODUCTION,
        "## Schemas\n",
        _table(shapes.SCHEMAS),
        "## Segments\n",
        SEGMENTS,
        "## Answers that are judged\n",
        JUDGED,
        _answers([*answers.PAIRS, *answers.LABELLED]),
        "## Wire formats\n",
        _table(shapes.WIRE),
        NULL_CONTENT,
        "## Rows that are left out\n",
        _refused([*shapes.REFUSED, *(shapes.Refused(*refused) for refused in answers.REFUSED)]),
    ]
    return "\n".join(parts)


def _table(rows: list[shapes.Shape]) -> str:
    lines = ["| shape | row | conversation | counted as |", "| --- | --- | --- | --- |"]
    for shape in rows:
        read = shape.messages if shape.tools is None else [*shape.messages, {"tools": shape.tools}]
        counted = ", ".join(f"`{rule}`" for rule in shape.rules)
        lines.append(f"| {shape.what} | {_code(shape.row)} | {_code(read)} | {counted} |")
    return "\n".join(lines) + "\n"


def _answers(rows: list[answers.Judged]) -> str:
    lines = ["| shape | row | prompt | answers | counted as |", "| --- | --- | --- | --- | --- |"]
    for shape in rows:
        read = shape.answers if shape.label is None else [*shape.answers, {"label": shape.label}]
        counted = ", ".join(f"`{rule}`" for rule in shape.rules)
        cells = [shape.what, _code(shape.row), _code(shape.prompt), _code(read), counted]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _refused(rows: list[shapes.Refused]) -> str:
    lines = ["| shape | row | rule |", "| --- | --- | --- |"]
    lines += [f"| {row.what} | {_code(row.row)} | `{row.rule}` |" for row in rows]
    return "\n".join(lines) + "\n"


def _code(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False).replace("|", "\\|")
    return f"`{text}`"


if __name__ == "__main__":
    (ROOT / "docs" / "reading.md").write_text(page(), "utf-8")
