"""A flag for every key of the recipe."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from turnmill.cli.arguments import Arguments, Flag, Group, UsageError, positive

if TYPE_CHECKING:
    from turnmill.recipe import Recipe


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


def _train_on(text: str) -> str | list[str]:
    if text in {"assistant", "last-turn", "everything"}:
        return text
    return [role.strip() for role in text.split(",")]


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


MODEL = Group(
    "Model",
    (
        Flag(
            "--tokenizer",
            "directory with tokenizer.json, or a model id in the local cache",
            "DIR",
        ),
        Flag(
            "--template",
            "chat template: a built-in's name, a .jinja file or source (default: the tokenizer's)",
            "NAME|FILE",
        ),
        Flag(
            "--template-kwargs", "variables for the template", "JSON", many=True, read=_json_object
        ),
        Flag("--now", "the date that templates see (default: today, kept on resume)", "DATE"),
        Flag(
            "--stop",
            "token or id that serving stops on; repeat for several (default: generation_config's)",
            "TOKEN",
            many=True,
            read=_stop_token,
        ),
        Flag(
            "--eos", "who ends a turn that the template never ends", choices=("ensure", "template")
        ),
    ),
)

DATA = Group(
    "Data",
    (
        Flag(
            "--schema",
            "shape of the rows",
            choices=("auto", "messages", "sharegpt", "alpaca", "prompt-completion", "text"),
        ),
        Flag(
            "--fields",
            "our field names to the data's: messages=dialog",
            "A=B,…",
            many=True,
            read=_pairs,
        ),
        Flag(
            "--roles", "the data's role names to ours: client=user", "A=B,…", many=True, read=_pairs
        ),
        Flag(
            "--role-order", "what becomes of a leading assistant message", choices=("keep", "trim")
        ),
        Flag(
            "--max-rejects", "largest share of rejected rows (default: 50%)", "SHARE", read=_share
        ),
    ),
)

TRAINING = Group(
    "Training",
    (
        Flag(
            "--train-on",
            "assistant, last-turn, everything, or roles separated by commas",
            "WHAT",
            read=_train_on,
        ),
        Flag("--spans", "how turns are found", choices=("auto", "tags", "inferred")),
        Flag("--reasoning", "training on reasoning", choices=("train", "train-empty", "mask")),
        Flag(
            "--history",
            "what is done where the template rewrites earlier turns",
            "WORD",
            choices=("auto", "as-rendered", "last-turn", "expand", "stop"),
        ),
        Flag(
            "--special-in-content",
            "what control-token text inside messages becomes",
            choices=("text", "parse", "reject"),
        ),
        Flag(
            "--boundary",
            "prompt and answer tokenized together or apart",
            choices=("joint", "apart"),
        ),
        Flag("--max-length", "most tokens of a sample (default: no limit)", "N", read=positive),
        Flag(
            "--over-length",
            "what is done with longer samples",
            "WORD",
            choices=("whole-turns", "oldest-turns", "reject", "error"),
        ),
    ),
)

OUTPUT = Group(
    "Output",
    (
        Flag("--output", "directory to write", "DIR", short="-o"),
        Flag("--format", "form of the data files", choices=("arrow", "parquet")),
        Flag("--columns", "columns to write, separated by commas", "NAMES", many=True, read=_names),
        Flag("--overwrite", "replace an output that was made with another recipe"),
    ),
)

LATER = Group(
    "Not in this version (refused, never ignored)",
    (
        Flag("--pack", "pack samples into rows of this many tokens", "N", read=positive),
        Flag("--shuffle", "shuffle the samples"),
        Flag("--seed", "seed of everything random", "N", read=int),
        Flag("--validation", "share of the rows that is set apart", "SHARE", read=_share),
        Flag("--dedup", "leave repeated rows out"),
        Flag("--compat", "be equal to another project's script", "PROJECT"),
    ),
)

_ELSEWHERE = {"output"}
"""Flags of these groups that are no recipe keys."""


def recipe_keys(groups: tuple[Group, ...]) -> list[str]:
    """The recipe keys that the flags of ``groups`` set."""
    names = [flag.name[2:].replace("-", "_") for group in groups for flag in group.flags]
    return [name for name in names if name not in _ELSEWHERE]


def recipe_from(arguments: Arguments, groups: tuple[Group, ...]) -> Recipe:
    """The recipe: the file given with ``--recipe``, with every flag laid over it.

    Raises:
        UsageError: No tokenizer is named.
        RecipeError: The file or a value is wrong.
    """
    from turnmill import Recipe

    file = getattr(arguments, "recipe", None)
    keys = {} if file is None else _given(Recipe.from_toml(file))
    for key in recipe_keys(groups):
        value = getattr(arguments, key)
        if value is not None:
            keys[key] = _added_up(value)
    if not keys.get("tokenizer"):
        raise UsageError(
            "no tokenizer is named",
            "add --tokenizer with the directory that holds the model's tokenizer.json",
        )
    return Recipe(**keys)


def _added_up(value: Any) -> Any:
    """What a flag says that stands several times: its pairs and its lists together."""
    if not isinstance(value, list) or not value:
        return value
    if all(isinstance(item, dict) for item in value):
        return {key: entry for item in value for key, entry in item.items()}
    if all(isinstance(item, list) for item in value):
        return [entry for item in value for entry in item]
    return value


def _given(recipe: Recipe) -> dict[str, Any]:
    return {key.name: getattr(recipe, key.name) for key in dataclasses.fields(recipe)}
