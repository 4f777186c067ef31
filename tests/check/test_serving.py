"""Data against the model directory that will serve what is trained on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import turnmill
from fixtures import both, stops, token_id, tokenizer_dir
from turnmill import cli
from turnmill.errors import RecipeError, TokenizerError

DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"
STOP, OTHER = 2, 0
ROW = {
    "messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello!"},
    ]
}


@pytest.fixture
def model(tmp_path):
    """A copy of the demo tokenizer that stops on these ids."""

    def make(name: str, *stops: int, template: str | None = None) -> Path:
        directory = tmp_path / name
        directory.mkdir()
        for file in DEMO.iterdir():
            (directory / file.name).write_bytes(file.read_bytes())
        generation = json.dumps({"eos_token_id": list(stops)})
        (directory / "generation_config.json").write_text(generation)
        if template is not None:
            (directory / "chat_template.jinja").write_text(template)
        return directory

    return make


def test_conversations_are_checked_against_the_server_too(model):
    data = turnmill.Recipe(tokenizer=model("data", STOP))
    options = {"tokenizer": data.tokenizer, "recipe": data}
    assert turnmill.check([ROW], **options, serving=model("same", STOP)).ok
    with pytest.raises(RecipeError) as raised:
        turnmill.check([ROW], **options, serving=model("base", OTHER))
    assert raised.value.code == "wrong-terminator"
    changed = (DEMO / "chat_template.jinja").read_text() + " "
    findings = turnmill.check([ROW], **options, serving=model("changed", STOP, template=changed))
    assert "another chat template" in findings.rules["prompt-parity"].evidence[0]["note"]
    given = turnmill.check([ROW], **options, stop=[STOP], serving=model("other", OTHER))
    assert "server stops on [0] only" in given.rules["wrong-terminator"].evidence[0]["note"]
    assert not given.ok


def test_the_datas_stop_set_counts_and_not_that_of_its_tokenizer(model, tmp_path):
    """A base model, trained with a stop token of its own: the server stops on that one alone."""
    recipe = turnmill.Recipe(tokenizer=model("base", OTHER), stop=[STOP])
    turnmill.prepare([ROW], tmp_path / "out", recipe)
    assert turnmill.check(tmp_path / "out", serving=model("served", STOP)).ok
    findings = turnmill.check(tmp_path / "out", serving=recipe.tokenizer)
    assert findings.rules["wrong-terminator"].count == 1


def test_the_serving_directory_of_an_output_needs_no_tokenizer(tmp_path):
    turnmill.prepare([ROW], tmp_path / "out", turnmill.Recipe(tokenizer=DEMO))
    serving = tmp_path / "out" / "serving"
    assert turnmill.check(tmp_path / "out", serving=serving).ok
    (serving / "generation_config.json").write_text('{"eos_token_id": 0}')
    command = ["check", str(tmp_path / "out"), "--serving", str(serving), "--quiet"]
    assert cli.main(command) == 1


@pytest.mark.parametrize("place", ["nowhere", "empty"])
def test_a_serving_directory_that_is_none_names_its_own_flag(tmp_path, place):
    (tmp_path / "empty").mkdir()
    with pytest.raises(TokenizerError) as raised:
        turnmill.check([ROW], tokenizer=DEMO, serving=tmp_path / place)
    assert "--serving" in raised.value.hint
    assert "--tokenizer" not in raised.value.hint
    assert place in raised.value.path


@pytest.mark.parametrize("name", both("phi-3-mini"))
def test_llama_cpp_is_told_the_token_that_ends_turns(name, tmp_path):
    """Phi-3 ends a turn with one stop token and the conversation with another one."""
    recipe = turnmill.Recipe(tokenizer=tokenizer_dir(name), stop=stops(name))
    turnmill.prepare([ROW], tmp_path / "out", recipe)
    text = (tmp_path / "out" / "serving" / "README.md").read_text()
    assert f"eos_token_id=int:{token_id(name, '<|end|>')}" in text


def test_a_stop_id_that_the_tokenizer_has_not():
    rows = [{"input_ids": [500, STOP], "labels": [-100, STOP]}]
    findings = turnmill.check(rows, tokenizer=DEMO, stop=[STOP, 999_999])
    assert "999999" in findings.rules["unset-terminator"].evidence[0]["note"]


@pytest.mark.parametrize("text", ["{", "\xff", '{"eos_token_id": "a"}', '{"eos_token_id": [true]}'])
def test_a_generation_config_that_is_broken_is_named(tmp_path, text, capsys):
    turnmill.prepare([ROW], tmp_path / "out", turnmill.Recipe(tokenizer=DEMO))
    broken = tmp_path / "served" / "generation_config.json"
    broken.parent.mkdir()
    broken.write_bytes(text.encode("latin-1"))
    words = ["check", str(tmp_path / "out"), "--serving", str(broken.parent)]
    assert cli.main(words) == 2
    said = capsys.readouterr().err
    assert str(broken) in said.replace("\n", "")
    assert "hint: " in said
    assert "report this" not in said
