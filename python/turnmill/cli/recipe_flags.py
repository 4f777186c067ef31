"""A flag for every key of the recipe."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from functools import partial
from typing import Any

from turnmill._problems import Problems
from turnmill.cli.arguments import Arguments, Flag, Group, UsageError, position, positive
from turnmill.errors import TurnmillError
from turnmill.recipe import Key, Recipe, keys


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ValueError("a JSON object, such as '{\"enable_thinking\": false}'")
    return value


def _pairs(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(",")]
    if not all(left and middle and right for left, middle, right in pairs):
        raise ValueError("pairs such as a=b,c=d")
    return {left.strip(): right.strip() for left, _, right in pairs}


def _share(text: str) -> float:
    number = text.removesuffix("%")
    try:
        share = float(number) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError("a share such as 0.05 or 5%")
    return share


def _stop_token(text: str) -> str | int:
    return int(text) if text.isdecimal() else text


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _word_or_names(text: str, words: tuple[str, ...]) -> str | list[str]:
    return text if text in words else _names(text)


_READERS: dict[str, Callable[[str], Any]] = {
    "count": positive,
    "number": position,
    "share": _share,
    "object": _json_object,
    "names": _pairs,
    "word-or-tokens": _stop_token,
    "words": _names,
}
"""How values of a form are read. All other forms are text."""

_MANY = {"object", "names", "word-or-tokens", "words"}
"""Forms whose flag may be repeated."""


def _flag(key: Key, value: str, meaning: str) -> Flag:
    words = tuple(word for word, _ in key.words)
    read = _READERS.get(key.form)
    if key.form == "word-or-names":
        read = partial(_word_or_names, words=words)
    return Flag(
        "--" + key.name.replace("_", "-"),
        meaning,
        value or None,
        choices=words if key.form == "word" else (),
        renamed=dict(key.renamed),
        read=read,
        many=key.form in _MANY,
    )


def _flags(group: str) -> tuple[Flag, ...]:
    """The flags of the keys of one group of the table."""
    return tuple(_flag(key, *key.flag) for key in keys() if key.group == group and key.flag)


MODEL = Group("Model", _flags("model"))
DATA = Group("Data", _flags("data"))
TRAINING = Group("Training", _flags("training"))
SET = Group("Set", _flags("set"))
OUTPUT = Group(
    "Output", (Flag("--output", "directory to write", "DIR", short="-o"), *_flags("output"))
)
LATER = Group("Not in this version (refused, never ignored)", _flags("later"))

_ELSEWHERE = {"output"}
"""Flags of these groups that are not recipe keys."""


def recipe_keys(groups: tuple[Group, ...]) -> list[str]:
    """The recipe keys that the flags of ``groups`` set."""
    names = [flag.name[2:].replace("-", "_") for group in groups for flag in group.flags]
    return [name for name in names if name not in _ELSEWHERE]


def given_keys(arguments: Arguments, groups: tuple[Group, ...]) -> dict[str, Any]:
    """The recipe keys whose flags were given."""
    values = {key: getattr(arguments, key) for key in recipe_keys(groups)}
    return {key: _added_up(value) for key, value in values.items() if value is not None}


def recipe_from(arguments: Arguments, groups: tuple[Group, ...]) -> Recipe:
    """The recipe: the file given with ``--recipe``, overridden by the flags.

    Raises:
        UsageError: No tokenizer is named.
        RecipeError: The file or a value is wrong.
    """
    problems = Problems()
    given: dict[str, Any] = {}
    with problems:
        given = {} if arguments.recipe is None else _given(Recipe.from_toml(arguments.recipe))
    given |= given_keys(arguments, groups)
    if not given.get("tokenizer") and not problems:
        what = "no tokenizer is named"
        hint = "add --tokenizer with the directory that holds the model's tokenizer.json"
        problems.add(UsageError(what, hint))
    with problems:
        recipe = Recipe(**given)
    problems.tell()
    return recipe


def recipe_for(arguments: Arguments, groups: tuple[Group, ...], data: Any) -> Recipe:
    """The recipe, as `recipe_from`; if it is wrong, the files that were named are looked at too.

    Raises:
        TurnmillError: The recipe is wrong; other problems are in its `more`.
    """
    try:
        return recipe_from(arguments, groups)
    except (TurnmillError, OSError) as error:
        problems = Problems()
        problems.add(error)
        look_further(arguments, data, problems)
        raise


def look_further(arguments: Arguments, data: Any, problems: Problems) -> None:
    """Raises the problems found so far, with what is wrong with the files that the flags name.

    Raises:
        TurnmillError: Always: there are problems already.
    """
    from turnmill._locate import locate_tokenizer
    from turnmill.inputs.find import find_inputs

    if arguments.tokenizer is not None:
        with problems:
            locate_tokenizer(arguments.tokenizer)
    if data:
        with problems:
            find_inputs(data, arguments.split or "all")
    problems.tell()


def _added_up(value: Any) -> Any:
    """The value of a repeated flag: all its pairs or lists together."""
    if not isinstance(value, list) or not value:
        return value
    if all(isinstance(item, dict) for item in value):
        return {key: entry for item in value for key, entry in item.items()}
    if all(isinstance(item, list) for item in value):
        return [entry for item in value for entry in item]
    return value


def _given(recipe: Recipe) -> dict[str, Any]:
    return {key.name: getattr(recipe, key.name) for key in dataclasses.fields(recipe)}
