"""Looks at conversations as the trainer will see them.

Functions import what they need, so that `turnmill --help` is fast.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO, Unpack

from turnmill._arguments import position, whole_number
from turnmill._recipe_argument import recipe_of, refuse_keys, takes_keys
from turnmill._recipe_keys import EncodingKeys
from turnmill.recipe import Recipe

if TYPE_CHECKING:
    from turnmill._terminal import Terminal
    from turnmill.show.view import RowView

__all__ = ["Shown", "show"]

_RAW = "name the conversations instead of the output to see what another recipe makes of them"


class Shown(Sequence["RowView"]):
    """Rows to look at, each a ``turnmill.show.view.RowView``; ``print(shown)`` draws them."""

    def __init__(
        self,
        rows: list[RowView],
        *,
        note: str | None = None,
        full: bool = False,
        ids: bool = False,
        side_by_side: bool = False,
    ) -> None:
        self._rows = rows
        self._form = {"full": full, "ids": ids, "side_by_side": side_by_side}
        self.note = note
        """What is special about how they are shown, if anything is."""

    def __getitem__(self, position: Any) -> Any:
        return self._rows[position]

    def __len__(self) -> int:
        return len(self._rows)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return self.text()

    def text(self, *, colour: bool = False, stream: TextIO | None = None) -> str:
        """The rows drawn with markers, or with colours.

        Args:
            colour: Trained tokens green, terminators reversed, masked parts dim.
            stream: The stream it is for, which decides the width.
        """
        import sys

        from turnmill._terminal import terminal

        return self.draw(terminal(stream or sys.stdout, colour=colour))

    def draw(self, console: Terminal) -> str:
        """The rows drawn for a terminal."""
        from turnmill.show.draw import draw

        return "\n".join(draw(self._rows, console, note=self.note, **self._form))

    def _repr_html_(self) -> str:
        from turnmill.show.notebook import rows

        return rows(self._rows, note=self.note)


@takes_keys(EncodingKeys)
def show(
    data: Any,
    recipe: Recipe | None = None,
    *,
    tokenizer: str | os.PathLike[str] | None = None,
    n: int = 3,
    row: int | None = None,
    sample: int | None = None,
    source: str | None = None,
    random: int | None = None,
    seed: int = 0,
    rejected: bool = False,
    rule: str | None = None,
    longest: bool = False,
    shortest: bool = False,
    full: bool = False,
    ids: bool = False,
    side_by_side: bool = False,
    **keys: Unpack[EncodingKeys],
) -> Shown:
    """Shows conversations with their trained tokens, or what became of an input row.

    Args:
        data: Raw conversations (anything :func:`turnmill.prepare` reads), an output directory, or
            rows with ``input_ids`` from any tool.
        recipe: How raw conversations are encoded.
        tokenizer: The tokenizer, as in a recipe; an output directory knows its own.
        n: How many rows, from the start.
        row: Only this input row, from 0.
        sample: The row that gave this sample of an output directory, from 0.
        source: The row at this place, ``"chat.jsonl:12"``: a line from 1, or a row from 0 if
            the file has no lines.
        random: So many rows drawn at random, from all.
        seed: Another seed draws other rows.
        rejected: Rows that were left out; ``n`` says how many. Of data that is not an output the
            first 10,000 rows are searched, here and below.
        rule: Rows that this rule left out, or for which it was counted.
        longest: The longest rows.
        shortest: The shortest rows.
        full: Show long texts whole.
        ids: Draw each token with its id.
        side_by_side: Draw the row as it was read beside the text.
        **keys: Recipe keys, such as ``history="last-turn"``; they win over the recipe.

    Returns:
        The rows; ``print`` draws them.

    Raises:
        DataError: There is no such row.
        ArgumentError: A key is given for data that is tokenized already.
    """
    from turnmill.rules import rule as known_rule
    from turnmill.show import select
    from turnmill.show.written import written_rows

    selection = select.Selection(
        n=position(n, "n"),
        row=position(row, "row"),
        sample=position(sample, "sample"),
        source=source,
        random=None if random is None else whole_number(random, "random", 1, 1_000_000),
        seed=whole_number(seed, "seed", 0, 2**63),
        rejected=rejected,
        rule=None if rule is None else known_rule(rule).name,
        longest=longest,
        shortest=shortest,
    )
    form: dict[str, Any] = {"full": full, "ids": ids, "side_by_side": side_by_side}
    if isinstance(data, str | os.PathLike) and select.is_refused(data):
        rows, note = select.refused_rows(data, selection)
        return Shown(rows, note=note, **form)
    if isinstance(data, str | os.PathLike) and select.is_output(data):
        refuse_keys(keys, "the rows of an output are shown as they were written", _RAW)
        named = tokenizer or recipe_of(recipe, None, {}).tokenizer
        return Shown(written_rows(data, selection, named), **form)
    rows, note = select.seen_rows(data, selection, recipe_of(recipe, tokenizer, keys))
    return Shown(rows, note=note, **form)
