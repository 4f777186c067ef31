"""The arguments of a check."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from turnmill._locate import locate_tokenizer
from turnmill.errors import TokenizerError
from turnmill.recipe import Recipe
from turnmill.template import Template
from turnmill.tokenizer import Tokenizer


@dataclass(frozen=True)
class Settings:
    """The arguments of `turnmill.check.check`."""

    tokenizer: Any = None
    stop: list[str | int] | None = None
    serving: str | os.PathLike[str] | None = None
    template: str | os.PathLike[str] | None = None
    max_length: int | None = None
    response_marker: str | None = None
    ignore_label: int | None = None
    recipe: Recipe = field(default_factory=Recipe)
    evidence: int = 5
    threads: int | None = None

    def template_source(self) -> str | None:
        """The template of tokenized data, if it is not the tokenizer's.

        Raises:
            TemplateError: It cannot be read.
        """
        return None if self.template is None else Template(self.template).source

    def loaded_tokenizer(self) -> Tokenizer:
        """The tokenizer of the data.

        Raises:
            TokenizerError: None is named, or it cannot be loaded.
        """
        given = self.tokenizer
        if isinstance(given, Tokenizer):
            return given
        if given is None or given == "":
            raise TokenizerError(
                "no tokenizer is named",
                code="tokenizer-not-found",
                hint="add --tokenizer DIR: it says which ids stop a turn",
            )
        return Tokenizer(locate_tokenizer(given))
