"""Compares turnmill with the installed transformers on the user's own rows.

The function imports what it needs, so that `turnmill --help` is fast.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Unpack

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
    against: str = "transformers",
    rows: int | None = 1000,
    **keys: Unpack[EncodingKeys],
) -> Parity:
    """Renders, tokenizes and masks rows in turnmill and transformers, and explains differences.

    Three things are compared for every conversation: the text with `apply_chat_template`, the ids
    of the recipe with those that it gives, and, where the template has `{% generation %}` tags, the
    trained tokens with its assistant mask. A difference is explained by the rule under which
    turnmill counts the row, or by the recipe key that makes it. A difference that nothing explains
    is a bug.

    Args:
        data: Anything that :func:`turnmill.prepare` reads.
        recipe: How rows are encoded.
        tokenizer: The tokenizer, as in a recipe.
        against: `"transformers"`.
        rows: How many rows of each input, from its start; all if None.
        **keys: Recipe keys, such as `special_in_content="parse"`; they win over the recipe.

    Returns:
        Counts, causes and the first differences; `print` draws them, and `.ok` says whether
        everything is explained.

    Raises:
        TurnmillError: transformers is not installed.
        RecipeError: `against` is something else, or the rows need a decision.
    """
    if against != "transformers":
        message = f"`against` cannot be {against!r}"
        raise RecipeError(message, code="bad-value", hint='it takes "transformers"')
    from turnmill.parity.compare import compare

    return compare(data, recipe_of(recipe, tokenizer, keys), rows)
