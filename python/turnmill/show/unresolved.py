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
from turnmill.errors import TurnmillError
from turnmill.inputs.find import Input
from turnmill.recipe import Recipe
from turnmill.template import Template
from turnmill.tokenizer import Tokenizer

_UNRESOLVED = {
    "missing-terminator",
    "terminator-not-atomic",
    "unknown-stop-token",
    "unset-terminator",
    "wrong-terminator",
}
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
    except TurnmillError as error:
        if error.code not in _UNRESOLVED or more(error):
            raise
        session, inputs = _ready_with_another_stop(recipe, data, error)
        return session, inputs, f"{error}; shown with what the template ends turns with"


def _ready_with_another_stop(
    recipe: Recipe, data: Any, refusal: TurnmillError
) -> tuple[Session, list[Input]]:
    """A session with the first stop set that fits the template.

    Raises:
        TurnmillError: None does; the refusal.
    """
    for stops in _assumed(recipe):
        try:
            return ready(dataclasses.replace(recipe, stop=stops, eos="ensure"), data)
        except TurnmillError as error:
            if error.code not in _UNRESOLVED:
                raise
    raise refusal


def _assumed(recipe: Recipe) -> Iterator[list[str | int]]:
    """Stop sets that may fit: what the directory stops on, with what the template ends turns with.

    A terminator that is several tokens counts as its last, else as its first.
    """
    assert recipe.tokenizer is not None
    place = locate_tokenizer(recipe.tokenizer)
    tokenizer = Tokenizer(place)
    own = [id_ for id_ in _core.stop_set(tokenizer._core) if tokenizer._token_bytes([id_])[0]]
    template = Template(place if recipe.template is None else recipe.template)
    study = template.study()
    texts = [study["terminator"], study["final_terminator"], *study["role_markers"].values()]
    pieces = [ids for text in texts if (ids := tokenizer.encode(text.strip()).tolist())]
    for at in (-1, 0):
        if stops := list(dict.fromkeys([*own, *(ids[at] for ids in pieces)])):
            yield stops
