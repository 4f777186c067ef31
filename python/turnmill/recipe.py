"""The one configuration object of a run."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from turnmill import _core
from turnmill._arguments import path_text
from turnmill._environment import working_directory
from turnmill._problems import Problems, more
from turnmill.errors import RecipeError

__all__ = ["Input", "Recipe"]

_Class = TypeVar("_Class")


@dataclass(frozen=True)
class Quota:
    """How many rows of an input are written."""

    share: float | None = None
    """So many that they are this share of all rows."""
    epochs: float | None = None
    """Each so often; None, without a share: once."""
    cap: int | None = None
    """The most rows that are taken from it."""


EACH_ONCE = Quota()


@dataclass(frozen=True)
class Input:
    """One input with settings of its own, which override the recipe's; in TOML a table of `inputs`.

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
    """Shape of its rows; None: as in the recipe."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Its field names to the schema's, laid over the recipe's."""
    roles: Mapping[str, str] = field(default_factory=dict)
    """Its role names to ours, laid over the recipe's."""
    ignore: Sequence[str] = ()
    """Its columns that are left unread, besides the recipe's."""
    split: str | None = None
    """Which split of it is read; None: as in the recipe."""
    carry: Sequence[str] = ()
    """Its columns that the index holds, besides the recipe's."""
    weight: float | str | None = None
    """How many of its rows are written: a share of the set, such as 0.3, or how often each,
    such as `"2 epochs"`; None: each once. Not the weight of its loss."""
    cap: int | None = None
    """The most rows that are taken from it; None: all."""

    def __post_init__(self) -> None:
        _ = self.quota

    @property
    def quota(self) -> Quota:
        """How many of its rows are written.

        Raises:
            RecipeError: A key or value is not allowed.
        """
        return Quota(*_core.check_input(json.dumps(_finite(self.own_keys()))))

    def reading_keys(self) -> dict[str, Any]:
        """The settings that decide what becomes of a row."""
        left = ("split", "weight", "cap")
        return {key: value for key, value in self.own_keys().items() if key not in left}

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
        """The settings of the input itself, without those that it leaves to the recipe."""
        keys = {
            "schema": self.schema,
            "fields": self.fields,
            "roles": self.roles,
            "ignore": self.ignore,
            "split": self.split,
            "carry": self.carry,
            "weight": self.weight,
            "cap": self.cap,
        }
        unset: tuple[Any, ...] = (None, (), [], {})
        return {key: _jsonable(value) for key, value in keys.items() if value not in unset}


@dataclass(frozen=True)
class Key:
    """One key of the recipe, as in the core's table."""

    name: str
    form: str
    """How the value is written: ``any``, ``text``, ``path``, ``date``, ``word``, ``switch``,
    ``count``, ``number``, ``share``, ``object``, ``names``, ``word-or-names``, ``word-or-tokens``
    or ``words``."""
    group: str
    """``model``, ``data``, ``training``, ``set`` or ``output``; ``later``: refused in this
    version."""
    default: Any
    """As JSON has it."""
    takes: str | None
    """What the value may be, if not only words."""
    means: str
    words: list[list[str]]
    """The words that the value may be, each with its meaning."""
    renamed: list[list[str]]
    """Words of earlier versions, each with the word that replaces it."""
    flag: list[str] | None
    """The name of the value in help, and the line about the flag; None: not a flag."""


@cache
def keys() -> tuple[Key, ...]:
    """Every key of the recipe, in the order of the table."""
    return tuple(Key(**key) for key in json.loads(_core.recipe_keys()))


def _told_of_unknown_keys(cls: type[_Class]) -> type[_Class]:
    """Lets the core refuse a key that the class does not have; the error names the nearest one."""
    made = cls.__init__

    @functools.wraps(made)
    def checked(self: Any, *args: Any, **given: Any) -> None:
        known = {key.name for key in keys()}
        unknown = {key: None for key in given if key not in known}
        if unknown:
            problems = Problems()
            _check_each(unknown, problems)
            _check_each({key: given[key] for key in given if key in known}, problems)
            problems.tell()
        made(self, *args, **given)

    checked.__doc__ = "Args:\n" + "\n".join(f"    {key.name}: {key.means}" for key in keys())
    cls.__init__ = checked  # type: ignore[method-assign]
    return cls


