"""Rows that are tokenized already, by turnmill or any other tool."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from turnmill import _core
from turnmill.inputs.rows import PickedRow
from turnmill.rules import IGNORED

COLUMNS = tuple(name for name, _ in _core.token_columns())
"""Columns of tokenized data; others are not read."""
IDS = tuple(name for name, means in _core.token_columns() if means == "ids")
_MASKS = tuple(name for name, means in _core.token_columns() if means == "mask")
"""Columns that mark trained tokens with 1, where there are no labels."""


def row_of(picked: PickedRow) -> Mapping[str, Any]:
    """A row as a dict; an empty one if it is something else.

    Raises:
        ValueError: It is not JSON.
    """
    if isinstance(picked.data, pa.RecordBatch):
        row: Any = pa.Table.from_batches([picked.data]).to_pylist()[0]
    else:
        row = json.loads(picked.data) if isinstance(picked.data, bytes) else picked.data
    return row if isinstance(row, Mapping) else {}


def ids_of(row: Mapping[str, Any]) -> list[int] | None:
    """The ids of a row; None if it has none."""
    found = next((row[name] for name in IDS if row.get(name) is not None), None)
    if found is None or isinstance(found, str):
        return None
    ids = list(found)
    return ids if all(hasattr(id_, "__index__") for id_ in ids) else None


def labels_of(row: Mapping[str, Any], ids: list[int]) -> list[int]:
    """The labels of a row; ids where a mask says 1, or everywhere if there is none."""
    labels = row.get("labels")
    if labels is None:
        mask = next((row[name] for name in _MASKS if row.get(name) is not None), None)
        mask = row.get("attention_mask") if mask is None else mask
        kept = [True] * len(ids) if mask is None else list(mask)
        labels = [id_ if keep else IGNORED for id_, keep in zip(ids, kept, strict=False)]
    found = list(labels)[: len(ids)]
    return found + [IGNORED] * (len(ids) - len(found))


def documents_of(row: Mapping[str, Any], length: int) -> list[tuple[int, int]]:
    """Where the documents of a row begin and end; a row that is not packed is one."""
    if row.get("seq_lengths") is not None:
        starts, place = [], 0
        for size in row["seq_lengths"]:
            starts.append(place)
            place += size
    elif row.get("position_ids") is not None:
        starts = [i for i, position in enumerate(row["position_ids"]) if position == 0]
    else:
        starts = [0]
    starts = sorted({0, *(start for start in starts if start < length)})
    return list(zip(starts, [*starts[1:], length], strict=True))
