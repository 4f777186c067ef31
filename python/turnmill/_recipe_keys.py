"""The recipe keys that functions take by name, for type checkers and editors."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict


class EncodingKeys(TypedDict, total=False):
    """Keys that decide what becomes of a row; `turnmill.Recipe` says what each means."""

    # EncodingKeys, written by scripts/recipe_keys.py.
    template: str | os.PathLike[str] | None
    template_kwargs: Mapping[str, Any]
    now: str | dt.date | None
    split: str | None
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
    ]
    fields: Mapping[str, str]
    roles: Mapping[str, str]
    ignore: Sequence[str]
    role_order: Literal["keep", "trim"]
    system: str | None
    wire: Literal["normalise", "keep"]
    train_on: Literal["assistant", "last-turn", "everything", "none"] | Sequence[str]
    spans: Literal["auto", "tags", "inferred"]
    reasoning: Literal["train", "train-empty", "mask"]
    history: Literal["auto", "as-rendered", "last-turn", "expand", "error"]
    stop: Literal["auto"] | Sequence[str | int]
    eos: Literal["ensure", "template"]
    special_in_content: Literal["text", "parse", "reject"]
    boundary: Literal["joint", "apart"]
    max_length: int | None
    over_length: Literal["whole-turns", "oldest-turns", "reject", "error"]
    max_rejects: float
    # End of the keys.


class RecipeKeys(EncodingKeys, total=False):
    """Every key of the recipe but `inputs` and `tokenizer`, which are arguments of their own."""

    # RecipeKeys, written by scripts/recipe_keys.py.
    validation: float
    dedup: Literal["keep", "exact"]
    shuffle: bool
    seed: int
    carry: Sequence[str]
    columns: Sequence[str]
    format: Literal["arrow", "parquet"] | None
    pack: int | None
    pack_strategy: Literal["best-fit", "global", "in-order", "split", "none"]
    overwrite: bool
    compat: str
    # End of the keys.
