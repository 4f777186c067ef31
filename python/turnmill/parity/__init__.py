"""Compares turnmill with transformers, TRL, Axolotl or Unsloth on the user's own rows.

The function imports what it needs, so that `turnmill --help` is fast.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, Unpack

from turnmill._recipe_argument import recipe_of, takes_keys
from turnmill._recipe_keys import EncodingKeys
from turnmill.errors import RecipeError
from turnmill.recipe import Recipe

if TYPE_CHECKING:
    from turnmill.parity.result import Parity

__all__ = ["parity"]


@takes_keys(EncodingKeys)
def parity(
    data: Any,
    recipe: Recipe | None = None,
    *,
    tokenizer: str | os.PathLike[str] | None = None,
    against: Literal["transformers", "trl", "axolotl", "unsloth"] = "transformers",
    rows: int | None = 1000,
    **keys: Unpack[EncodingKeys],
) -> Parity:
    """Renders, tokenizes and masks rows in turnmill and elsewhere, and explains differences.

    Three things are compared for every conversation: the text with `apply_chat_template`, the ids
    of the recipe with those that it gives, and, where the template has `{% generation %}` tags, the
    trained tokens with its assistant mask. Against the others the trained tokens are compared with
    theirs, by their rules as `turnmill.integrations` has them: they need not be installed. A
    difference is explained by the rule under which turnmill counts the row, by the recipe key that
    makes it, or by what the tokens are. A difference that nothing explains is a bug.

    Args:
        data: Anything that :func:`turnmill.prepare` reads.
        recipe: How rows are encoded.
        tokenizer: The tokenizer, as in a recipe.
        against: `"trl"` is `assistant_only_loss`, `"axolotl"` its options by default, `"unsloth"`
            `train_on_responses_only` with the template's own texts as markers.
        rows: How many rows of each input, from its start; all if None.
        **keys: Recipe keys, such as `special_in_content="parse"`; they win over the recipe.

    Returns:
        Counts, causes and the first differences; `print` draws them, and `.ok` says whether
        everything is explained.

    Raises:
        TurnmillError: transformers is not installed.
        RecipeError: `against` is something else, or cannot label with this template, or the rows
            need a decision.
    """
    from turnmill.parity.compare import compare
    from turnmill.parity.others import AGAINST

    if against not in AGAINST:
        message = f"`against` cannot be {against!r}"
        raise RecipeError(message, code="bad-value", hint=f"it takes {', '.join(AGAINST)}")
    return compare(data, recipe_of(recipe, tokenizer, keys), rows, against)
