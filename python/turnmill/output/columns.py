"""Between NumPy and Arrow: whole columns, without a copy where there can be none.

``pa.array``, ``fill_null`` and empty tables do the same, and import pandas if it is installed: half
a second of every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def number_column(values: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """A column of numbers; those that are not ``valid`` are null."""
    bits = None if valid is None else _bits(valid)
    data = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [bits, data])


def flag_column(values: npt.NDArray[np.bool_]) -> pa.BooleanArray:
    """A column of truth values."""
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, _bits(values)])


def text_column(values: Sequence[str]) -> pa.StringArray:
    """A column of texts, of less than 2 GB together."""
    encoded = [text.encode() for text in values]
    ends = np.zeros(len(encoded) + 1, np.int32)
    np.cumsum([len(text) for text in encoded], out=ends[1:])
    return _strings(ends, b"".join(encoded))


def repeated(text: str, count: int) -> pa.StringArray:
    """``text``, ``count`` times."""
    encoded = text.encode()
    return _strings(np.arange(count + 1, dtype=np.int32) * len(encoded), encoded * count)


def empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    """A batch of no rows."""
    return pa.RecordBatch.from_arrays([pa.nulls(0, some.type) for some in schema], schema=schema)


def sample_columns(schema: pa.Schema) -> list[str]:
    """The columns of samples; those that wait for a shuffle only say which they will have."""
    said = (schema.metadata or {}).get(b"columns")
    return said.decode().split(",") if said else list(schema.names)


def int64s(column: pa.ChunkedArray | pa.Array, missing: int | None = None) -> npt.NDArray[np.int64]:
    """The numbers of a column of whole numbers, ``missing`` in the place of null."""
    chunks = [np.zeros(0, np.int64)]
    for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
        validity, data = chunk.buffers()
        whole = pa.Array.from_buffers(chunk.type, len(chunk), [None, data], offset=chunk.offset)
        found = np.from_dlpack(whole).astype(np.int64)
        if chunk.null_count and missing is not None:
            bits = np.unpackbits(np.frombuffer(validity, np.uint8), bitorder="little")
            found[bits[chunk.offset :][: len(chunk)] == 0] = missing
        chunks.append(found)
    return np.concatenate(chunks)


def _bits(values: npt.NDArray[np.bool_]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(values, bitorder="little"))


def _strings(ends: npt.NDArray[np.int32], data: bytes) -> pa.StringArray:
    return pa.StringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(data))
