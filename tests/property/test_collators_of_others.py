"""Which collators of transformers keep labels, as docs/drop-ins/trl.md says."""

from __future__ import annotations

from typing import Any

import datasets
import numpy as np
import pytest
import transformers

import turnmill
from fixtures import tokenizer_dir

SHORT = {"input_ids": [5, 6, 7, 8], "labels": [-100, -100, 7, 8], "attention_mask": [1] * 4}
LONG = {"input_ids": [5, 6, 7, 8, 9], "labels": [-100, 6, 7, -100, 9], "attention_mask": [1] * 5}


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    loaded = transformers.AutoTokenizer.from_pretrained(tokenizer_dir("small-qwen3"))
    loaded.pad_token = loaded.eos_token
    return loaded


def copies(*rows: dict[str, list[int]]) -> list[dict[str, list[int]]]:
    """Rows that a collator may change."""
    return [{name: list(values) for name, values in row.items()} for row in rows]


@pytest.mark.parametrize("name", ["DataCollatorForSeq2Seq", "DataCollatorForTokenClassification"])
def test_these_keep_labels_and_pad_them(name: str, tokenizer: Any) -> None:
    collate = getattr(transformers, name)(tokenizer, return_tensors="np")
    labels = np.array(collate(copies(SHORT, LONG))["labels"]).tolist()
    assert labels == [[*SHORT["labels"], -100], LONG["labels"]]


def test_flattening_keeps_labels_and_masks_the_first() -> None:
    collate = transformers.DataCollatorWithFlattening(return_tensors="np")
    labels = np.array(collate(copies(SHORT, LONG))["labels"]).tolist()
    assert labels == [SHORT["labels"] + LONG["labels"]]


def test_the_default_collator_keeps_labels_of_rows_of_one_length() -> None:
    batch = transformers.default_data_collator(copies(SHORT, SHORT), return_tensors="np")
    assert batch["labels"].tolist() == [SHORT["labels"]] * 2


def test_padding_alone_does_not_pad_labels(tokenizer: Any) -> None:
    collate = transformers.DataCollatorWithPadding(tokenizer, return_tensors="np")
    assert np.array(collate(copies(SHORT))["labels"]).tolist() == [SHORT["labels"]]
    try:
        labels = collate(copies(SHORT, LONG))["labels"]
    except ValueError:
        return
    assert np.asarray(labels).dtype == object


def test_the_language_modeling_collator_replaces_labels(tokenizer: Any) -> None:
    collate = transformers.DataCollatorForLanguageModeling(
        tokenizer, mlm=False, return_tensors="np"
    )
    assert np.array(collate(copies(SHORT))["labels"]).tolist() == [SHORT["input_ids"]]


@pytest.mark.parametrize("form", [None, "numpy"])
def test_ours_take_rows_of_datasets_in_any_format(form: str | None) -> None:
    rows = datasets.Dataset.from_list(copies(SHORT, LONG)).with_format(form)
    batch = turnmill.PaddingCollator(pad_id=0)([rows[0], rows[1]])
    assert batch["labels"].tolist() == [[*SHORT["labels"], -100], LONG["labels"]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 0], [1] * 5]
    assert batch["input_ids"].dtype == np.int64
