"""The loss of a small causal model is the same for samples, padded batches and packed rows.

The model is written in numpy: embeddings, two layers of rotary attention, a head. It takes what a
trainer gives it, so positions, boundaries, labels and masks all count.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import turnmill
from small_rows import TOKENIZER, json_lines
from turnmill import PackedDataset, PaddingCollator, PaddingFreeCollator, SampleDataset

Array = np.ndarray[Any, Any]
WIDTH, VOCABULARY = 8, 4096
MASKED = -100


class Model:
    """A causal model with random weights."""

    def __init__(self) -> None:
        draw = np.random.default_rng(5).normal
        self.embedding = draw(size=(VOCABULARY, WIDTH))
        self.layers = [draw(size=(4, WIDTH, WIDTH)) for _ in range(2)]
        self.head = draw(size=(WIDTH, VOCABULARY))

    def losses(self, ids: Array, labels: Array, positions: Array, seen: Array) -> Array:
        """The loss of each trained token of a row; label ``i + 1`` is predicted at ``i``."""
        state = self.embedding[ids]
        for query, key, value, out in self.layers:
            scores = rotated(state @ query, positions) @ rotated(state @ key, positions).T
            weights = np.exp(np.where(seen, scores - scores.max(1, keepdims=True), -np.inf))
            state = state + np.tanh(weights @ (state @ value) / weights.sum(1, keepdims=True) @ out)
        targets = labels[1:]
        there = np.flatnonzero(targets != MASKED)
        logits = state[there] @ self.head
        chosen = logits[np.arange(len(there)), targets[there]]
        result: Array = np.log(np.exp(logits).sum(1)) - chosen
        return result


def rotated(values: Array, positions: Array) -> Array:
    turns = np.exp(1j * np.outer(positions, 1 / 100.0 ** np.arange(WIDTH // 2)))
    pairs = (values[:, ::2] + 1j * values[:, 1::2]) * turns
    return np.concatenate([pairs.real, pairs.imag], axis=1)


def causal(count: int) -> Array:
    return np.tril(np.ones((count, count), bool))


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("loss")
    (place / "in.jsonl").write_bytes(json_lines(40))
    turnmill.prepare(place / "in.jsonl", place / "out", tokenizer=TOKENIZER)
    turnmill.pack(place / "out", 100)
    return place / "out"


@pytest.fixture(scope="module")
def single(out: Path) -> list[float]:
    """The losses of all samples, each by itself."""
    model, found = Model(), []
    for item in SampleDataset(out):
        count = len(item["input_ids"])
        there = (item["input_ids"], item["labels"], np.arange(count), causal(count))
        found += model.losses(*there).tolist()
    return sorted(found)


@pytest.mark.parametrize("multiple_of", [1, 16])
def test_padded_batches(out: Path, single: list[float], multiple_of: int) -> None:
    data, model, found = SampleDataset(out), Model(), []
    batch = PaddingCollator(data.pad_id or 0, multiple_of=multiple_of)(list(data))
    for ids, labels, mask in zip(*(batch[name] for name in batch), strict=True):
        seen = causal(len(ids)) & (mask == 1)
        found += model.losses(ids, labels, np.arange(len(ids)), seen).tolist()
    assert np.allclose(sorted(found), single)


@pytest.mark.parametrize(
    "how", [{}, {"multiple_of": 64}, {"document_multiple_of": 8, "multiple_of": 16}], ids=repr
)
def test_packed_rows_without_padding(out: Path, single: list[float], how: dict[str, int]) -> None:
    rows, model, found = list(PackedDataset(out / "pack-100-0")), Model(), []
    assert len(rows) < 25
    for first in range(0, len(rows), 3):
        batch = PaddingFreeCollator(pad_id=0, **how)(rows[first : first + 3])
        ends = batch["cu_seqlens"]
        document = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
        seen = causal(len(document)) & (document[:, None] == document)
        columns = (batch[name][0] for name in ("input_ids", "labels", "position_ids"))
        found += model.losses(*columns, seen).tolist()
    assert np.allclose(sorted(found), single)


def test_attention_without_boundaries_is_another_loss(out: Path, single: list[float]) -> None:
    """The comparison sees what it is there to see."""
    model, found = Model(), []
    for row in PackedDataset(out / "pack-100-0"):
        seen = causal(len(row["input_ids"]))
        columns = (row[name] for name in ("input_ids", "labels", "position_ids"))
        found += model.losses(*columns, seen).tolist()
    assert len(found) == len(single)
    assert not np.allclose(sorted(found), single)
