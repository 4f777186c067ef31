"""The tokenizer's self-check: when it runs, where the verdict is kept, what a difference does."""

from __future__ import annotations

import json
import pickle
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest

import turnmill
from fixtures import ROOT
from turnmill.encoder import self_check
from turnmill.errors import TokenizerError

TOKENIZER = ROOT / "python" / "turnmill" / "demo" / "tokenizer"
ROW = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "turnmill" / "self-check"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROW) + "\n", "utf-8")
    return path


def recipe(**keys: object) -> turnmill.Recipe:
    return turnmill.Recipe(tokenizer=TOKENIZER, **keys)


def test_prepare_keeps_a_good_verdict_by_hash_and_version(
    cache: Path, rows: Path, tmp_path: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = turnmill.prepare(rows, tmp_path / "out", recipe())
    assert run.facts["tokenizer"]["backend"] == "bpe"
    (verdict,) = cache.iterdir()
    assert json.loads(verdict.read_text()) == {"difference": None}
    assert verdict.name == f"{run.facts['tokenizer']['hash']}-{turnmill.__version__}.json"


def test_a_difference_falls_back_loudly_and_gives_the_same_ids(
    cache: Path, rows: Path, tmp_path: Path
) -> None:
    good = turnmill.prepare(rows, tmp_path / "good", recipe())
    (verdict,) = cache.iterdir()
    verdict.write_text(json.dumps({"difference": "at the text 'Hi'"}))
    with pytest.warns(RuntimeWarning, match="at the text 'Hi'"):
        run = turnmill.prepare(rows, tmp_path / "out", recipe())
    assert run.facts["tokenizer"]["backend"] == "reference"
    assert "at the text 'Hi'" in run.facts["tokenizer"]["backend_reason"]
    assert any("at the text 'Hi'" in note for note in run.facts["notes"])
    assert run.totals.to_dict() == good.totals.to_dict()
    data = sorted((tmp_path / "out").glob("data-*"))
    assert [path.read_bytes() for path in data] == [
        path.read_bytes() for path in sorted((tmp_path / "good").glob("data-*"))
    ]


def test_a_wrong_backend_is_found_before_the_first_row(
    cache: Path, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files change after the fast backend was built of them: it is a wrong one for them."""
    directory = shutil.copytree(TOKENIZER, tmp_path / "tokenizer")
    asked = self_check.difference

    def swap(fingerprint: str, version: str, compare: Any) -> str | None:
        file = directory / "tokenizer.json"
        content = json.loads(file.read_text("utf-8"))
        vocab = content["model"]["vocab"]
        vocab["H"], vocab["i"] = vocab["i"], vocab["H"]
        file.write_text(json.dumps(content), "utf-8")
        return asked(fingerprint, version, compare)

    monkeypatch.setattr(self_check, "difference", swap)
    with pytest.warns(RuntimeWarning, match="instead of"):
        run = turnmill.prepare(rows, tmp_path / "out", turnmill.Recipe(tokenizer=directory))
    assert run.facts["tokenizer"]["backend"] == "reference"
    (verdict,) = cache.iterdir()
    assert "instead of" in json.loads(verdict.read_text())["difference"]


def test_loading_and_encoding_text_make_no_check(cache: Path) -> None:
    turnmill.Tokenizer(TOKENIZER).encode_batch(["Hi"])
    turnmill.Encoder(recipe())
    assert not cache.exists()


@pytest.mark.parametrize("embed", [False, True])
def test_the_fallback_travels_with_a_pickle(
    embed: bool, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(self_check, "difference", lambda *_: "a word")
    encoder = turnmill.Encoder(recipe(), embed=embed)
    with pytest.warns(RuntimeWarning, match="a word"):
        encoder.encode(rows)
    again = pickle.loads(pickle.dumps(encoder))
    assert again._session.facts()["tokenizer"]["backend"] == "reference"


def test_the_comparison_is_made_once(cache: Path) -> None:
    calls = []

    def compare() -> tuple[int, str | None]:
        calls.append(1)
        return 7, "a word"

    assert self_check.difference("f", "1", compare) == "a word"
    assert self_check.difference("f", "1", compare) == "a word"
    assert len(calls) == 1
    assert self_check.difference("f", "2", compare) == "a word"
    assert len(calls) == 2
    (cache / "f-1.json").write_text("{}")
    assert self_check.difference("f", "1", compare) == "a word"
    assert len(calls) == 3


def test_nothing_compared_is_no_verdict(cache: Path) -> None:
    assert self_check.difference("f", "1", lambda: (0, None)) is None
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert self_check.difference("f", "1", lambda: (7, None)) is None


def test_a_check_that_fails_does_not_end_the_run() -> None:
    def compare() -> tuple[int, str | None]:
        raise TokenizerError("broken", code="x")

    with pytest.warns(RuntimeWarning, match="could not be made"):
        assert self_check.difference("f", "1", compare) is None
