"""Rows of an output in which answers are judged: the sequences that a trainer makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from turnmill import _core
from turnmill.rules import IGNORED

SIDES = ("chosen", "rejected")
SCHEMAS = tuple(_core.judging_schemas())
"""The schemas whose rows judge their answers; each has columns of its own."""

PAIRED = ("prompt_ids", "chosen_ids", "rejected_ids")
"""The columns of TRL's DPO trainer."""
WHOLE = ("chosen_ids", "rejected_ids")
"""The columns of TRL's reward trainer: both begin with the prompt."""
JUDGED = ("prompt_ids", "completion_ids", "label")
"""The columns of TRL's KTO trainer."""
LABELLED = tuple(
    f"{side}_{name}" for side in SIDES for name in ("input_ids", "labels", "attention_mask")
)
"""The columns of LLaMA-Factory's pairwise training."""
COLUMNS = tuple(dict.fromkeys((*PAIRED, *LABELLED, "completion_ids")))
"""Every column that holds ids or labels of answers."""


@dataclass(frozen=True)
class Answer:
    """One sequence of a row, with the columns that it is made of."""

    name: str
    """Which answer it is, such as ``chosen``."""
    prompt: str | None
    """The column of what comes before it, which is not trained."""
    ids: str
    labels: str | None = None
    """The column of its labels; without one, all of ``ids`` is trained."""
    other: str | None = None
    """The column of the other answer, if what both begin with is their prompt."""


def answers(columns: Sequence[str]) -> list[Answer]:
    """The sequences in rows with these columns; none if no answers are judged."""
    if all(f"{side}_input_ids" in columns for side in SIDES):
        return [Answer(side, None, f"{side}_input_ids", f"{side}_labels") for side in SIDES]
    if all(name in columns for name in PAIRED):
        return [Answer(side, "prompt_ids", f"{side}_ids") for side in SIDES]
    if all(name in columns for name in WHOLE):
        chosen, rejected = WHOLE
        return [
            Answer("chosen", None, chosen, other=rejected),
            Answer("rejected", None, rejected, other=chosen),
        ]
    if "prompt_ids" in columns and "completion_ids" in columns:
        return [Answer("answer", "prompt_ids", "completion_ids")]
    return []


def samples(row: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The sequences of a row, each with its name, as samples with ``input_ids`` and ``labels``.

    A row without judged answers is one sample without a name.
    """
    found = answers([name for name, value in row.items() if value is not None])
    if not found:
        return [("", dict(row))]
    return [(_named(answer, row), sample_of(answer, row)) for answer in found]


def _named(answer: Answer, row: Mapping[str, Any]) -> str:
    """The name of the answer; of one that stands alone, what its label says."""
    label = row.get("label")
    if answer.name in SIDES or label is None:
        return answer.name
    return "good answer" if label else "bad answer"


def sample_of(answer: Answer, row: Mapping[str, Any]) -> dict[str, Any]:
    """One answer of a row as ``input_ids`` and ``labels``."""
    prompt = list(row[answer.prompt]) if answer.prompt else []
    ids = list(row[answer.ids])
    labels = list(row[answer.labels]) if answer.labels else list(ids)
    if answer.other:
        shared = _shared(ids, row[answer.other])
        labels[:shared] = [IGNORED] * shared
    return {"input_ids": prompt + ids, "labels": [IGNORED] * len(prompt) + labels}


def _shared(ids: Sequence[int], other: Sequence[int]) -> int:
    """How many ids both begin with; the last one belongs to the answers, if nothing differs."""
    most = min(len(ids), len(other)) - 1
    return next((i for i in range(most) if ids[i] != other[i]), max(most, 0))


def sequence(answer: Answer, batch: pa.RecordBatch) -> pa.RecordBatch:
    """One answer of each row as ``input_ids`` and ``labels``."""
    ids = _lists(batch[answer.ids])
    if answer.prompt is not None:
        prompt = _lists(batch[answer.prompt])
        masked = _filled(prompt, IGNORED)
        columns = [_joined(prompt, ids), _joined(masked, ids)]
    elif answer.labels is not None:
        columns = [ids, _lists(batch[answer.labels])]
    elif answer.other is not None:
        rows = batch.select([answer.ids, answer.other]).to_pylist()
        labels = [sample_of(answer, row)["labels"] for row in rows]
        columns = [ids, pa.array(labels, ids.type)]
    else:
        columns = [ids, ids]
    return pa.RecordBatch.from_arrays(columns, ["input_ids", "labels"])


def _lists(column: pa.Array) -> pa.Array:
    return column.cast(pa.large_list(pa.int64()))


def _filled(lists: pa.Array, value: int) -> pa.Array:
    """Lists of the same lengths that hold one value."""
    values = np.full(len(lists.values), value, np.int64)
    return pa.LargeListArray.from_arrays(lists.offsets, pa.array(values), mask=lists.is_null())


def _joined(first: pa.Array, second: pa.Array) -> pa.Array:
    """The lists of one column, each followed by that of the other."""
    rows = len(first)
    alternating = np.arange(2 * rows).reshape(2, rows).T.ravel()
    lists = pa.concat_arrays([first, second]).take(pa.array(alternating))
    return pa.LargeListArray.from_arrays(lists.offsets[::2], lists.values)
