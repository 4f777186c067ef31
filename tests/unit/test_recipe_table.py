"""The signature of `turnmill.Recipe`, the page and the flags follow the core's table of keys."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import typing
from pathlib import Path
from types import ModuleType

import pytest

import turnmill
from turnmill.recipe import keys

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script that writes the class and the page."""
    spec = importlib.util.spec_from_file_location("recipe_keys", ROOT / "scripts/recipe_keys.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_class_and_page_are_as_the_table_says(script: ModuleType) -> None:
    for path, text in script.written().items():
        assert path.read_text("utf-8") == text, f"run scripts/recipe_keys.py: {path}"


def test_the_signature_names_every_key_with_its_default() -> None:
    parameters = inspect.signature(turnmill.Recipe).parameters
    assert list(parameters) == [key.name for key in keys()]
    made = turnmill.Recipe()
    for key, parameter in zip(keys(), parameters.values(), strict=True):
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, key.name
        if key.group != "later":
            assert made.to_dict()[key.name] == key.default, key.name


def test_the_words_of_a_key_are_its_type() -> None:
    types = typing.get_type_hints(turnmill.Recipe)
    for key in keys():
        if key.form.startswith("word") and key.form != "words":
            words = [word for word, _ in key.words]
            assert _literals(types[key.name]) == words, key.name


def _literals(type_: object) -> list[str]:
    """The words of the first `Literal` inside a type."""
    if typing.get_origin(type_) is typing.Literal:
        return list(typing.get_args(type_))
    for inner in typing.get_args(type_):
        found = _literals(inner)
        if found:
            return found
    return []


def test_help_explains_every_key() -> None:
    text = inspect.getdoc(turnmill.Recipe.__init__) or ""
    for key in keys():
        assert f"{key.name}: {key.means}" in text


def test_a_recipe_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    core = turnmill._core.Recipe

    def counted(text: str) -> turnmill._core.Recipe:
        read.append(text)
        return core(text)

    monkeypatch.setattr(turnmill._core, "Recipe", counted)
    recipe = turnmill.Recipe(tokenizer="x")
    recipe.to_dict()
    recipe.fingerprint()
    assert len(read) == 1
    dataclasses.replace(recipe, eos="template").to_dict()
    assert len(read) == 2