@_told_of_unknown_keys
@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the data becomes a training set. The defaults are the safe choice.

    Unknown keys and bad values are errors that name the nearest key or the allowed values; a key
    of a feature that does not exist yet is an error too, and never ignored. A recipe does not
    change: use `dataclasses.replace` to get another one.

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

    # Written by scripts/recipe_keys.py from the core's table of keys.
    inputs: Any = None
    """What is read. An input may say of itself what differs: in Python an `Input`, in TOML a table
    with `path` and its own `split`, `schema`, `fields`, `roles`, `ignore` and `carry`, laid
    over the recipe's; and `weight` and `cap`: how many of its rows are written.
    `turnmill.prepare` takes them as its first argument."""
    tokenizer: str | os.PathLike[str] | None = None
    """Directory with `tokenizer.json`, that file, or a model id, which is looked for in the local
    Hugging Face and ModelScope caches and never downloaded."""
    template: str | os.PathLike[str] | None = None
    """The chat template."""
    template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    """Variables for the template; a row's `chat_template_kwargs` win. Neither sets `messages`,
    `tools`, `documents`, `add_generation_prompt` or `continue_final_message`."""
    now: str | dt.date | None = None
    """The date that templates see; kept when a run is resumed."""
    split: str | None = None
    """Which split of a directory is read, by the rules of `datasets`: a directory with several
    needs a choice. `all` is every file."""
    schema: Literal[
        "auto",
        "messages",
        "sharegpt",
        "alpaca",
        "prompt-completion",
        "pairs",
        "gemini",
        "xlam",
        "preference",
        "kto",
        "segments",
        "text",
    ] = "auto"
    """Shape of the rows.

    auto: Found for each file and stated; an error where it is ambiguous.
    messages: A list `messages` of objects with `role` and `content`, as transformers takes
        them.
    sharegpt: A list `conversations` of objects with `from` and `value`.
    alpaca: Texts `instruction`, `input` and `output` (or `query` and `response`), and perhaps
        `history` and `system`.
    prompt-completion: Two strings, or two lists of messages, `prompt` and `completion`.
    pairs: A list `conversation` of objects with `human` and `assistant`.
    gemini: A list `contents` of objects with `role` and `parts`.
    xlam: A text `query`, the calls that answer it in `answers`, and `tools`.
    preference: A prompt, the answer that was `chosen` and the one that was `rejected`: texts or
        messages.
    kto: One answer, and a `label` that says whether it is a good one.
    segments: A list `segments` of texts as the model reads them, each with a `label` that says
        whether it is trained.
    text: A document `text`, trained as a whole.
    """
    fields: Mapping[str, str] = field(default_factory=dict)
    """The data's field names to the schema's, such as `dialog = "messages"`."""
    roles: Mapping[str, str] = field(default_factory=dict)
    """The data's role names to ours, such as `client = "user"`."""
    ignore: Sequence[str] = ()
    """Columns of the rows that are read as if they were not there. Columns that judge an answer
    (`label`, `chosen` and `rejected`, `rating`, `score`) must be named here before such rows
    are trained."""
    role_order: Literal["keep", "trim"] = "keep"
    """What to do with assistant messages at the start.

    keep: Messages stay as they are.
    trim: They are removed, for templates that refuse them.
    """
    system: str | None = None
    """System text that becomes the first message of conversations that have none."""
    wire: Literal["normalise", "keep"] = "normalise"
    """How the wire formats of chat APIs are read: JSON text for calls, old names, turns in two
    messages.

    normalise: As the engines that serve models read them; a rule counts each change.
    keep: Rows stay as they are, as in transformers.
    """
    train_on: Literal["assistant", "last-turn", "everything", "none"] | Sequence[str] = "assistant"
    """Which messages are trained. A message's own `weight`, `loss`, `loss_weight` or `train` wins.

    assistant: Every assistant message.
    last-turn: The last assistant message.
    everything: Every token of the row.
    none: Nothing: prompts alone, with the start of the answer that a server adds, for
        reinforcement learning and evaluation.
    """
    spans: Literal["auto", "tags", "inferred"] = "auto"
    """How turns are found.

    auto: By the template's `{% generation %}` tags if it has them, else inferred.
    tags: By the tags; a template without them is an error.
    inferred: From the template's own structure, tags or not.
    """
    reasoning: Literal["train", "train-empty", "mask"] = "train"
    """How reasoning is trained.

    train: Reasoning is trained; an empty think block that the template adds is not.
    train-empty: Reasoning is trained, empty think blocks too.
    mask: The text between the markers is not trained, the markers are.
    """
    history: Literal["auto", "as-rendered", "last-turn", "expand", "error"] = "auto"
    """What to do when the template prints earlier turns differently from how the model saw them at
    inference.

    auto: Trains turns as rendered if only the template's own text differs; stops and asks if
        the row's own text would be lost.
    as-rendered: Trains every turn as it stands in the whole conversation.
    last-turn: Trains only the last turn of rows that are rewritten.
    expand: Makes as few samples as possible in which every trained turn looks as it did at
        inference.
    error: Stops the run if the template rewrites earlier turns.
    """
    stop: Literal["auto"] | Sequence[str | int] = "auto"
    """What the serving side stops on; never learned from the template.

    auto: The eos ids of generation_config.json, else the tokenizer's eos.
    """
    eos: Literal["ensure", "template"] = "ensure"
    """What ends a turn if the template never does.

    ensure: The eos id is inserted if a probe shows that the template never ends a turn, and
        after `text` and string completions.
    template: Nothing but the template.
    """
    special_in_content: Literal["text", "parse", "reject"] = "text"
    """How the text of a control token inside a message is encoded.

    text: As ordinary text.
    parse: As the token, as transformers does.
    reject: The row is rejected.
    """
    boundary: Literal["joint", "apart"] = "joint"
    """Whether prompt and answer are tokenized together.

    joint: Together, as rendered.
    apart: Apart, as inference sees them.
    """
    max_length: int | None = None
    """The most tokens that a sample may have."""
    over_length: Literal["whole-turns", "oldest-turns", "reject", "error"] = "whole-turns"
    """What to do with longer samples. A turn is never cut: whole turns are left out, counted with
    their tokens, and the rest is rendered again.

    whole-turns: The longest run of complete turns from the start that fits.
    oldest-turns: Whole exchanges are left out from the front; the system message stays.
    reject: The row is rejected as `overlong-sample`.
    error: The run stops.
    """
    validation: float = 0.0
    """The share of conversations that is set apart. The hash of a conversation decides: it keeps
    its side when data is added, and equal ones are on one side. With a share, the output holds
    two data sets, `train` and `validation`."""
    dedup: Literal["keep", "exact"] = "keep"
    """What becomes of repeated conversations.

    keep: It is written as often as it occurs.
    exact: Of equal conversations, in all inputs, the first is written; the others are left out
        and counted (`duplicate-conversation`). What else stands in the row, such as an id,
        makes no difference.
    """
    shuffle: bool = False
    """Whether the samples of all inputs are written in a random order, which `seed` decides."""
    seed: int = 0
    """Decides the order of `shuffle`, which rows are drawn where an input has a `weight` or a
    `cap`, and the order of packs."""
    carry: Sequence[str] = ()
    """Columns of the rows, such as an id or a licence, that the index of the output holds beside
    each sample: as text, or as JSON where they are something else."""
    columns: Sequence[str] = ("input_ids", "labels", "attention_mask", "length")
    """Columns of the output; without `labels` only where `schema = "text"`.

    input_ids: List of int32.
    labels: List of int32, aligned with the ids, -100 = not trained.
    attention_mask: List of int8, all 1.
    length: Number of ids, int32.
    position_ids: List of int32.
    weights: Loss weight of each token, list of float32.
    source: The input's name.
    chosen_input_ids: Ids of the prompt and the chosen answer.
    chosen_labels: Their labels, -100 in the prompt.
    chosen_attention_mask: List of int8, all 1.
    rejected_input_ids: Ids of the prompt and the rejected answer.
    rejected_labels: Their labels, -100 in the prompt.
    rejected_attention_mask: List of int8, all 1.
    prompt_ids: Ids of the prompt that the answers share.
    chosen_ids: Ids of the chosen answer; they begin with the prompt where there is no
        `prompt_ids`.
    rejected_ids: The same of the rejected answer.
    completion_ids: Ids of the answer.
    label: Whether the answer is a good one.
    prompt: Text of the prompt.
    reference: What the row answers: the text of the last message, or the whole message as JSON
        where it is more than that; null where there is no answer.
    """
    max_rejects: float = 0.5
    """The share of rejected rows above which a run stops."""
    format: Literal["arrow", "parquet"] | None = None
    """Form of the output files; Parquet by default where the output is a URI.

    arrow: A `datasets` directory of Arrow streams.
    parquet: Parquet files, a third of the size.
    """
    pack: int | None = None
    """Tokens of a packed row. When the output is finished, `turnmill pack` makes an index over it.
    Needs a `max_length` that is not longer, so that every sample fits."""
    pack_strategy: Literal["best-fit", "global", "in-order", "split", "none"] = "best-fit"
    """Which samples share a packed row.

    best-fit: First-fit-decreasing among every 65,536 samples.
    global: The same among all samples.
    in-order: Samples keep their order.
    split: Documents (`text`) are joined, and cut where a row is full.
    none: One row for each sample.
    """
    overwrite: bool = False
    """Whether an existing output is replaced."""
    compat: str = "none"
    """Another project's script to be equal to. Not in this version.

    none: No other project.
    chinese-llama-alpaca-3: The corrected script of that project.
    """
    # End of the keys.

    def __post_init__(self) -> None:
        _ = self._checked

    @cached_property
    def _checked(self) -> _core.Recipe:
        """The recipe as the core read it.

        Raises:
            RecipeError: A key or value is not allowed.
        """
        given = {key.name: getattr(self, key.name) for key in dataclasses.fields(self)}
        problems = Problems()
        with problems:
            return _core.Recipe(json.dumps(_finite(_jsonable(given))))
        _check_each(given, problems)
        problems.tell()
        raise AssertionError

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
            error.add_note(
                f"hint: give a file in TOML; paths are looked for from {working_directory()}"
            )
            raise
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            text = f"the recipe is not TOML: {error}"
            raise RecipeError(text, code="invalid-toml", path=path) from None
        except RecipeError as error:
            problems = Problems()
            for one in (error, *more(error)):
                problems.add(_of_file(one, path))
            problems.tell()
            raise

    def to_dict(self) -> dict[str, Any]:
        """Every key with its value as JSON has it, defaults included.

        >>> Recipe(stop=["<|im_end|>", 2]).to_dict()["stop"]
        ['<|im_end|>', 2]
        """
        return dict(json.loads(self._checked.to_json()))

    def fingerprint(self) -> str:
        """32 hexadecimal digits that change with every key that can change a written byte."""
        return self._checked.fingerprint()


def _check_each(given: Mapping[str, Any], problems: Problems) -> None:
    """Checks every key by itself, so that one bad value does not hide another."""
    for key, value in given.items():
        with problems:
            _core.Recipe(json.dumps(_finite({key: _jsonable(value)})))


def _of_file(error: Exception, path: str | os.PathLike[str]) -> Exception:
    """An error of a recipe with the file that holds it."""
    if not isinstance(error, RecipeError):
        return error
    return RecipeError(error.args[0], code=error.code, path=path, hint=error.hint)


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
