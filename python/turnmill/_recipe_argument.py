"""Checks that an argument is a recipe, before any work."""

from __future__ import annotations

from typing import Any

from turnmill._arguments import kind_of
from turnmill.errors import ArgumentError
from turnmill.recipe import Recipe


def checked_recipe(recipe: Any) -> Recipe:
    """A recipe.

    Raises:
        ArgumentError: It is something else, such as a dict of its keys.
    """
    if isinstance(recipe, Recipe):
        return recipe
    hint = "make one: turnmill.Recipe(tokenizer=…), or turnmill.Recipe.from_toml(PATH)"
    if isinstance(recipe, dict):
        hint = "make one of the dict: turnmill.Recipe(**recipe)"
    message = f"a recipe is a turnmill.Recipe, not {kind_of(recipe)}"
    raise ArgumentError(message, code="invalid-recipe", hint=hint)
