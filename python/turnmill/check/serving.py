"""The serving side: what it stops on, and the chat template of its prompts."""

from __future__ import annotations

import os
from pathlib import Path

from turnmill import _core
from turnmill._locate import locate_tokenizer
from turnmill.errors import TokenizerError
from turnmill.tokenizer import Tokenizer


def served_by(place: str | os.PathLike[str]) -> _core.Served:
    """Reads a model directory, or one like ``serving/`` of an output, which has no tokenizer.

    Raises:
        TokenizerError: The directory has neither a tokenizer nor a stop set, or one of its files
            is broken; the hint says what ``serving`` needs.
    """
    served = _core.Served.without_tokenizer(Path(place))
    if served is not None:
        return served
    try:
        return _core.Served.of(Tokenizer(locate_tokenizer(place))._core)
    except TokenizerError as error:
        raise TokenizerError(
            f"what is to be served cannot be read: {error}",
            code=error.code,
            path=error.path or str(place),
            hint="give the model's directory with --serving, or the serving/ of an output: it"
            " holds generation_config.json or tokenizer.json",
        ) from None
