"""Reads the files next to a tokenizer: chat template, stop set, settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from turnmill.errors import TemplateError, TokenizerError
from turnmill.template import Template
from turnmill.tokenizer import Tokenizer

REPAIR = "repair the file, or remove it and do without what it says"
"""What to do about a broken file of a model's directory."""


def directory_of(tokenizer: Tokenizer) -> Path:
    """The directory that a tokenizer was loaded from."""
    path = Path(tokenizer.path)
    return path if path.is_dir() else path.parent


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; an empty one if there is no such file.

    Raises:
        TokenizerError: The file is not JSON.
    """
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        message = f"{path.name} is not JSON: {error}"
        raise TokenizerError(message, code="invalid-config", path=path, hint=REPAIR) from error
    return value if isinstance(value, dict) else {}


def names_stops(tokenizer: Tokenizer) -> bool:
    """Whether there is a ``generation_config.json`` that says what the model stops on."""
    config = read_object(directory_of(tokenizer) / "generation_config.json")
    return config.get("eos_token_id") is not None


def chat_template(tokenizer: Tokenizer) -> str | None:
    """The chat template of a tokenizer's directory, as source."""
    return template_in(directory_of(tokenizer))


def template_in(directory: Path) -> str | None:
    """The chat template of a directory, as source.

    Raises:
        TemplateError: It does not compile.
    """
    if not directory.is_dir():
        return None
    try:
        return Template(directory).source
    except TemplateError as error:
        if error.code != "no-chat-template":
            raise
    return None
