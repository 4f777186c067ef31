"""Generators for a model: a directory of transformers, or the address of a server."""

from __future__ import annotations

import os
from pathlib import Path

from turnmill.errors import ArgumentError
from turnmill.stop_test.generation import Generate
from turnmill.tokenizer import Tokenizer

__all__ = ["generator"]


def generator(
    model: str | os.PathLike[str], tokenizer: Tokenizer | None, name: str | None
) -> Generate:
    """The generator for a model.

    Args:
        model: A directory that transformers loads, or a URL: one that ends in ``/v1`` is an
            OpenAI-compatible endpoint; any other is asked whether it is a llama.cpp server.
        tokenizer: Turns the text of servers that give no ids into ids.
        name: The model's name, for servers of several.

    Raises:
        ArgumentError: It is neither.
        TurnmillError: The server does not answer, or torch is not installed.
    """
    place = os.fspath(model)
    if place.startswith(("http://", "https://")):
        from turnmill.stop_test.models.servers import server

        return server(place, tokenizer, name)
    if Path(place, "config.json").is_file():
        from turnmill.stop_test.models.local import local_model

        return local_model(place)
    what = "there is no config.json in it" if Path(place).is_dir() else "there is no such directory"
    raise ArgumentError(
        f"{place!r} is not a model: {what}",
        code="no-model",
        hint="name a directory that transformers loads, or the URL of a server, such as "
        "http://localhost:8000/v1",
    )
