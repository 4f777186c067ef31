"""What the command line says when something is wrong: all that is known, and as JSON too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import turnmill
from turnmill.cli import VERBS, main

DEMO = Path(turnmill.__file__).parent / "demo"
TOKENIZER = str(DEMO / "tokenizer")
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    Path("odd.jsonl").write_text('{"a": 1}\n')
    Path("recipe.toml").write_text('max_length = -1\nhistry = "expand"\neos = "x"\n')


def said(capsys: Captured, *words: str) -> tuple[int, list[dict[str, Any]], list[str]]:
    """Exit code, the errors as JSON, and what standard error says is wrong."""
    code = main([*words, "--json"])
    captured = capsys.readouterr()
    printed = json.loads(captured.out)
    assert set(printed) <= {"error", "more"}
    told = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    return code, [printed["error"], *printed.get("more", [])], told


@pytest.mark.parametrize("verb", [*VERBS, "shw"])
def test_a_usage_error_is_json_too(verb: str, capsys: Captured) -> None:
    code, (error,), told = said(capsys, verb, "--nonsense")
    assert code == 2
    assert error["code"] == "usage"
    assert error["hint"]
    assert told == [f"error: {error['message']}"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["prepare", "no.jsonl", "-o", "out", "--tokenizer", TOKENIZER],
            ["file-not-found", "no.jsonl", 1],
        ),
        (["check", "no.jsonl", "--tokenizer", TOKENIZER], ["file-not-found", "no.jsonl", 1]),
        (["show", "odd.jsonl", "--tokenizer", TOKENIZER], ["unknown-schema", "odd.jsonl", 1]),
        (["parity", "odd.jsonl", "--tokenizer", "none/x"], ["tokenizer-not-found", None, 2]),
        (["pack", "no", "--length", "8"], ["no-output", "no", 1]),
    ],
)
def test_an_error_as_json(words: list[str], expected: list[Any], capsys: Captured) -> None:
    code, (error, *_), told = said(capsys, *words)
    assert [error["code"], error["path"], code] == expected
    assert error["place"] == error["path"]
    assert told[0] == f"error: {error['message']}"


def test_all_flags_that_are_wrong(capsys: Captured) -> None:
    words = ["prepare", "a", "-o", "out", "--history", "x", "--max-length", "y", "--nonsense"]
    _, errors, told = said(capsys, *words)
    messages = [error["message"] for error in errors]
    assert messages == [
        "unknown option `--nonsense`",
        "`--history` cannot be `x`",
        "`--max-length` cannot be `y`",
    ]
    assert told == [f"error: {message}" for message in messages]


def test_recipe_tokenizer_and_inputs_that_are_wrong(capsys: Captured) -> None:
    words = ["prepare", "no.jsonl", "neither.jsonl", "--recipe", "recipe.toml"]
    code, errors, _ = said(capsys, *words, "--tokenizer", "/no/model")
    assert code == 2
    assert [(error["code"], error["path"]) for error in errors] == [
        ("unknown-key", "recipe.toml"),
        ("bad-value", "recipe.toml"),
        ("bad-value", "recipe.toml"),
        ("usage", None),  # no output
        ("tokenizer-not-found", "/no/model"),
        ("file-not-found", "no.jsonl"),
        ("file-not-found", "neither.jsonl"),
    ]


@pytest.mark.parametrize("verb", ["prepare", "show", "check", "parity"])
def test_tokenizer_template_and_rows_that_are_wrong(verb: str, capsys: Captured) -> None:
    words = ["-o", "out"] if verb == "prepare" else []
    flags = ["--tokenizer", "/no/model", "--template", "{% for"]
    _, errors, _ = said(capsys, verb, "odd.jsonl", *words, *flags)
    codes = [error["code"] for error in errors]
    assert codes == ["tokenizer-not-found", "template-syntax", "unknown-schema"]


def test_several_inputs_whose_rows_are_wrong(capsys: Captured) -> None:
    Path("odder.jsonl").write_text('{"b": 1}\n')
    words = ["prepare", "odd.jsonl", "odder.jsonl", "-o", "out", "--tokenizer", TOKENIZER]
    code, errors, _ = said(capsys, *words)
    assert code == 1
    assert [error["path"] for error in errors] == ["odd.jsonl", "odder.jsonl"]


def test_an_exception_holds_the_others() -> None:
    with pytest.raises(turnmill.RecipeError) as raised:
        turnmill.Recipe(max_length=-1, eos="x")
    (other,) = raised.value.more
    assert isinstance(other, turnmill.RecipeError)
    assert "`max_length` cannot be" in str(other)
    assert any("`max_length` cannot be" in note for note in raised.value.__notes__)


def test_an_interrupt_is_json_too(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(turnmill, "prepare", interrupted)
    words = ["prepare", "odd.jsonl", "-o", "out", "--tokenizer", TOKENIZER]
    code, (error,), _ = said(capsys, *words)
    assert (code, error["code"]) == (130, "interrupted")
    assert "run the same command again" in error["hint"]
