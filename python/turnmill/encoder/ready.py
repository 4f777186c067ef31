"""Makes a recipe ready and finds its inputs; what is wrong with both is told together."""

from __future__ import annotations

from typing import Any

from turnmill._problems import Problems
from turnmill.encoder.inspect import detect_schema
from turnmill.encoder.session import Session
from turnmill.errors import TemplateError
from turnmill.inputs.find import Input, find_inputs
from turnmill.recipe import Recipe
from turnmill.template import Template


def ready(recipe: Recipe, data: Any, *, now: str | None = None) -> tuple[Session, list[Input]]:
    """A session, and the inputs that `data` names.

    Args:
        recipe: How to make samples from rows.
        data: What is read, as for `turnmill.prepare`.
        now: The date that templates see if the recipe names none.

    Raises:
        TurnmillError: Tokenizer, template, stop set or data cannot be used. Whatever else is known
            to be wrong is in its `more`.
        OSError: A file cannot be read; likewise.
    """
    problems = Problems()
    session, inputs = None, []
    with problems:
        session = Session(recipe, now=now)
    with problems:
        inputs = find_inputs(data, recipe.split)
    if session is None:
        _look_without(recipe, inputs, problems)
    problems.tell()
    assert session is not None
    return session, inputs


def _look_without(recipe: Recipe, inputs: list[Input], problems: Problems) -> None:
    """What can be known to be wrong although there is no session: the template and the schemas."""
    if recipe.template is not None and not isinstance(problems.found[0], TemplateError):
        with problems:
            Template(recipe.template)
    if recipe.schema == "auto" and not recipe.fields:
        for input_ in inputs:
            with problems:
                detect_schema(input_)
