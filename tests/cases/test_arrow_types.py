"""Arrow columns in rarer layouts: read as the values that they hold."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

import turnmill

TOKENIZER = Path(turnmill.__file__).parent / "demo" / "tokenizer"
PROMPTS = ["one", "one", None, "two", "two", "three"]
ANSWERS = ["a", "b", "c", "d", "e", "f"]


def runs(ends: pa.DataType) -> pa.Array:
    values = pa.array(["zero", "one", None, "two", "three"])
    return pa.RunEndEncodedArray.from_arrays(pa.array([1, 3, 4, 6, 7], ends), values)


def dense() -> pa.Array:
    texts = pa.array(["one", "one", None, "two", "two", "three"])
    types = pa.array([0] * len(PROMPTS), pa.int8())
    offsets = pa.array(range(len(PROMPTS)), pa.int32())
    return pa.UnionArray.from_dense(types, offsets, [texts, pa.array([1])])


def sparse() -> pa.Array:
    types = pa.array([0, 1, 1, 0, 0, 1], pa.int8())
    return pa.UnionArray.from_sparse(types, [pa.array(PROMPTS), pa.array(PROMPTS)])


COLUMNS = {
    "runs, 16 bits": lambda: runs(pa.int16())[1:],
    "runs, 32 bits": lambda: runs(pa.int32())[1:],
    "runs, 64 bits": lambda: runs(pa.int64()).slice(1, 6),
    "dense union": dense,
    "sparse union": sparse,
}


def encoded(prompts: pa.Array) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    table = pa.table({"prompt": prompts, "completion": ANSWERS})
    encoded = turnmill.Encoder(tokenizer=TOKENIZER).encode(table)
    return encoded.table.to_pylist(), encoded.rejects.to_pylist()


@pytest.mark.parametrize("layout", COLUMNS)
def test_the_layout_does_not_matter(layout: str) -> None:
    rows, rejects = encoded(COLUMNS[layout]())
    assert (rows, rejects) == encoded(pa.array(PROMPTS))
    assert len(rows) + len(rejects) == len(PROMPTS)
    assert len(rows) >= len(PROMPTS) - 1


def test_a_union_of_texts_and_numbers_gives_each_row_its_value() -> None:
    types = pa.array([0, 1, 0], pa.int8())
    mixed = pa.UnionArray.from_dense(
        types, pa.array([0, 0, 1], pa.int32()), [pa.array(["one", "two"]), pa.array([5])]
    )
    table = pa.table({"prompt": mixed, "completion": ["a", "b", "c"]})
    encoded = turnmill.Encoder(tokenizer=TOKENIZER).encode(table)
    assert [(reject["row"], reject["code"]) for reject in encoded.rejects.to_pylist()] == [
        (1, "non-string-content")
    ]
