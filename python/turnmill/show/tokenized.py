"""Rows that are tokenized already, by turnmill or any other tool."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from turnmill import _core
from turnmill.errors import RecipeError, TurnmillError
from turnmill.inputs.find import Input, find_inputs
from turnmill.inputs.rows import PickedRow, rows_of
from turnmill.inputs.splits import ALL
from turnmill.output.answers import answers
from turnmill.recipe import Recipe
from turnmill.rules import IGNORED
from turnmill.show.row import NotebookRow
from turnmill.show.view import RowView, sample_view, sample_views
from turnmill.tokenizer import Tokenizer

IDS = tuple(name for name, means in _core.token_columns() if means == "ids")
MASKS = tuple(name for name, means in _core.token_columns() if means == "mask")
"""Columns that mark trained tokens with 1, where there are no labels."""


def is_tokenized(data: Any) -> bool:
    """Whether the first row holds ids; what cannot be read is for others to complain of."""
    try:
        inputs = find_inputs(data, ALL)
        first = next((row for input_ in inputs for row in rows_of(input_)), None)
        row = {} if first is None else row_of(first)
        return ids_of(row) is not None or _answers(row)
    except (TurnmillError, OSError, ValueError):
        return False


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


class TokenizedRows:
    """Reads single rows with ids to be looked at.

    Raises:
        RecipeError: The recipe names no tokenizer.
    """

    def __init__(self, recipe: Recipe) -> None:
        if not recipe.tokenizer:
            hint = "add --tokenizer with the directory of the tokenizer that made them"
            raise RecipeError(
                "the rows are ids, and no tokenizer is named", code="no-tokenizer", hint=hint
            )
        self.tokenizer = Tokenizer(recipe.tokenizer)
        self._stops = _stop_ids(recipe, self.tokenizer)

    def view(self, input_: Input, picked: PickedRow) -> RowView:
        """The view of a row of an input."""
        return _view(input_, picked, self._stops, self.tokenizer)


def _stop_ids(recipe: Recipe, tokenizer: Tokenizer) -> frozenset[int]:
    """What ends turns: as the recipe says, else what a server of the tokenizer's directory does."""
    named = None if isinstance(recipe.stop, str) else list(recipe.stop)
    return frozenset(_core.stop_set(tokenizer._core, named))


def _view(input_: Input, picked: PickedRow, stops: frozenset[int], tokenizer: Tokenizer) -> RowView:
    row = row_of(picked)
    if _answers(row):
        views = sample_views([row], stops, tokenizer._token_bytes)
        return NotebookRow(input_.name, picked.row, picked.line, views)
    ids = ids_of(row)
    if ids is None:
        reject = ("invalid-ids", f"the row has no ids; its keys: {', '.join(row)}", None)
        return NotebookRow(input_.name, picked.row, picked.line, reject=reject)
    sample = {"input_ids": ids, "labels": labels_of(row, ids)}
    view = sample_view(0, sample, stops, tokenizer._token_bytes)
    return NotebookRow(input_.name, picked.row, picked.line, (view,))


def _answers(row: Mapping[str, Any]) -> bool:
    """Whether the row holds ids of answers that are judged."""
    return bool(answers([name for name, value in row.items() if value is not None]))


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
        mask = next((row[name] for name in MASKS if row.get(name) is not None), None)
        mask = row.get("attention_mask") if mask is None else mask
        kept = [True] * len(ids) if mask is None else list(mask)
        labels = [id_ if keep else IGNORED for id_, keep in zip(ids, kept, strict=False)]
    found = list(labels)[: len(ids)]
    return found + [IGNORED] * (len(ids) - len(found))
