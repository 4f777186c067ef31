"""What the tests run on: material of our own always, published material where it is.

Our own are the small models of `models.py` (called ``small-qwen3`` and so on) and the data sets of
`demo_rows.py` (``demo-messages`` and so on). Published tokenizers, chat templates and data sets
have licences that forbid shipping them here; they lie in ``../shared/fixtures`` beside a checkout
where they exist at all. Tests take both by name and assert the same of both. Those that need what
is not there skip; where the folder is there, nothing skips: a missing file is a failure.
``TURNMILL_FIXTURES=none`` hides the folder, to see what a stranger sees.
"""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import tokenizers

import demo_rows
import models
from models import PREFIX

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "fixtures"
SKIP_REASON = "the shared fixtures are not on this machine"

PUBLISHED = (
    "qwen3",
    "llama-3.2-instruct",
    "mistral-7b-instruct-v0.3",
    "deepseek-v3",
    "phi-3-mini",
    "gemma-3",
    "gpt-oss",
)
"""The published tokenizers with a chat template, by folder."""

SMALL = tuple(PREFIX + name for name in PUBLISHED)
"""The small models that are like them."""

TOKENIZERS = SMALL + PUBLISHED
"""All tokenizers with a chat template."""

STOPS: dict[str, list[int]] = {
    "qwen3": [151645, 151643],
    "llama-3.2-instruct": [128001, 128008, 128009],
    "mistral-7b-instruct-v0.3": [2],
    "deepseek-v3": [1],
    "phi-3-mini": [32000, 32001, 32007],
    "gemma-3": [1, 106],
    # Without 200007 no turn could end: this template closes every turn, the last too, with <|end|>.
    "gpt-oss": [200002, 199999, 200012, 200007],
}
"""Stop sets as the models' published generation_config.json name them (no fixture carries one)."""


def both(*names: str) -> tuple[str, ...]:
    """The small models that are like published ones, and those themselves."""
    return tuple(PREFIX + name for name in names) + names


def published(name: str) -> str:
    """The published model that a small one is like; a published one is like itself."""
    return name.removeprefix(PREFIX)


def stops(name: str) -> list[int]:
    """The stop set of a model."""
    return models.stops(published(name)) if name.startswith(PREFIX) else STOPS[name]


def present() -> bool:
    """Whether the shared fixtures are on this machine."""
    return SHARED.is_dir() and os.environ.get("TURNMILL_FIXTURES") != "none"


def fixture(*parts: str) -> Path:
    """The path of a shared fixture; skips the test where there are none at all."""
    if not present():
        pytest.skip(SKIP_REASON, allow_module_level=True)
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.fail(f"the shared fixtures are here, but {path} is missing")
    return path


def tokenizer_dir(name: str) -> Path:
    """The folder of a tokenizer, such as ``small-qwen3`` or ``qwen3``."""
    if name.startswith(PREFIX):
        return models.folder(published(name))
    return fixture("tokenizers", name)


def chat_template(name: str) -> str:
    """The chat template of a tokenizer."""
    config = json.loads((tokenizer_dir(name) / "tokenizer_config.json").read_text("utf-8"))
    return str(config["chat_template"])


def token_id(name: str, text: str) -> int:
    """The id of a token of a tokenizer."""
    found = _tokenizer(name).token_to_id(text)
    assert found is not None, text
    return int(found)


@lru_cache(maxsize=2)
def _tokenizer(name: str) -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_file(str(tokenizer_dir(name) / "tokenizer.json"))


def template_path(name: str) -> Path:
    """A published chat template by its file name without ``.jinja``: ``trl.qwen3_training``."""
    return fixture("chat_templates", f"{name}.jinja")


def template_text(name: str) -> str:
    """The source of a chat template.

    ``built-in/qwen3`` is a built-in one, ``untagged/qwen3`` the same without its tags,
    ``unseen/harmony`` a file of ``parity/unseen``, and ``trl.qwen3_training`` a published one.
    """
    kind, _, own = name.rpartition("/")
    if kind == "built-in":
        return (models.BUILT_IN / f"{own}.jinja").read_text("utf-8")
    if kind == "untagged":
        return models.built_in(own)
    return models.unseen(own) if kind == "unseen" else template_path(name).read_text("utf-8")


def built_in_templates() -> list[str]:
    """The built-in templates with their tags, for `template_text`."""
    return sorted(f"built-in/{path.stem}" for path in models.BUILT_IN.glob("*.jinja"))


def untagged_templates() -> list[str]:
    """The built-in templates without their tags, for `template_text`."""
    return [name.replace("built-in/", "untagged/") for name in built_in_templates()]


def data_path(name: str) -> Path:
    """A file: ``demo/alpaca.jsonl`` of the demo, or a published ``sharegpt_dev.jsonl.zst``."""
    if name.startswith("demo/"):
        return demo_rows.DATA / name.removeprefix("demo/")
    return fixture("data", name)


def data_text(name: str) -> str:
    """The decompressed text of a data set."""
    path = data_path(name)
    if path.suffix == ".zst":
        import pyarrow as pa

        with pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") as stream:
            return str(stream.read().decode())
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes()).decode()
    return path.read_text("utf-8")


@lru_cache(maxsize=2)
def _rows(name: str) -> list[Any]:
    if name in demo_rows.SETS:
        return list(demo_rows.rows(name))
    text = data_text(name)
    if text.lstrip()[:1] == "[":
        return list(json.loads(text))
    return [json.loads(line) for line in io.StringIO(text) if line.strip()]


def rows(name: str, limit: int | None = None, offset: int = 0) -> list[Any]:
    """Rows ``offset`` to ``offset + limit`` of a data set (all of them without a limit)."""
    return list(islice(_rows(name), offset, None if limit is None else offset + limit))


def forget() -> None:
    """Frees what is kept for the next test."""
    _rows.cache_clear()
    _tokenizer.cache_clear()


def spread(items: list[Any], count: int) -> Iterator[Any]:
    """``count`` items at even distances, so that a sample reaches the end of the file."""
    step = max(1, len(items) // count)
    return islice(items[::step], count)
