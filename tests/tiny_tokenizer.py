"""A tokenizer of bytes and a few added tokens, so that every render reads back from its ids."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import tokenizers
from tokenizers import decoders, models, pre_tokenizers


def write(
    directory: Path,
    special: Sequence[str],
    plain: Sequence[str] = (),
    *,
    template: str | None = None,
    **names: str,
) -> Path:
    """Writes a tokenizer directory.

    Args:
        directory: Where; it is made.
        special: Added tokens that are special.
        plain: Added tokens that are not.
        template: The chat template.
        names: Named tokens, such as ``eos_token``.
    """
    directory.mkdir(parents=True, exist_ok=True)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {character: id_ for id_, character in enumerate(alphabet)}
    tokenizer = tokenizers.Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(special))
    tokenizer.add_tokens(list(plain))
    tokenizer.save(str(directory / "tokenizer.json"))
    config = {**names, **({"chat_template": template} if template else {})}
    (directory / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    return directory


def text(directory: Path, ids: Sequence[int]) -> str:
    """The text of ids, special tokens included."""
    tokenizer = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
    return str(tokenizer.decode(list(ids), skip_special_tokens=False))
