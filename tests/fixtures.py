"""The one place that knows where the shared fixtures are.

Fixtures are real tokenizers, chat templates and data sets under licences that forbid shipping them
here; they lie in ``../shared/fixtures`` beside a checkout where they exist at all. Tests that need
them skip without them. Where the folder is there, nothing skips: a missing file is a failure.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "fixtures"
SKIP_REASON = "the shared fixtures are not on this machine"

TOKENIZERS = (
    "qwen3",
    "llama-3.2-instruct",
    "mistral-7b-instruct-v0.3",
    "deepseek-v3",
    "phi-3-mini",
    "gemma-3",
    "gpt-oss",
)
"""The tokenizers with a chat template, by folder."""

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


def present() -> bool:
    """Whether the shared fixtures are on this machine."""
    return SHARED.is_dir()


def fixture(*parts: str) -> Path:
    """The path of a shared fixture; skips the test where there are none at all."""
    if not present():
        pytest.skip(SKIP_REASON, allow_module_level=True)
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.fail(f"the shared fixtures are here, but {path} is missing")
    return path


def tokenizer_dir(name: str) -> Path:
    """The folder of a tokenizer, such as ``qwen3``."""
    return fixture("tokenizers", name)


def template_path(name: str) -> Path:
    """A chat template by its file name without ``.jinja``, such as ``trl.qwen3_training``."""
    return fixture("chat_templates", f"{name}.jinja")


def data_path(name: str) -> Path:
    """A data set by its file name in ``data``, such as ``sharegpt_dev.jsonl.zst``."""
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
    text = data_text(name)
    if text.lstrip()[:1] == "[":
        return list(json.loads(text))
    return [json.loads(line) for line in io.StringIO(text) if line.strip()]


def rows(name: str, limit: int | None = None, offset: int = 0) -> list[Any]:
    """Rows ``offset`` to ``offset + limit`` of a data set (all of them without a limit)."""
    return list(islice(_rows(name), offset, None if limit is None else offset + limit))


def forget() -> None:
    """Frees the rows that are kept for the next test."""
    _rows.cache_clear()


def spread(items: list[Any], count: int) -> Iterator[Any]:
    """``count`` items at even distances, so that a sample reaches the end of the file."""
    step = max(1, len(items) // count)
    return islice(items[::step], count)
