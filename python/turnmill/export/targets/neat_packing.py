"""Packed rows as LLaMA-Factory's ``neat_packing`` makes them.

``attention_mask`` holds the number of each token's document, from 1, and 0 where the row is padded.
A row is padded to one token more than ``cutoff_len``, so that every row has padding and flash
attention keeps the mask (``PackedSupervisedDatasetProcessor`` of LLaMA-Factory 0.9.5).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from turnmill.errors import DataError
from turnmill.export.columns import flat_rows
from turnmill.export.source import DataSet
from turnmill.packing.index import lists
from turnmill.packing.rows import positions
from turnmill.rules import IGNORED


def neat_rows(data_set: DataSet, batch: pa.RecordBatch) -> pa.RecordBatch:
    """The packed rows of a batch, padded, with numbered documents.

    Raises:
        DataError: A row is longer than the pack's length (``--over-length alone``).
    """
    assert data_set.length is not None
    rows = flat_rows(batch)
    width = data_set.length + 1
    sizes = np.diff(rows.offsets)
    if len(sizes) and sizes.max() > data_set.length:
        raise _too_long(data_set, int(sizes.max()))
    # Where each token stands in the padded rows, one row after another.
    place = np.arange(len(rows.input_ids)) + np.repeat(
        np.arange(len(sizes)) * width - rows.offsets[:-1], sizes
    )
    pad = (data_set.fact("pad") or {}).get("id", 0)
    columns: dict[str, tuple[npt.NDArray[Any], int]] = {
        "input_ids": (rows.input_ids, pad),
        "attention_mask": (_document_numbers(rows.documents, rows.lengths), 0),
        "position_ids": (positions(rows.lengths), 0),
        "labels": (rows.labels, IGNORED),
    }
    bounds = np.arange(len(sizes) + 1, dtype=np.int64) * width
    padded = {}
    for name, (values, fill) in columns.items():
        whole = np.full(len(sizes) * width, fill, np.int32)
        whole[place] = values
        padded[name] = lists(bounds, whole)
    return pa.RecordBatch.from_pydict(padded)


def _document_numbers(
    documents: npt.NDArray[np.int64], lengths: npt.NDArray[np.int32]
) -> npt.NDArray[np.int64]:
    """For each token the number of its document in its row, from 1."""
    first = np.repeat(documents[:-1], np.diff(documents))
    numbers: npt.NDArray[np.int64] = np.repeat(np.arange(len(lengths)) - first + 1, lengths)
    return numbers


def _too_long(data_set: DataSet, length: int) -> DataError:
    message = f"a row has {length:,} tokens, and neat packing pads all to {data_set.length}"
    hint = "pack again with --over-length reject, or with a greater --length"
    return DataError(message, code="overlong-sample", path=str(data_set.output.path), hint=hint)
