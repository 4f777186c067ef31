"""The tokenizer of another library as turnmill's own, with the same ids."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from turnmill._locate import FILE, locate_tokenizer
from turnmill.errors import TokenizerError
from turnmill.tokenizer import Tokenizer

__all__ = ["directory_of", "tokenizer_of"]

_BESIDE = "generation_config.json"
"""What a server stops on; transformers keeps it with the model and not with the tokenizer."""


def tokenizer_of(given: Any) -> Tokenizer:
    """A turnmill tokenizer that gives the ids of ``given``; loaded once for each state of it.

    Args:
        given: A tokenizer of transformers, a `turnmill.Tokenizer`, or what it can be made from.

    Raises:
        TokenizerError: It has no fast backend, or cannot be loaded.
    """
    return given if isinstance(given, Tokenizer) else _loaded(directory_of(given))


def directory_of(given: Any) -> Path:
    """A directory that holds the tokenizer as it is now, tokens added since it was loaded included.

    That is the directory it was loaded from, if nothing in it has changed; else a temporary one.

    Raises:
        TokenizerError: It has no fast backend, or cannot be found.
    """
    if isinstance(given, Tokenizer):
        return Path(given.path)
    if isinstance(given, str | os.PathLike):
        return locate_tokenizer(given)
    backend = getattr(given, "backend_tokenizer", None)
    if backend is None:
        raise TokenizerError(
            f"an object of type {type(given).__name__} has no fast tokenizer",
            code="no-fast-tokenizer",
            hint=f"load it with AutoTokenizer from a directory that holds {FILE}",
        )
    return _written(_Held(given))


@lru_cache(maxsize=8)
def _loaded(directory: Path) -> Tokenizer:
    return Tokenizer(directory)


class _Held:
    """A tokenizer of transformers as a key: equal while nothing that decides an id has changed."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        backend = tokenizer.backend_tokenizer
        parts = (backend.normalizer, backend.pre_tokenizer, backend.post_processor)
        added = repr(sorted(backend.get_added_tokens_decoder().items()))
        named = sorted(tokenizer.special_tokens_map.items())
        self._state = (
            id(tokenizer),
            backend.get_vocab_size(),
            repr((parts, added, named, tokenizer.chat_template)),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and self._state == other._state

    def __hash__(self) -> int:
        return hash(self._state)


@lru_cache(maxsize=8)
def _written(held: _Held) -> Path:
    """Its own directory, or one in which it is written; the key keeps it alive."""
    own = _own_directory(held.tokenizer)
    written = held.tokenizer.backend_tokenizer.to_str()
    # Most tokenizers are what their file says, to the letter; to read them as JSON takes seconds.
    is_its_file = _digest(written) == _digest_of_file(own / FILE)
    if is_its_file and _same_names(own, held.tokenizer):
        return own
    text = _plain(written)
    is_its_file = is_its_file or _digest(text) == _digest_of_file(own / FILE, plain=True)
    if is_its_file and _same_names(own, held.tokenizer):
        return own
    named = {**held.tokenizer.special_tokens_map, "chat_template": held.tokenizer.chat_template}
    config = json.dumps(named)
    directory = _temporary() / hashlib.sha256(f"{text}\n{config}".encode()).hexdigest()[:16]
    directory.mkdir(exist_ok=True)
    (directory / FILE).write_text(text, "utf-8")
    (directory / "tokenizer_config.json").write_text(config, "utf-8")
    if (own / _BESIDE).is_file():
        (directory / _BESIDE).write_bytes((own / _BESIDE).read_bytes())
    return directory


def _own_directory(tokenizer: Any) -> Path:
    """Where it was loaded from: a directory, or a model id in a local cache."""
    name = str(getattr(tokenizer, "name_or_path", "") or "")
    try:
        return locate_tokenizer(name)
    except TokenizerError:
        return Path(name)


def _plain(text: str) -> str:
    """A ``tokenizer.json`` in one spelling, without what cuts and pads."""
    return json.dumps({**json.loads(text), "truncation": None, "padding": None}, sort_keys=True)


def _digest_of_file(file: Path, *, plain: bool = False) -> bytes | None:
    """The digest of a file as the library of tokenizers writes it, or of its plain form."""
    if not file.is_file():
        return None
    stat = file.stat()
    return _digest_at(file, (stat.st_mtime_ns, stat.st_size), plain)


@lru_cache(maxsize=16)
def _digest_at(file: Path, stamp: tuple[int, int], plain: bool) -> bytes:  # noqa: ARG001 - a key
    from tokenizers import Tokenizer as Theirs

    text = Theirs.from_file(str(file)).to_str()
    return _digest(_plain(text) if plain else text)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _same_names(own: Path, tokenizer: Any) -> bool:
    """Whether its named tokens and its template are those of its directory."""
    config_file = own / "tokenizer_config.json"
    config = json.loads(config_file.read_text("utf-8")) if config_file.is_file() else {}
    named = {name: _content(config.get(name)) for name in tokenizer.special_tokens_map}
    if named != tokenizer.special_tokens_map:
        return False
    return bool(tokenizer.chat_template == _template(own, config))


def _content(token: Any) -> Any:
    return token["content"] if isinstance(token, dict) else token


def _template(own: Path, config: dict[str, Any]) -> Any:
    file = own / "chat_template.jinja"
    return file.read_text("utf-8") if file.is_file() else config.get("chat_template")


@lru_cache(maxsize=1)
def _temporary() -> Path:
    """A directory of this process, removed at its end."""
    import atexit
    import shutil

    directory = tempfile.mkdtemp(prefix="turnmill-")
    atexit.register(_remove, directory, os.getpid(), shutil.rmtree)
    return Path(directory)


def _remove(directory: str, owner: int, remove: Any) -> None:
    """Only the process that made it: a forked child must not take it away."""
    if os.getpid() == owner:
        remove(directory, ignore_errors=True)
