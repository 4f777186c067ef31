"""The one configuration object of a run."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from turnmill import _core
from turnmill._arguments import path_text
from turnmill.errors import RecipeError

__all__ = ["Input", "Recipe"]


@dataclass(frozen=True)
class Input:
    """One input that says of itself what the recipe says of all; in TOML a table of `inputs`.

    >>> Input("chats.jsonl", schema="sharegpt", roles={"bot": "assistant"}).schema
    'sharegpt'
    >>> Recipe(inputs=[Input("a.jsonl", schema="text"), "b.jsonl"]).to_dict()["inputs"]
    [{'path': 'a.jsonl', 'schema': 'text'}, 'b.jsonl']

    Raises:
        RecipeError: A key or value is not allowed.
    """

    path: Any
    """A path, directory, glob or URI, or rows in memory."""
    schema: str | None = None
    """Shape of its rows; None: as the recipe says."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Field names, laid over the recipe's."""
    roles: Mapping[str, str] = field(default_factory=dict)
    """Role names, laid over the recipe's."""

    def __post_init__(self) -> None:
        _core.check_input(json.dumps(self.own_keys()))

    @classmethod
    def from_dict(cls, keys: Mapping[str, Any]) -> Self:
        """Reads the table of a recipe in TOML.

        Raises:
            RecipeError: There is no `path`, or a key or value is not allowed.
        """
        own = {key: value for key, value in keys.items() if key != "path"}
        _core.check_input(json.dumps(own))
        if "path" not in keys:
            raise RecipeError("an input has no `path`", code="no-path", hint='add path = "FILE"')
        return cls(keys["path"], **own)

    def own_keys(self) -> dict[str, Any]:
        """What the input says of itself, without what it leaves to the recipe."""
        keys = {"schema": self.schema, "fields": self.fields, "roles": self.roles}
        return {key: _jsonable(value) for key, value in keys.items() if value}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is made of the data, and how. Defaults are the safe choice.

    Unknown keys and bad values are errors that name the nearest key or the allowed values; a key
    whose feature is not there yet is an error too, never ignored. Change one with
    `dataclasses.replace`.

    >>> Recipe(tokenizer="model", max_length=4096).max_length
    4096
    >>> try:
    ...     Recipe(tokeniser="model")
    ... except RecipeError as error:
    ...     print(error, error.hint)
    the recipe has no key `tokeniser` did you mean `tokenizer`?

    Raises:
        RecipeError: A key or value is not allowed.
    """

    inputs: Any = None
    """Paths, globs, URIs or in-memory data, or `Input`s of these; `turnmill.prepare` takes them as
    its first argument."""
    tokenizer: str | os.PathLike[str] | None = None
    """Directory with `tokenizer.json`, that file, or a model id in a local cache."""
    template: str | os.PathLike[str] | None = None
    """A built-in's name, a `.jinja` file or source; None: the tokenizer's own."""
    template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    """Variables for the template; a row's `chat_template_kwargs` win."""
    now: str | dt.date | None = None
    """The date templates see; None: the moment the run is planned."""
    schema: str = "auto"
    """Shape of the rows: auto, messages, sharegpt, alpaca, prompt-completion, text."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """The schema's field names to the data's."""
    roles: Mapping[str, str] = field(default_factory=dict)
    """The data's role names to the template's."""
    role_order: str = "keep"
    """keep; trim removes a leading assistant message."""
    train_on: str | Sequence[str] = "assistant"
    """assistant, last-turn, everything, or a list of roles."""
    spans: str = "auto"
    """How turns are found: auto, tags, inferred."""
    reasoning: str = "train"
    """train, train-empty, mask."""
    history: str = "auto"
    """Rewritten earlier turns: auto, as-rendered, last-turn, expand, stop."""
    stop: str | Sequence[str | int] = "auto"
    """What the serving side stops on: auto (generation_config's, else the tokenizer's eos), or a
    list of tokens or ids."""
    eos: str = "ensure"
    """ensure, template."""
    special_in_content: str = "text"
    """Control tokens' text inside content: text, parse, reject."""
    boundary: str = "joint"
    """joint, apart."""
    max_length: int | None = None
    """Most tokens of a sample."""
    over_length: str = "whole-turns"
    """Longer samples: whole-turns, oldest-turns, reject, error."""
    columns: Sequence[str] = ("input_ids", "labels", "attention_mask", "length")
    """Columns of the output; also position_ids, weights, source."""
    max_rejects: float = 0.5
    """Largest share of rejected rows, 0 to 1."""
    format: str | None = None
    """Format of the output files: arrow, parquet; None: by the output's place."""
    pack: Any = None
    shuffle: Any = None
    seed: int | None = None
    validation: Any = None
    dedup: Any = None
    overwrite: bool = False
    """Replaces an existing output."""
    compat: str = "none"
    """Other projects to be equal to."""

    def __new__(cls, **keys: Any) -> Self:
        """Refuses unknown keys, with the nearest known one as a hint."""
        known = {key.name for key in dataclasses.fields(cls)}
        unknown = {key: None for key in keys if key not in known}
        if unknown:
            _core.check_recipe(json.dumps(unknown))
        return super().__new__(cls)

    def __post_init__(self) -> None:
        self._check()

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Self:
        """Reads a TOML file whose top-level keys are the recipe's; `[[inputs]]` are `Input`s.

        Raises:
            RecipeError: The file is not TOML, or a key or value is not allowed.
            OSError: The file cannot be read.
        """
        import tomllib

        try:
            with Path(path_text(path, "a recipe in TOML")).open("rb") as file:
                keys = tomllib.load(file)
            if isinstance(keys.get("inputs"), list):
                keys["inputs"] = [_input(item) for item in keys["inputs"]]
            return cls(**keys)
        except FileNotFoundError as error:
            error.add_note(f"hint: give a file in TOML; paths are looked for from {Path.cwd()}")
            raise
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            text = f"the recipe is not TOML: {error}"
            raise RecipeError(text, code="invalid-toml", path=path) from None
        except RecipeError as error:
            raise RecipeError(error.args[0], code=error.code, path=path, hint=error.hint) from None

    def to_dict(self) -> dict[str, Any]:
        """Every key with its value as JSON has it, defaults included.

        >>> Recipe(stop=["<|im_end|>", 2]).to_dict()["stop"]
        ['<|im_end|>', 2]
        """
        return dict(json.loads(self._check()[0]))

    def fingerprint(self) -> str:
        """32 hexadecimal digits that change with every key that can change a written byte."""
        return self._check()[1]

    def _check(self) -> tuple[str, str]:
        given = {key.name: getattr(self, key.name) for key in dataclasses.fields(self)}
        return _core.check_recipe(json.dumps(_finite(_jsonable(given))))


def _input(item: Any) -> Any:
    return Input.from_dict(item) if isinstance(item, dict) else item


def _finite(recipe: dict[str, Any]) -> dict[str, Any]:
    """The recipe as it is; JSON has no word for a number that is none.

    Raises:
        RecipeError: A value is nan or infinite, or holds such a number.
    """
    for key, value in recipe.items():
        number = next(_odd_numbers(value), None)
        if number is not None:
            message = f"`{key}` cannot hold the number {number}"
            raise RecipeError(message, code="invalid-value", hint=f"give `{key}` a finite number")
    return recipe


def _odd_numbers(value: Any) -> Iterator[float]:
    if isinstance(value, float) and not math.isfinite(value):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _odd_numbers(item)


def _jsonable(value: Any) -> Any:
    """Paths and dates as text; in-memory data, which only `inputs` may hold, by its type."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Input):
        return {"path": _jsonable(value.path), **value.own_keys()}
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_jsonable(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    return f"<{type(value).__name__}>"
