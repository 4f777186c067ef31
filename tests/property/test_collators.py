"""Batches against the items that they were made of, and against the collators of transformers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import DataCollatorWithFlattening

from turnmill import ArgumentError, DataError, PaddingCollator, PaddingFreeCollator

MASKED = -100
documents = st.lists(st.tuples(st.integers(1, 999), st.booleans()), min_size=1, max_size=12)


def item_of(documents: list[list[tuple[int, bool]]], *, weights: bool, packed: bool) -> Any:
    """A sample, or a packed row, of documents given as tokens and whether they are trained."""
    flat = [pair for document in documents for pair in document]
    item = {
        "input_ids": np.array([token for token, _ in flat], np.int32),
        "labels": np.array([token if on else MASKED for token, on in flat], np.int32),
    }
    if weights:
        item["weights"] = np.array([token / 999 if on else 0 for token, on in flat], np.float32)
    if packed:
        item["seq_lengths"] = np.array([len(document) for document in documents], np.int32)
    return item


@given(
    rows=st.lists(documents, min_size=1, max_size=5),
    multiple_of=st.integers(1, 9),
    spare=st.none() | st.integers(0, 5),
    side=st.sampled_from(["right", "left"]),
    weights=st.booleans(),
)
def test_padding_hides_nothing_and_trains_nothing(
    rows: Any, multiple_of: int, spare: int | None, side: Any, weights: bool
) -> None:
    items = [item_of([row], weights=weights, packed=False) for row in rows]
    longest = max(len(row) for row in rows)
    length = None if spare is None else longest + spare
    batch = PaddingCollator(7, multiple_of=multiple_of, length=length, side=side)(items)
    width = batch["input_ids"].shape[1]
    least = longest if length is None else length
    assert width % multiple_of == 0
    assert least <= width < least + multiple_of
    for row, item in enumerate(items):
        there = batch["attention_mask"][row] == 1
        size = len(item["input_ids"])
        at = np.flatnonzero(there)
        assert at.tolist() == list(range(size) if side == "right" else range(width - size, width))
        for name in item:
            assert batch[name][row, there].tolist() == item[name].tolist()
        assert set(batch["input_ids"][row, ~there].tolist()) <= {7}
        assert set(batch["labels"][row, ~there].tolist()) <= {MASKED}
        assert not weights or not batch["weights"][row, ~there].any()
    types = {name: str(values.dtype) for name, values in batch.items()}
    assert types.pop("weights", "float32") == "float32"
    assert set(types.values()) == {"int64"}


@given(
    rows=st.lists(st.lists(documents, min_size=1, max_size=4), min_size=1, max_size=4),
    multiple_of=st.integers(1, 9),
    document_multiple_of=st.integers(1, 5),
    spare=st.none() | st.integers(0, 5),
    weights=st.booleans(),
)
def test_padding_free_keeps_every_document(
    rows: Any, multiple_of: int, document_multiple_of: int, spare: int | None, weights: bool
) -> None:
    items = [item_of(row, weights=weights, packed=True) for row in rows]
    whole = [document for row in rows for document in row]
    rooms = [-(-len(d) // document_multiple_of) * document_multiple_of for d in whole]
    length = None if spare is None else sum(rooms) + spare
    collator = PaddingFreeCollator(
        7,
        multiple_of=multiple_of,
        length=length,
        document_multiple_of=document_multiple_of,
    )
    batch = collator(items)
    ends = batch["cu_seqlens"].tolist()
    width = batch["input_ids"].shape[1]
    least = sum(rooms) if length is None else length
    assert width % multiple_of == 0
    assert least <= width < least + multiple_of
    assert (ends[0], ends[-1]) == (0, width)
    assert len(ends) - 1 == len(whole) + (width > sum(rooms))
    assert batch["max_seqlen"] == max(np.diff(ends))
    assert batch["seq_lengths"].tolist() == [len(document) for document in whole]
    padding = np.ones(width, bool)
    for document, start, end in zip(whole, ends, ends[1:], strict=False):
        assert (end - start) % document_multiple_of == 0
        single = item_of([document], weights=weights, packed=False)
        inside = slice(start, start + len(document))
        padding[inside] = False
        assert batch["input_ids"][0, inside].tolist() == single["input_ids"].tolist()
        assert batch["labels"][0, inside].tolist() == [MASKED, *single["labels"].tolist()[1:]]
        assert batch["position_ids"][0, start:end].tolist() == list(range(end - start))
        if weights:
            assert batch["weights"][0, inside].tolist() == [0, *single["weights"].tolist()[1:]]
    assert set(batch["input_ids"][0, padding].tolist()) <= {7}
    assert set(batch["labels"][0, padding].tolist()) <= {MASKED}


@given(rows=st.lists(documents, min_size=1, max_size=5))
def test_padding_free_is_what_transformers_makes(rows: Any) -> None:
    items = [item_of([row], weights=False, packed=False) for row in rows]
    theirs = DataCollatorWithFlattening(return_flash_attn_kwargs=True, return_tensors="np")(
        [{name: values.tolist() for name, values in item.items()} for item in items]
    )
    ours = PaddingFreeCollator(transformers=True)(items)
    assert ours.keys() == theirs.keys()
    for name, values in theirs.items():
        assert np.array_equal(ours[name], values), name
        assert type(ours[name]) is type(values)
        if hasattr(values, "dtype"):
            assert (ours[name].dtype, ours[name].shape) == (values.dtype, values.shape)


def test_what_does_not_fit_is_told_and_not_cut() -> None:
    long = item_of([[(1, True)] * 9], weights=False, packed=False)
    for collator in (PaddingCollator(0, length=8), PaddingFreeCollator(length=8)):
        with pytest.raises(DataError, match="9 tokens do not fit into 8"):
            collator([long])
    packed = item_of([[(1, True)] * 3, [(2, True)] * 2], weights=False, packed=True)
    with pytest.raises(DataError, match="cannot keep the documents"):
        PaddingCollator(0)([packed])
    one = item_of([[(1, True)] * 3], weights=False, packed=True)
    assert PaddingCollator(0)([one])["input_ids"].tolist() == [[1, 1, 1]]


@pytest.mark.parametrize(
    "how",
    [{"multiple_of": 0}, {"length": "8"}, {"tensors": "jax"}, {"pad_id": -1}],
    ids=repr,
)
def test_arguments_that_cannot_be(how: dict[str, Any]) -> None:
    for class_ in (PaddingCollator, PaddingFreeCollator):
        with pytest.raises(ArgumentError):
            class_(**{"pad_id": 0, **how})
    with pytest.raises(ArgumentError):
        PaddingCollator(0, side="middle")


def test_what_no_batch_is_made_of() -> None:
    for collator in (PaddingCollator(0), PaddingFreeCollator()):
        with pytest.raises(ArgumentError, match="no item"):
            collator([])
        batch = collator([{"input_ids": [5, 6, 7]}])  # without labels all are trained
        assert batch["labels"][0, 1:].tolist() == [6, 7]
