"""A trainer's collated batch as an Arrow table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from turnmill.errors import DataError
from turnmill.inputs.tokenized import COLUMNS, IDS


def table_of(batch: Any) -> pa.Table:
    """The known columns of a batch, with one list for each row.

    Columns of other shapes, such as attention masks of four dimensions, are left out.

    Raises:
        DataError: The batch has no ``input_ids``, labels that are ``None``, a column without
            numbers, or columns of different numbers of rows.
    """
    if not isinstance(batch, Mapping) and hasattr(batch, "data"):
        batch = batch.data
    if isinstance(batch, list | tuple) and batch and isinstance(batch[0], Mapping):
        batch = {name: [row.get(name) for row in batch] for name in batch[0]}
    if not isinstance(batch, Mapping):
        message = f"an object of type {type(batch).__name__} is not a batch"
        raise DataError(message, code="schema-mismatch", hint="give a dict with input_ids")
    if "labels" in batch and batch["labels"] is None:
        raise DataError(
            "the `labels` of the batch are None: nothing would be trained",
            code="schema-mismatch",
            hint="give a label for each id, or leave the key out: every token is taken as trained",
        )
    found = {name: _column(name, batch[name]) for name in COLUMNS if batch.get(name) is not None}
    columns = {name: rows for name, rows in found.items() if rows is not None}
    if not any(name in columns for name in IDS):
        holds = ", ".join(map(str, batch)) or "nothing"
        raise DataError(f"the batch has no input_ids: it holds {holds}", code="schema-mismatch")
    if len({len(rows) for rows in columns.values()}) > 1:
        sizes = ", ".join(f"{name} {len(rows)}" for name, rows in columns.items())
        raise DataError(
            f"the columns have different numbers of rows: {sizes}", code="length-mismatch"
        )
    return pa.table(columns)


def _column(name: str, values: Any) -> Any:
    try:
        return _rows(values)
    except (pa.ArrowException, TypeError, ValueError) as error:
        message = f"`{name}` of the batch does not hold rows of integers: {error}"
        hint = "give a tensor or array of two dimensions, or one list of integers for each row"
        raise DataError(message, code="schema-mismatch", hint=hint) from error


def _rows(values: Any) -> Any:
    """A tensor or nested list as a column of lists; one row if it has one dimension."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        # numpy knows no bfloat16.
        values = (values.float() if values.is_floating_point() else values).numpy()
    try:
        array = np.asarray(values)
    except ValueError:
        return pa.array([_integers(np.asarray(row)) for row in values])
    if array.dtype == object:
        return pa.array([_integers(np.asarray(row)) for row in values])
    if array.ndim == 1:
        array = array[np.newaxis]
    return pa.array(list(_integers(array))) if array.ndim == 2 else None


def _integers(array: np.ndarray) -> np.ndarray:
    """Masks of floats: a token with any weight is trained."""
    return np.ceil(array).astype(np.int64) if array.dtype.kind == "f" else array
