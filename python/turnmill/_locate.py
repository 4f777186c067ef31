"""Finds a tokenizer: a directory, a ``tokenizer.json``, or a model id in a local model cache.

Nothing is ever downloaded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from turnmill._arguments import path_text
from turnmill.errors import TokenizerError

FILE = "tokenizer.json"


def locate_tokenizer(name: str | os.PathLike[str]) -> Path:
    """The directory or ``tokenizer.json`` that ``name`` stands for.

    Args:
        name: A directory, a file, or a model id such as ``Qwen/Qwen3-8B`` that the Hugging Face
            cache (``HF_HUB_CACHE``, ``HF_HOME``) or the ModelScope cache (``MODELSCOPE_CACHE``)
            holds.

    Raises:
        TokenizerError: There is no such tokenizer on this machine; the hint says how to get it.
            What lies in a directory is not looked at: loading it does that.
    """
    path = Path(path_text(name, "a tokenizer"))
    if path.is_dir():
        return _checked_directory(path)
    if path.exists():
        return path
    text = os.fspath(name)
    if _looks_like_id(text):
        return _from_caches(text)
    message = "the tokenizer does not exist"
    raise TokenizerError(
        message,
        code="tokenizer-not-found",
        path=text,
        hint=f"give a directory with {FILE}, or a model id such as Qwen/Qwen3-8B, with --tokenizer",
    )


def _checked_directory(path: Path) -> Path:
    if (path / FILE).exists():
        return path
    if (path / "snapshots").is_dir():
        return _checked_directory(_snapshot(path))
    below = sorted(path.glob(f"*/{FILE}"))[:1]
    if not below:
        return path  # Loading it says what it is instead.
    message = f"the tokenizer directory holds no {FILE}"
    hint = f"give {below[0].parent}"
    raise TokenizerError(message, code="tokenizer-not-found", path=str(path), hint=hint)


def _looks_like_id(text: str) -> bool:
    parts = text.split("/")
    return len(parts) in {1, 2} and all(parts) and not text.startswith((".", "~", "/"))


def _from_caches(model: str) -> Path:
    for directory in _cached(model):
        if (directory / FILE).exists():
            return directory
    message = f"{model!r} is neither a directory here nor a model in a cache of this machine"
    raise TokenizerError(
        message,
        code="tokenizer-not-found",
        hint=f"get it with: hf download {model} --include '*.json' '*.jinja'; "
        "or give a directory with --tokenizer",
    )


def _cached(model: str) -> Iterator[Path]:
    """Directories in which a cache would keep ``model``, most likely first."""
    for root in hugging_face_caches():
        repository = root / f"models--{model.replace('/', '--')}"
        if repository.is_dir():
            yield _snapshot(repository)
    for root in modelscope_caches():
        for name in (model, model.replace(".", "___")):
            yield root / "models" / name
            yield root / name


def hugging_face_caches() -> list[Path]:
    """Where ``huggingface_hub`` keeps models, by its environment variables."""
    if explicit := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return [Path(explicit).expanduser()]
    if home := os.environ.get("HF_HOME"):
        return [Path(home).expanduser() / "hub"]
    return [_user_cache() / "huggingface" / "hub"]


def modelscope_caches() -> list[Path]:
    """Where ``modelscope`` keeps models: now in ``models`` below, older versions in ``hub``."""
    explicit = os.environ.get("MODELSCOPE_CACHE")
    root = Path(explicit).expanduser() if explicit else _user_cache() / "modelscope"
    return [root, root / "hub"]


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _snapshot(repository: Path) -> Path:
    """The snapshot that ``main`` points to, or the newest if there is no such reference."""
    reference = repository / "refs" / "main"
    if reference.exists():
        return repository / "snapshots" / reference.read_text("utf-8").strip()
    snapshots = [path for path in (repository / "snapshots").glob("*") if path.is_dir()]
    return max(snapshots, key=lambda path: path.stat().st_mtime, default=repository)
