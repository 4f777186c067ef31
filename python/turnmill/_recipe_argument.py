"""The recipe of a call: a `Recipe`, its keys given by name, or both."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

from turnmill._arguments import kind_of, nearest
from turnmill._recipe_keys import EncodingKeys, RecipeKeys
from turnmill.errors import ArgumentError
from turnmill.recipe import Recipe

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def checked_recipe(recipe: Any) -> Recipe:
    """A recipe.

    Raises:
        ArgumentError: It is something else, such as a dict of its keys.
    """
    if isinstance(recipe, Recipe):
        return recipe
    hint = "give its keys by name, such as tokenizer=…, or turnmill.Recipe.from_toml(PATH)"
    if isinstance(recipe, dict):
        hint = "make one of the dict: turnmill.Recipe(**recipe)"
    message = f"a recipe is a turnmill.Recipe, not {kind_of(recipe)}"
    raise ArgumentError(message, code="invalid-recipe", hint=hint)


def recipe_of(
    recipe: Recipe | None,
    tokenizer: str | os.PathLike[str] | None,
    keys: EncodingKeys | RecipeKeys,
) -> Recipe:
    """The recipe of a call. Keys given by name win over those of a recipe.

    Raises:
        ArgumentError: The recipe is something else.
        RecipeError: A value is not allowed.
    """
    given: dict[str, Any] = {**keys}
    if tokenizer is not None:
        given["tokenizer"] = tokenizer
    if recipe is None:
        return Recipe(**given)
    return dataclasses.replace(checked_recipe(recipe), **given) if given else checked_recipe(recipe)


def takes_keys(
    keys: type[EncodingKeys],
) -> Callable[[Callable[_Arguments, _Result]], Callable[_Arguments, _Result]]:
    """Lets a function take recipe keys by name: its signature lists them, others are refused.

    Args:
        keys: The keys; the function ends in ``**keys: Unpack[…]`` of the same type.
    """
    listed = _parameters(keys.__annotations__)

    def decorate(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
        own = inspect.signature(function)
        *arguments, _ = own.parameters.values()
        names = [parameter.name for parameter in (*arguments, *listed)]

        @functools.wraps(function)
        def checked(*args: _Arguments.args, **given: _Arguments.kwargs) -> _Result:
            for name in given:
                if name not in names:
                    raise _unknown(function.__qualname__.split(".")[0], name, names)
            return function(*args, **given)

        signature = own.replace(parameters=[*arguments, *listed])
        checked.__signature__ = signature  # type: ignore[attr-defined]
        return checked

    return decorate


def _parameters(names: Iterable[str]) -> list[inspect.Parameter]:
    """Keys as arguments that are given by name, each with its default in a recipe."""
    defaults = Recipe()
    return [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=getattr(defaults, name))
        for name in names
    ]


def _unknown(function: str, name: str, names: list[str]) -> ArgumentError:
    near = nearest(name, names)
    hint = f"did you mean `{near}`?" if near else f"help(turnmill.{function}) lists every argument"
    message = f"turnmill.{function} has no argument `{name}`"
    return ArgumentError(message, code="unknown-argument", hint=hint)


def refuse_keys(keys: Mapping[str, Any], why: str, hint: str) -> None:
    """Refuses keys that would change nothing.

    Raises:
        ArgumentError: There are some.
    """
    if keys:
        name = next(iter(keys))
        raise ArgumentError(f"`{name}` changes nothing: {why}", code="unused-argument", hint=hint)
