"""Rows that are tokenized already, by turnmill or any other tool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from turnmill import _core
from turnmill.errors import RecipeError, TurnmillError
from turnmill.inputs.find import Input, find_inputs
from turnmill.inputs.rows import PickedRow, rows_of
from turnmill.inputs.splits import ALL
from turnmill.inputs.tokenized import ids_of, labels_of, row_of
from turnmill.output.answers import answers
from turnmill.recipe import Recipe
from turnmill.show.row import NotebookRow
from turnmill.show.view import RowView, sample_view, sample_views
from turnmill.tokenizer import Tokenizer


def is_tokenized(data: Any) -> bool:
    """Whether the first row holds ids; what cannot be read is for others to complain of."""
    try:
        inputs = find_inputs(data, ALL)
        first = next((row for input_ in inputs for row in rows_of(input_)), None)
        row = {} if first is None else row_of(first)
        return ids_of(row) is not None or _answers(row)
    except (TurnmillError, OSError, ValueError):
        return False


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
