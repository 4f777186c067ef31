"""A trainer's collated batch as an Arrow table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from turnmill.check.reading import COLUMNS, IDS
from turnmill.errors import DataError


def table_of(batch: Any) -> pa.Table:
    """The known columns of a batch, one list for each row.

    Raises:
        DataError: The batch has no ``input_ids``.
    """
    if not isinstance(batch, Mapping) and hasattr(batch, "data"):
        batch = batch.data
    columns = {name: _rows(batch[name]) for name in COLUMNS if name in batch}
    if not any(name in columns for name in IDS):
        message = f"the batch has no input_ids: it holds {', '.join(map(str, batch))}"
        raise DataError(message, code="schema-mismatch")
    return pa.table(columns)


def _rows(values: Any) -> Any:
    """A tensor or nested list as a column of lists; one row where it has one dimension."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    try:
        array = np.asarray(values)
    except ValueError:
        return pa.array([np.asarray(row) for row in values])
    if array.dtype == object:
        return pa.array([np.asarray(row) for row in values])
    if array.ndim == 1:
        array = array[np.newaxis]
    return pa.array(list(array))
