"""Conversations that stand in the data more than once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

RULE = "duplicate-conversation"


class Repeated:
    """Counts the rows whose conversation stood in the data before, in any input."""

    def __init__(self, keep: int) -> None:
        self.count = 0
        self.places: list[dict[str, Any]] = []
        """The first of them."""
        self._keep = keep
        self._first: dict[bytes, tuple[str, int]] = {}

    def see(self, path: str, index: Iterable[Any]) -> None:
        """Looks at the next batches of the index of an input."""
        for batch in map(pa.record_batch, index):
            names = ("conversation", "row", "line", "sample")
            for conversation, row, line, sample in zip(
                *(batch[name].to_pylist() for name in names), strict=True
            ):
                if not sample:
                    self._see(conversation, path, row, line)

    def _see(self, conversation: bytes, path: str, row: int, line: int | None) -> None:
        if conversation not in self._first:
            self._first[conversation] = (path, row)
            return
        self.count += 1
        if len(self.places) < self._keep:
            file, first = self._first[conversation]
            note = f"the same as row {first} of {file}"
            self.places.append({"file": path, "row": row, "line": line, "note": note})
