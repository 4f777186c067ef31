"""Tokenizers by directory, file and model id."""

from __future__ import annotations

from pathlib import Path

import pytest

import turnmill
from turnmill._locate import locate_tokenizer
from turnmill.errors import TokenizerError


def tokenizer(directory: Path) -> Path:
    directory.mkdir(parents=True)
    (directory / "tokenizer.json").write_text("{}")
    return directory


@pytest.fixture(autouse=True)
def _no_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "MODELSCOPE_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def test_directories_and_files(tmp_path: Path) -> None:
    directory = tokenizer(tmp_path / "model")
    assert locate_tokenizer("model") == Path("model")
    assert locate_tokenizer(directory / "tokenizer.json") == directory / "tokenizer.json"


@pytest.mark.parametrize(
    ("variable", "root"), [("HF_HUB_CACHE", "hub"), ("HF_HOME", "home/hub"), (None, None)]
)
def test_the_hugging_face_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None, root: str | None
) -> None:
    cache = tmp_path / (root or "cache/huggingface/hub")
    repository = cache / "models--Qwen--Qwen3-8B"
    tokenizer(repository / "snapshots" / "old")
    wanted = tokenizer(repository / "snapshots" / "abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    if variable:
        monkeypatch.setenv(variable, str(cache if variable == "HF_HUB_CACHE" else cache.parent))
    assert locate_tokenizer("Qwen/Qwen3-8B") == wanted


@pytest.mark.parametrize("path", ["models/Qwen/Qwen3-0.6B", "hub/Qwen/Qwen3-0___6B"])
def test_the_modelscope_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    wanted = tokenizer(tmp_path / "scope" / path)
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "scope"))
    assert locate_tokenizer("Qwen/Qwen3-0.6B") == wanted


def test_a_model_that_is_not_there_says_how_to_get_it() -> None:
    with pytest.raises(TokenizerError, match="'Qwen/Qwen3-8B' is neither a directory") as e:
        locate_tokenizer("Qwen/Qwen3-8B")
    assert e.value.hint == (
        "get it with: hf download Qwen/Qwen3-8B --include '*.json' '*.jinja'; "
        "or give a directory with --tokenizer"
    )


def test_a_directory_without_tokenizer_json(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(TokenizerError, match=r"holds no tokenizer\.json \(it is empty\)"):
        turnmill.Tokenizer("empty")
    tokenizer(tmp_path / "parent" / "model")
    with pytest.raises(TokenizerError) as caught:
        locate_tokenizer("parent")
    assert caught.value.hint == "give parent/model"


def test_a_path_that_does_not_exist() -> None:
    with pytest.raises(TokenizerError, match="does not exist") as caught:
        locate_tokenizer("./nowhere/at/all")
    assert caught.value.path == "./nowhere/at/all"
