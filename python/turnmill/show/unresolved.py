"""Looks at conversations although it is not known on which tokens the server stops."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from turnmill import _core
from turnmill._locate import locate_tokenizer
from turnmill._problems import more
from turnmill.encoder.ready import ready
from turnmill.encoder.session import Session
from turnmill.errors import RecipeError, TokenizerError
from turnmill.inputs.find import Input
from turnmill.recipe import Recipe
from turnmill.template import Template
from turnmill.tokenizer import Tokenizer

_UNRESOLVED = {"unset-terminator", "wrong-terminator"}
"""Errors that say that the stop set and the template do not fit."""


def ready_to_look(recipe: Recipe, data: Any) -> tuple[Session, list[Input], str | None]:
    """A session, the inputs, and a note if the stop set was made to fit.

    A run needs to know where the server stops. To look at rows it is enough to take what the
    template ends turns with.

    Raises:
        TurnmillError: Tokenizer, template or data cannot be used.
        OSError: A file cannot be read.
    """
    try:
        return *ready(recipe, data), None
    except (RecipeError, TokenizerError) as error:
        if error.code not in _UNRESOLVED or more(error) or recipe.stop != "auto":
            raise
        stops = list(dict.fromkeys(_assumed(recipe)))
        if not stops:
            raise
        assumed = dataclasses.replace(recipe, stop=stops)
        session, inputs = ready(assumed, data)
        return session, inputs, f"{error}; shown with what the template ends turns with"


def _assumed(recipe: Recipe) -> Iterator[str | int]:
    """What the tokenizer's directory stops on, and the tokens that the template ends turns with."""
    assert recipe.tokenizer is not None
    place = locate_tokenizer(recipe.tokenizer)
    tokenizer = Tokenizer(place)
    yield from _core.stop_set(tokenizer._core)
    template = Template(place if recipe.template is None else recipe.template)
    study = template.study()
    for text in (study["terminator"], study["final_terminator"]):
        ids = tokenizer.encode(text.strip()).tolist()
        yield from ids[:1]
