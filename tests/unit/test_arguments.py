"""Calls with arguments that they cannot take: each error names the argument and says what fits."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest

import turnmill
from turnmill import ArgumentError
from turnmill.recipe import keys

TOKENIZER = Path(turnmill.__file__).parent / "demo" / "tokenizer"
KEYS: Any = {"tokenizer": str(TOKENIZER)}
RECIPE = turnmill.Recipe(**KEYS)
ROWS = [{"text": "to be"}]
ENCODING = {"model", "data", "training"}
"""Groups of keys that decide what becomes of a row."""
ODD: Any = 5
NONE: Any = None


def encoder() -> turnmill.Encoder:
    return turnmill.Encoder(RECIPE)


THREADED: dict[str, Callable[[Path, Any], Any]] = {
    "prepare": lambda out, threads: turnmill.prepare(ROWS, out, RECIPE, threads=threads),
    "encode": lambda _, threads: encoder().encode(ROWS, threads=threads),
    "check": lambda _, threads: turnmill.check(ROWS, tokenizer=TOKENIZER, threads=threads),
    "encode_batch": lambda _, threads: turnmill.Tokenizer(TOKENIZER).encode_batch(
        ["a"], threads=threads
    ),
}


@pytest.mark.parametrize("threads", [-1, 0, 1.5, "2", True, 10**30, math.nan])
@pytest.mark.parametrize("call", THREADED.values(), ids=THREADED)
def test_threads(tmp_path: Path, call: Callable[[Path, Any], Any], threads: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^threads cannot be ") as raised:
        call(tmp_path / "out", threads)
    hint = "threads takes a whole number from 1 to 65,535, or None for all cores"
    assert raised.value.hint == hint
    assert not (tmp_path / "out").exists()


def test_two_places_to_show() -> None:
    with pytest.raises(ArgumentError, match="row and source name a row each") as raised:
        turnmill.show(ROWS, recipe=RECIPE, row=1, source="memory-0:1")
    assert raised.value.hint == "give one of them"


def test_columns_of_a_batch_that_differ_in_length() -> None:
    batch = {"text": ["to be"], "id": [1, 2, 3]}
    with pytest.raises(ArgumentError, match="differ in length: text 1, id 3"):
        encoder()(batch)


def test_trained_roles_that_nobody_has() -> None:
    with pytest.raises(turnmill.RecipeError, match="nobody") as raised:
        turnmill.Recipe(train_on=["nobody"])
    assert "known roles: user, assistant" in str(raised.value.hint)
    one = turnmill.Input("a.jsonl", roles={"judge": "critic"})
    recipe = turnmill.Recipe(tokenizer=TOKENIZER, train_on=["critic"], inputs=[one])
    assert turnmill.Encoder(recipe).recipe is recipe


def test_a_role_that_may_be_a_slip_is_noted(tmp_path: Path) -> None:
    said = [{"role": "client", "content": "a"}, {"role": "assistant", "content": "b"}]
    recipe = turnmill.Recipe(tokenizer=TOKENIZER, roles={"client": "usr"})
    run = turnmill.prepare([{"messages": said}], tmp_path / "out", recipe)
    assert run.samples == 1
    (note,) = [note for note in run.to_dict()["notes"] if "usr" in note]
    assert 'did you mean "user"?' in note


def test_a_number_of_numpy_is_a_number(tmp_path: Path) -> None:
    assert turnmill.prepare(ROWS, tmp_path / "out", RECIPE, threads=np.int64(2)).rows == 1


CALLS: dict[str, tuple[Callable[[], Any], str, str]] = {
    "prepare, a dict as recipe": (
        lambda: turnmill.prepare(ROWS, "out", KEYS),
        "a recipe is a turnmill.Recipe, not an object of type dict",
        "make one of the dict: turnmill.Recipe(**recipe)",
    ),
    "Encoder, a path as recipe": (
        lambda: turnmill.Encoder(KEYS["tokenizer"]),
        "a recipe is a turnmill.Recipe, not an object of type str",
        "Recipe.from_toml(PATH)",
    ),
    "show, a dict as recipe": (
        lambda: turnmill.show(ROWS, recipe=KEYS),
        "a recipe is a turnmill.Recipe, not an object of type dict",
        "Recipe(**recipe)",
    ),
    "check, a dict as recipe": (
        lambda: turnmill.check(ROWS, tokenizer=TOKENIZER, recipe=KEYS),
        "a recipe is a turnmill.Recipe, not an object of type dict",
        "Recipe(**recipe)",
    ),
    "parity, a dict as recipe": (
        lambda: turnmill.parity(ROWS, recipe=KEYS),
        "a recipe is a turnmill.Recipe, not an object of type dict",
        "Recipe(**recipe)",
    ),
    "no output": (
        lambda: turnmill.prepare(ROWS, NONE, RECIPE),
        "an output is a path, not None",
        "give a str or a pathlib.Path",
    ),
    "Tokenizer": (
        lambda: turnmill.Tokenizer(ODD),
        "a tokenizer is a path, not an object of type int",
        "give a str or a pathlib.Path",
    ),
    "Template": (
        lambda: turnmill.Template(ODD),
        "a template is a path, not an object of type int",
        "give a str or a pathlib.Path",
    ),
    "from_toml": (
        lambda: turnmill.Recipe.from_toml(ODD),
        "a recipe in TOML is a path, not an object of type int",
        "give a str or a pathlib.Path",
    ),
    "a batch": (
        lambda: encoder()([ROWS[0]]),
        "a batch is a dict of columns or Arrow data, not a list",
        "Encoder.encode takes rows of any kind",
    ),
    "show, n": (
        lambda: turnmill.show(ROWS, recipe=RECIPE, n=-1),
        "n cannot be -1",
        "n takes a number from 0",
    ),
    "show, row": (
        lambda: turnmill.show(ROWS, recipe=RECIPE, row=ODD / 2),
        "row cannot be 2.5",
        "row takes a number from 0",
    ),
}


@pytest.mark.parametrize(("call", "what", "hint"), CALLS.values(), ids=CALLS)
def test_arguments_of_a_wrong_kind(call: Callable[[], Any], what: str, hint: str) -> None:
    with pytest.raises(ArgumentError) as raised:
        call()
    assert str(raised.value) == what
    assert hint in (raised.value.hint or "")
    assert isinstance(raised.value, TypeError)
    assert isinstance(raised.value, ValueError)


TAKING_KEYS: dict[str, Callable[..., Any]] = {
    "prepare": lambda **keys: turnmill.prepare(ROWS, "out", **keys),
    "show": lambda **keys: turnmill.show(ROWS, **keys),
    "check": lambda **keys: turnmill.check(ROWS, **keys),
    "parity": lambda **keys: turnmill.parity(ROWS, **keys),
    "Encoder": turnmill.Encoder,
}


@pytest.mark.parametrize("name", TAKING_KEYS)
def test_recipe_keys_by_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert TAKING_KEYS[name](tokenizer=TOKENIZER)
    assert TAKING_KEYS[name](tokenizer=TOKENIZER, recipe=turnmill.Recipe(tokenizer="no such"))
    with pytest.raises(ArgumentError, match=f"^turnmill.{name} has no argument `nonsense`"):
        TAKING_KEYS[name](tokenizer=TOKENIZER, nonsense=1)
    with pytest.raises(ArgumentError) as raised:
        TAKING_KEYS[name](tokenizer=TOKENIZER, histry="expand")
    assert raised.value.hint == "did you mean `history`?"
    with pytest.raises(turnmill.RecipeError, match="`history` cannot be"):
        TAKING_KEYS[name](tokenizer=TOKENIZER, history="nonsense")


@pytest.mark.parametrize("name", TAKING_KEYS)
def test_signatures_list_the_recipe_keys(name: str) -> None:
    parameters = inspect.signature(getattr(turnmill, name)).parameters
    assert all(p.kind is not inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    assert {"recipe", "tokenizer"} < set(parameters)
    writes = name in {"prepare", "Encoder"}
    for key in keys():
        if key.name not in {"inputs", "seed"}:  # `show` has a seed of its own
            assert (key.name in parameters) == (writes or key.group in ENCODING), key.name
    assert parameters["history"].default == "auto"


def test_keys_that_change_nothing_of_an_output(tmp_path: Path) -> None:
    turnmill.prepare(ROWS, tmp_path / "out", RECIPE)
    with pytest.raises(ArgumentError, match="`history` changes nothing") as raised:
        turnmill.show(tmp_path / "out", history="expand")
    assert "name the conversations" in str(raised.value.hint)
    assert len(turnmill.show(tmp_path / "out", RECIPE)) == 1


def test_what_maps_a_function_over_single_rows() -> None:
    rows = datasets.Dataset.from_list([{"text": "to be"}, {"text": "or not"}])
    for wrong in (encoder().encode, encoder()):
        with pytest.raises(ArgumentError, match="one") as raised:
            rows.map(wrong)
        assert "data.map(encoder, batched=True)" in str(raised.value.hint)
    with pytest.raises(ArgumentError) as raised:
        encoder()({"text": "to be"})
    assert raised.value.code == "single-row"
    assert len(rows.map(encoder(), batched=True)) == 2


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"max_rejects": math.nan}, "`max_rejects` cannot hold the number nan"),
        ({"max_rejects": -math.inf}, "`max_rejects` cannot hold the number -inf"),
        ({"template_kwargs": {"a": [1, {"b": math.nan}]}}, "`template_kwargs` cannot hold the"),
    ],
)
def test_numbers_that_are_none(given: dict[str, Any], what: str, tmp_path: Path) -> None:
    with pytest.raises(turnmill.RecipeError) as raised:
        turnmill.Recipe(**given)
    assert str(raised.value).startswith(what)
    assert raised.value.hint == f"give `{next(iter(given))}` a finite number"
    (key, value), *_ = given.items()
    if isinstance(value, float):
        (tmp_path / "recipe.toml").write_text(f"{key} = {value}")
        with pytest.raises(turnmill.RecipeError, match="cannot hold the number") as raised:
            turnmill.Recipe.from_toml(tmp_path / "recipe.toml")
        assert raised.value.path == str(tmp_path / "recipe.toml")
