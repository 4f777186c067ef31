"""Lines of JSON that can be entered anywhere, without reading each row before."""

from __future__ import annotations

import dataclasses
import re
from typing import TypeGuard

from turnmill.inputs.files import FileInput, InputPart
from turnmill.inputs.find import Input

_STEP = 1 << 18
"""Bytes of a fine part, or a little more: it ends with a line."""
_BLANK = re.compile(rb"(?:\A|\n)[ \t\r]*\n|\n[ \t\r]+\Z")
_MARK = b"\xef\xbb\xbf"


def counted_rows(input_: Input, part: InputPart) -> int | None:
    """How many rows a part has, if each of its lines is one; ``None`` if that is not sure."""
    if not _is_plain(input_):
        return None
    text = b"".join(block for block, _ in input_.blocks(part))
    if text.startswith(_MARK) or _BLANK.search(text):
        return None
    return text.count(b"\n") + (not text.endswith(b"\n")) if text else 0


def fine_parts(input_: Input, part: InputPart, rows: int) -> list[InputPart] | None:
    """A part in parts of a quarter of a megabyte; ``None`` if not every line of it is a row.

    Args:
        input_: The input.
        part: A part of it.
        rows: How many rows that holds.
    """
    if not _is_plain(input_):
        return None
    starts, lines, at, last = [(part.start, 0)], 0, part.start, b"\n"
    # Whether the file has changed since it was listed is not asked: that would hash all of it.
    for block, _ in input_.blocks(dataclasses.replace(part, content=None)):
        after = 0
        while True:
            wanted = max(starts[-1][0] + _STEP - at, after)
            end = block.find(b"\n", wanted) if wanted < len(block) else -1
            if end < 0:
                break
            lines += block.count(b"\n", after, end + 1)
            after = end + 1
            starts.append((at + after, lines))
        lines += block.count(b"\n", after)
        at, last = at + len(block), block[-1:]
    if lines + (last != b"\n") != rows:
        return None
    stops = [start for start, _ in starts[1:]] + [at]
    return [
        InputPart(start, stop, part.first_row + before, part.first_line + before)
        for (start, before), stop in zip(starts, stops, strict=True)
        if start < stop
    ]


def _is_plain(input_: Input) -> TypeGuard[FileInput]:
    return isinstance(input_, FileInput) and input_.has_plain_lines and not input_.shape
