"""The serving side: what it stops on, and the chat template of its prompts."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from turnmill import _core
from turnmill._locate import locate_tokenizer
from turnmill.check.model_files import chat_template, read_object, template_in
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
        TokenizerError: The directory has neither a tokenizer nor a stop set, or one of its files
            is broken; the hint says what ``serving`` needs.
    """
    directory = Path(place)
    template = template_in(directory)
    if not (directory / "tokenizer.json").is_file():
        stops = stops_in(directory)
        if stops:
            return Served(stops, template)
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
    return Served(list(_core.stop_set(tokenizer._core)), chat_template(tokenizer))


def stops_in(directory: Path) -> list[int]:
    """The ids that the ``generation_config.json`` of a directory stops on, if it names some.

    Raises:
        TokenizerError: The file is not JSON, or names no ids.
    """
    path = directory / "generation_config.json"
    eos = read_object(path).get("eos_token_id")
    if eos is None:
        return []
    stops = eos if isinstance(eos, list) else [eos]
    if not all(type(stop) is int for stop in stops):
        message = f"`eos_token_id` is {json.dumps(eos)}, neither an id nor a list of ids"
        raise TokenizerError(
            message, code="invalid-config", path=path, hint="give it as in 2 or [2, 3]"
        )
    return stops
