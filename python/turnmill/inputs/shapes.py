"""JSON that is neither one object a line nor one array, as the bytes of an array.

Three shapes: objects one after another that span lines; one object that holds the rows in a list,
``{"data": [...]}``; one object of columns, ``{"prompt": [...], "answer": [...]}``. The first two
are read in constant memory, row by row; an object of columns has to be held as a whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

from turnmill.errors import DataError

Shape = Literal["objects", "wrapped", "columns"]
"""How the rows of an odd JSON file lie in it."""

_PIECE = 1 << 20
"""How much text is passed on at a time."""
_DECODER = json.JSONDecoder(strict=False)
_OPENING = re.compile(r'\s*\{\s*"((?:[^"\\]|\\.)*)"\s*:\s*\[\s*')
_TRIED_LINES = 50
_GAP = re.compile(r"[\s,]*")
_OF_MESSAGES = {"role", "from", "speaker", "content", "value", "parts", "human", "function"}
"""Keys of objects that are messages or tools, and no rows."""
_SEGMENTS = "segments"
"""The key of a row whose objects, of a text and a label, look like rows."""
_WRAPPERS = {"data", "train", "rows", "examples", "items", "instances", "records", "samples"}
"""Keys that hold rows even where other keys stand beside them."""


def shape_of(head: str, *, is_whole: bool) -> Shape | None:
    """The shape of JSON that begins with ``head``; ``None`` for one object a line.

    Args:
        head: The start of a file whose first sign is ``{``.
        is_whole: Whether that is all of it.
    """
    line, newline, rest = head.lstrip().partition("\n")
    first = _value(line)
    if isinstance(first, dict):
        is_only = is_whole and not rest.strip()
        return _of_one(first) if is_only else None
    if _are_lines(rest):
        # One object a line, of which the first is broken.
        return None
    if not newline and not is_whole:
        # The first line does not end within the head: an object of rows, or a long row.
        return "wrapped" if _opens_rows(head) else None
    try:
        value, end = _DECODER.raw_decode(head.lstrip())
    except ValueError:
        return _of_cut(head, is_whole=is_whole)
    alone = is_whole and not head.lstrip()[end:].strip()
    return (_of_one(value) if alone else None) or "objects"


def begins_as_lines(head: str) -> bool:
    """Whether an object stands on the first line and something follows it: one object a line."""
    line, _, rest = head.lstrip().partition("\n")
    return bool(rest.strip()) and isinstance(_value(line), dict)


def _are_lines(text: str) -> bool:
    """Whether one of the first lines is an object by itself."""
    lines = text.split("\n", _TRIED_LINES)[:_TRIED_LINES]
    return any(line.startswith("{") and isinstance(_value(line), dict) for line in lines)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _of_one(value: dict[str, Any]) -> Shape | None:
    """The shape of a file that is one object; ``None`` if the object is a row."""
    lists = {key: item for key, item in value.items() if isinstance(item, list)}
    rows = [key for key, item in lists.items() if key != _SEGMENTS and _are_rows(item)]
    if rows and (len(value) == 1 or rows[0] in _WRAPPERS):
        return "wrapped"
    if _are_columns(list(value.values())):
        return "columns"
    return None


def _are_rows(items: list[Any]) -> bool:
    return bool(items) and all(_is_row(item) for item in items[:4])


def _is_row(item: Any) -> bool:
    return isinstance(item, dict) and bool(item) and not item.keys() & _OF_MESSAGES


def _are_columns(values: list[Any]) -> bool:
    """Whether values are columns of one length, as lists or by index, as pandas writes them."""
    if len(values) == 1:
        return _are_conversations(values[0])
    if not all(values):
        return False
    if all(isinstance(value, dict) for value in values):
        return all(value.keys() == values[0].keys() for value in values) and "0" in values[0]
    if not all(isinstance(value, list) for value in values):
        return False
    # Lists of messages beside each other are the two halves of a row.
    is_of_messages = any(
        isinstance(value[0], dict) and value[0].keys() & _OF_MESSAGES for value in values
    )
    # One tokenized row is lists of numbers, too.
    is_of_numbers = all(isinstance(item, int | float) for value in values for item in value)
    return len({len(value) for value in values}) == 1 and not (is_of_messages or is_of_numbers)


def _are_conversations(column: Any) -> bool:
    """Whether a column that stands alone holds lists of messages: no row has lists of those."""
    if not isinstance(column, list) or not column:
        return False
    firsts = [item[0] if isinstance(item, list) and item else None for item in column]
    return all(isinstance(first, dict) and first.keys() & _OF_MESSAGES for first in firsts)


def _of_cut(head: str, *, is_whole: bool) -> Shape | None:
    """The shape of an object that spans lines and does not end within the head."""
    if is_whole:
        # Broken, or one of many lines: the core says where.
        return "objects" if head.lstrip().startswith(("{\n", "{\r\n")) else None
    if _opens_rows(head):
        return "wrapped"
    return "columns" if _OPENING.match(head) else None


def _opens_rows(head: str) -> bool:
    """Whether the head begins an object whose first list holds rows."""
    opening = _OPENING.match(head)
    if opening is None or opening[1] == _SEGMENTS:
        return False
    try:
        first, _ = _DECODER.raw_decode(head, opening.end())
    except ValueError:
        return False
    return _is_row(first)


def as_array(shape: Shape, blocks: Iterable[str], path: str) -> Iterator[str]:
    """The rows as the text of one JSON array, with the lines that they have in the file.

    Raises:
        DataError: An object of rows or of columns holds something else too.
    """
    readers: dict[Shape, Callable[[_Text, str], Iterator[str]]] = {
        "objects": _objects,
        "wrapped": _wrapped,
        "columns": _columns,
    }
    held: list[str] = []
    size = 0
    for piece in readers[shape](_Text(blocks), path):
        held.append(piece)
        size += len(piece)
        if size > _PIECE:
            yield "".join(held)
            held, size = [], 0
    yield "".join(held)


class _Text:
    """Text that comes in blocks, with a place up to which it was read."""

    def __init__(self, blocks: Iterable[str]) -> None:
        self._blocks = iter(blocks)
        self.held = ""
        self.at = 0

    def more(self) -> bool:
        """Takes one more block; false at the end."""
        block = next(self._blocks, None)
        if block is None:
            return False
        self.held, self.at = self.held[self.at :] + block, 0
        return True

    def skip(self, pattern: re.Pattern[str]) -> str:
        """Reads what matches from here on, over the ends of blocks."""
        found = ""
        while True:
            match = pattern.match(self.held, self.at)
            found += match[0] if match else ""
            self.at = match.end() if match else self.at
            if self.at < len(self.held) or not self.more():
                return found

    def value(self) -> str | None:
        """Reads one JSON value; ``None`` if there is none from here on."""
        while True:
            try:
                _, end = _DECODER.raw_decode(self.held, self.at)
            except (ValueError, RecursionError):
                # Try again with twice the text, so that a long value is not read too often.
                size = len(self.held) - self.at
                while self.more() and len(self.held) < 2 * size:
                    pass
                if len(self.held) - self.at == size:
                    return None
                continue
            found, self.at = self.held[self.at : end], end
            return found

    def rest(self) -> str:
        """Everything that was not read."""
        while self.more():
            pass
        return self.held[self.at :]


def _objects(text: _Text, _path: str) -> Iterator[str]:
    yield "["
    yield _lines(text.skip(_GAP))
    first = True
    while text.at < len(text.held):
        value = text.value()
        if value is None:
            yield ("" if first else ",") + text.rest()
            return
        yield ("" if first else ",") + value
        yield _lines(text.skip(_GAP))
        first = False
    yield "]"


def _lines(gap: str) -> str:
    return "\n" * gap.count("\n")


def _wrapped(text: _Text, path: str) -> Iterator[str]:
    before = _until_rows(text, path)
    yield _lines(before) + "["
    first = True
    while True:
        yield _lines(text.skip(_GAP))
        if text.held.startswith("]", text.at):
            break
        value = text.value()
        if value is None:
            yield ("" if first else ",") + text.rest()
            return
        yield ("" if first else ",") + value
        first = False
    yield "]"
    _refuse_more(before, text.rest()[1:], path)


def _until_rows(text: _Text, path: str) -> str:
    """Reads up to the list of rows; what was read tells how many lines that is."""
    while True:
        for match in re.finditer(r'"(?:[^"\\]|\\.)*"\s*:\s*\[', text.held):
            before = _value(text.held[: match.start()].rstrip().rstrip(",") + "}")
            if isinstance(before, dict):
                text.at = match.end()
                return text.held[: match.end()]
        if not text.more():
            message = "the object holds no list of rows"
            raise DataError(message, code="broken-input", path=path)


def _refuse_more(before: str, rest: str, path: str) -> None:
    """Refuses what follows the list of rows, unless it is plain values."""
    after = _value('{"":0' + rest)
    found = after if isinstance(after, dict) else None
    others = [
        key for key, value in (found or {}).items() if isinstance(value, list | dict) and value
    ]
    if found is not None and not others:
        return
    hint = "give each list of rows a file of its own"
    if others:
        hint += f": {', '.join([*list(_value(before + ']}') or {})[-1:], *others])}"
    message = "something follows the list of rows in the object that holds it"
    raise DataError(message, code="broken-input", path=path, hint=hint)


def _columns(text: _Text, path: str) -> Iterator[str]:
    columns = _value(text.rest())
    if not isinstance(columns, dict) or not _are_columns(list(columns.values())):
        message = "the object is neither a row nor columns of one length"
        hint = "give one object a line, or an array of them"
        raise DataError(message, code="unknown-format", path=path, hint=hint)
    lists = [
        list(column.values()) if isinstance(column, dict) else column for column in columns.values()
    ]
    yield "["
    for index, row in enumerate(zip(*lists, strict=True)):
        yield (",\n" if index else "") + json.dumps(dict(zip(columns, row, strict=True)))
    yield "]"
