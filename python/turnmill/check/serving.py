"""The side that will serve the model: what it stops on, and the chat template of its prompts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from turnmill import _core
from turnmill._locate import locate_tokenizer
from turnmill.check import comparing
from turnmill.errors import TokenizerError
from turnmill.tokenizer import Tokenizer


@dataclass(frozen=True)
class Served:
    """A model as it will be served."""

    stops: list[int]
    """Ids that end a generation."""
    template: str | None
    """The source of its chat template, if it has one."""


def served_by(place: str | os.PathLike[str]) -> Served:
    """Reads a model directory, or one like ``serving/`` of an output, which has no tokenizer.

    Raises:
        TokenizerError: The directory has neither a tokenizer nor a stop set; the hint says what
            ``serving`` needs.
    """
    directory = Path(place)
    template = comparing.template_in(directory)
    eos = comparing.read_json(directory / "generation_config.json").get("eos_token_id")
    if eos is not None and not (directory / "tokenizer.json").is_file():
        return Served([eos] if isinstance(eos, int) else list(eos), template)
    try:
        tokenizer = Tokenizer(locate_tokenizer(place))
    except TokenizerError as error:
        raise TokenizerError(
            f"what is to be served cannot be read: {error}",
            code=error.code,
            path=error.path or str(place),
            hint="give the model's directory with --serving, or the serving/ of an output: it"
            " holds generation_config.json or tokenizer.json",
        ) from None
    return Served(list(_core.stop_set(tokenizer._core)), comparing.chat_template(tokenizer))
