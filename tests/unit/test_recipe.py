"""`turnmill.Recipe`: defaults, checks, TOML."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import pickle
from pathlib import Path

import pytest

import turnmill
from turnmill import _core

NOT_THERE_YET = {"shuffle", "seed"}


def test_the_defaults_here_are_the_defaults_of_the_core() -> None:
    core = json.loads(_core.Recipe("{}").to_json())
    assert turnmill.Recipe().to_dict() == core
    ours = {key.name for key in dataclasses.fields(turnmill.Recipe)}
    assert ours == set(core) | NOT_THERE_YET


def test_everything_that_is_json_goes_there_and_back() -> None:
    made = turnmill.Recipe(
        tokenizer=Path("some/where"),
        now=dt.date(2024, 2, 3),
        stop=("<|im_end|>", 0),
        train_on=["assistant", "tool"],
        columns=["labels", "weights"],
        template_kwargs={"enable_thinking": False},
        max_length=10,
    )
    keys = made.to_dict()
    assert keys["tokenizer"] == "some/where"
    assert keys["now"] == "2024-02-03"
    assert keys["stop"] == ["<|im_end|>", 0]
    assert keys["columns"] == ["input_ids", "labels", "weights"]
    again = turnmill.Recipe(**keys)
    assert again.to_dict() == keys
    assert again.fingerprint() == made.fingerprint()


def test_the_fingerprint_leaves_out_what_decides_no_byte() -> None:
    plain = turnmill.Recipe().fingerprint()
    assert turnmill.Recipe(inputs=["a.jsonl"], overwrite=True).fingerprint() == plain
    assert turnmill.Recipe(eos="template").fingerprint() != plain


@pytest.mark.parametrize(
    ("keys", "code", "hint"),
    [
        ({"max_lenght": 1}, "unknown-key", "did you mean `max_length`?"),
        ({"history": "never"}, "bad-value", "auto, as-rendered"),
        ({"history": "stop"}, "bad-value", "`stop` is called `error` now"),
        ({"max_length": 0}, "bad-value", "positive"),
        ({"stop": []}, "bad-value", "list of tokens or ids"),
        ({"columns": ["attention_mask"]}, "bare-mask", "labels"),
        ({"compat": "chinese-llama-alpaca-3"}, "not-available", "build_instruction_dataset"),
        ({"columns": []}, "bare-mask", "labels"),
        ({"template_kwargs": {"messages": []}}, "bad-value", "the rows"),
    ],
)
def test_what_is_not_allowed_says_what_is(keys: dict[str, object], code: str, hint: str) -> None:
    with pytest.raises(turnmill.RecipeError) as raised:
        turnmill.Recipe(**keys)
    assert raised.value.code == code
    assert hint in str(raised.value.hint)


def test_replace_checks_again_and_pickling_keeps_all() -> None:
    made = turnmill.Recipe(tokenizer="x", roles={"bot": "assistant"})
    assert pickle.loads(pickle.dumps(made)) == made
    assert dataclasses.replace(made, max_length=5).max_length == 5
    with pytest.raises(turnmill.RecipeError):
        dataclasses.replace(made, eos="sometimes")


def test_in_memory_inputs_need_not_be_json() -> None:
    rows = [object()]
    assert turnmill.Recipe(inputs=rows).inputs is rows


def test_toml(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('tokenizer = "x"\nnow = 2024-02-03\n[roles]\nbot = "assistant"\n', "utf-8")
    made = turnmill.Recipe.from_toml(path)
    assert made.to_dict()["roles"] == {"bot": "assistant"}
    assert made.to_dict()["now"] == "2024-02-03"


def test_inputs_in_toml_say_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(
        'inputs = ["a.jsonl", {path = "b.jsonl", schema = "text", fields = {body = "text"}}]\n',
        "utf-8",
    )
    inputs = turnmill.Recipe.from_toml(path).inputs
    assert inputs == ["a.jsonl", turnmill.Input("b.jsonl", "text", {"body": "text"})]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("tokenizr = 1", "unknown-key"),
        ("tokenizer = ", "invalid-toml"),
        ("[[inputs]]\nschema = 'text'", "no-path"),
        ("[[inputs]]\npath = 'a'\nschma = 'text'", "unknown-key"),
        ("[[inputs]]\npath = 'a'\nweight = 2", "bad-value"),
        ("[[inputs]]\npath = 'a'\nschema = 'odd'", "bad-value"),
        ("[template_kwargs]\nmessages = 1", "bad-value"),
    ],
)
def test_bad_toml_names_the_file(tmp_path: Path, text: str, code: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(turnmill.RecipeError) as raised:
        turnmill.Recipe.from_toml(path)
    assert (raised.value.code, raised.value.path) == (code, str(path))
    with pytest.raises(FileNotFoundError):
        turnmill.Recipe.from_toml(tmp_path / "none.toml")
