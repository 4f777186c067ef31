"""The other side: the installed transformers on the same tokenizer and template."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turnmill.errors import TurnmillError

__all__ = ["Reference", "Theirs"]


@dataclass(frozen=True)
class Theirs:
    """What transformers makes of a conversation."""

    text: str
    ids: list[int]
    mask: list[int] | None
    """1 for a token of the assistant, where the template has tags."""


class Reference:
    """A tokenizer of transformers with the template that the recipe uses.

    Args:
        path: The tokenizer's directory, or a ``tokenizer.json``.
        template: The template's source; the tokenizer's own if not given.

    Raises:
        TurnmillError: transformers or jinja2 is not installed.
    """

    def __init__(self, path: Path, template: str | None) -> None:
        self._template = template
        with _quiet():
            self._tokenizer = _load(path)
        from tokenizers import Tokenizer

        file = path / "tokenizer.json" if path.is_dir() else path
        self._file = Tokenizer.from_file(str(file))
        self._file.no_truncation()
        self._file.no_padding()

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the libraries that are compared with."""
        import tokenizers
        import transformers

        return {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__}

    def encode(self, conversation: dict[str, Any], *, mask: bool) -> Theirs | str:
        """The text, ids and mask of a conversation, or what transformers raises."""
        keys = {
            "tools": conversation["tools"],
            "documents": conversation["documents"],
            "chat_template": self._template,
            **conversation["variables"],
        }
        try:
            with _quiet():
                text = self._tokenizer.apply_chat_template(
                    conversation["messages"], tokenize=False, **keys
                )
                encoded = self._tokenizer.apply_chat_template(
                    conversation["messages"],
                    tokenize=True,
                    return_dict=True,
                    return_assistant_tokens_mask=mask,
                    **keys,
                )
        except Exception as error:  # noqa: BLE001 - templates raise anything
            return f"{type(error).__name__}: {error}"
        masks = list(encoded["assistant_masks"]) if mask else None
        return Theirs(text, list(encoded["input_ids"]), masks)

    def encode_with_file(self, text: str) -> list[int]:
        """The ids of ``tokenizer.json`` itself, without anything that transformers rebuilds."""
        return list(self._file.encode(text, add_special_tokens=False).ids)


def _load(path: Path) -> Any:
    try:
        import jinja2  # noqa: F401 - apply_chat_template needs it
        from transformers import AutoTokenizer, PreTrainedTokenizerFast
    except ImportError as error:
        message = f"{error.name or 'transformers'} is not installed"
        raise TurnmillError(
            message, code="no-transformers", hint="pip install transformers jinja2"
        ) from None
    if not path.is_dir():
        return PreTrainedTokenizerFast(tokenizer_file=str(path))
    try:
        return AutoTokenizer.from_pretrained(str(path), local_files_only=True)
    except Exception:  # noqa: BLE001 - a directory without a config.json names no class
        return PreTrainedTokenizerFast.from_pretrained(str(path), local_files_only=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps advice of transformers, such as that PyTorch is missing, off standard error."""
    before = os.environ.get("TRANSFORMERS_VERBOSITY")
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    try:
        try:
            from transformers.utils import logging
        except ImportError:
            yield
            return
        level = logging.get_verbosity()
        logging.set_verbosity_error()
        try:
            yield
        finally:
            logging.set_verbosity(level)
    finally:
        if before is None:
            del os.environ["TRANSFORMERS_VERBOSITY"]
        else:
            os.environ["TRANSFORMERS_VERBOSITY"] = before
