"""Batches of any size become batches of one size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from turnmill.output.columns import number_column

BATCH_ROWS = 1000
"""Samples of a record batch, as the core cuts them."""


class Recut:
    """Cuts batches again. No rows at all give one empty batch, for its schema."""

    def __init__(self, rows: int = BATCH_ROWS) -> None:
        self._rows = rows
        self._waiting: list[pa.RecordBatch] = []
        self._held = 0
        self._cut_any = False

    def add(self, batch: pa.RecordBatch) -> list[pa.RecordBatch]:
        """Takes a batch; returns those that are full."""
        full = []
        while self._held + len(batch) >= self._rows:
            part = batch.slice(0, self._rows - self._held)
            full.append(self._joined(part))
            batch = batch.slice(len(part))
        if len(batch) or not (self._waiting or self._cut_any or full):
            self._waiting.append(batch)
            self._held += len(batch)
        self._cut_any = self._cut_any or bool(full)
        return full

    def add_some(self, batch: pa.RecordBatch, mask: npt.NDArray[np.bool_]) -> list[pa.RecordBatch]:
        """Takes some rows of a batch; returns the batches that are full."""
        rows = np.flatnonzero(mask)
        if 2 * len(rows) < len(batch):
            # A copy: slices of a few rows would keep the whole batch in memory.
            return self.add(batch.take(number_column(rows)))
        edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
        runs = edges.reshape(-1, 2).tolist() or [[0, 0]]
        return [full for a, b in runs for full in self.add(batch.slice(a, b - a))]

    def rest(self) -> list[pa.RecordBatch]:
        """Returns what is left, as one batch."""
        if not self._held and (self._cut_any or not self._waiting):
            return []
        *waiting, last = self._waiting
        self._waiting = waiting
        return [self._joined(last)]

    def _joined(self, part: pa.RecordBatch) -> pa.RecordBatch:
        joined = pa.concat_batches([*self._waiting, part]) if self._waiting else part
        self._waiting, self._held = [], 0
        return joined
