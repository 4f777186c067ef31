"""The columns of a batch, as lists and as flat arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from turnmill.packing.index import lists
from turnmill.rules import IGNORED


def with_columns(batch: pa.RecordBatch, names: tuple[str, ...]) -> pa.RecordBatch:
    """The columns with these names; those that an output may lack are derived.

    Without ``labels`` every token is trained, as in ``text`` documents.
    """
    return pa.RecordBatch.from_arrays([_column(batch, name) for name in names], list(names))


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    if name in batch.schema.names:
        return batch[name]
    ids = batch["input_ids"]
    if name == "labels":
        return ids
    assert name == "attention_mask"
    offsets, values = flat(ids)
    return lists(offsets, np.ones(len(values), np.int8))


@dataclass(frozen=True)
class FlatRows:
    """The rows of a batch, one after another."""

    offsets: npt.NDArray[np.int64]
    """Where the tokens of each row start; one entry more than rows."""
    input_ids: npt.NDArray[np.int32]
    labels: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32] | None
    lengths: npt.NDArray[np.int32]
    """Tokens of each document."""
    documents: npt.NDArray[np.int64]
    """Where the documents of each row start, in ``lengths``; one entry more than rows."""

    @property
    def trained(self) -> npt.NDArray[np.bool_]:
        """Whether each token is trained."""
        mask: npt.NDArray[np.bool_] = self.labels != IGNORED
        return mask


def flat_rows(batch: pa.RecordBatch) -> FlatRows:
    """The rows of a batch of samples, or of packed rows, which have ``seq_lengths``."""
    offsets, input_ids = flat(batch["input_ids"])
    names = batch.schema.names
    labels = flat(batch["labels"])[1] if "labels" in names else input_ids
    weights = flat(batch["weights"])[1] if "weights" in names else None
    if "seq_lengths" in names:
        documents, lengths = flat(batch["seq_lengths"])
    else:
        documents = np.arange(len(offsets), dtype=np.int64)
        lengths = np.diff(offsets).astype(np.int32)
    return FlatRows(offsets, input_ids, labels, weights, lengths, documents)


def flat(column: pa.ListArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    """Where each list starts (one entry more than lists), and the values of all."""
    # Not `to_numpy`, which imports pandas: a quarter of a second.
    offsets = np.from_dlpack(column.offsets).astype(np.int64)
    values = np.from_dlpack(column.values)[offsets[0] : offsets[-1]]
    return offsets - offsets[0], values
