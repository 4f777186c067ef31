"""Tokenizer, template and stop set are compared before the first row; a refusal names the flag."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

import turnmill
from fixtures import tokenizer_dir
from turnmill.errors import TurnmillError

LLAMA = "llama-3.2-instruct"
ROW = {
    "messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Yes"},
    ]
}


@pytest.fixture
def model(tmp_path):
    """A copy of a tokenizer's directory, with a generation_config.json that stops on ``eos``."""

    def make(name: str, eos: int | list[int] | None = None, **config: str | None) -> Path:
        directory = tmp_path / name
        directory.mkdir()
        for file in tokenizer_dir(name).iterdir():
            (directory / file.name).write_bytes(file.read_bytes())
        if eos is not None:
            file = directory / "generation_config.json"
            file.write_text(json.dumps({"eos_token_id": eos}))
        if config:
            file = directory / "tokenizer_config.json"
            merged = {**json.loads(file.read_text()), **config}
            kept = {key: value for key, value in merged.items() if value is not None}
            file.write_text(json.dumps(kept))
        return directory

    return make


def last_label(directory: Path, **recipe) -> int:
    """The id that ends the answer of a row."""
    encoder = turnmill.Encoder(turnmill.Recipe(tokenizer=directory, **recipe))
    labels = encoder.encode([ROW]).table["labels"][0].as_py()
    return [label for label in labels if label != -100][-1]


def refusal(directory: Path, **recipe) -> TurnmillError:
    with pytest.raises(TurnmillError) as raised:
        turnmill.Encoder(turnmill.Recipe(tokenizer=directory, **recipe))
    return raised.value


def stops_in(hint: str) -> list[str]:
    """The values of the ``--stop`` flags of a hint, as a shell reads them."""
    found = " ".join(re.findall(r"--stop '[^']+'", hint))
    return [word for word in shlex.split(found) if word != "--stop"]


@pytest.mark.parametrize(
    ("name", "eos", "flags", "ends"),
    [
        ("qwen3", 151643, ["<|endoftext|>", "<|im_end|>"], 151645),
        (LLAMA, 128001, ["<|end_of_text|>", "<|eot_id|>"], 128009),
        (LLAMA, [128001, 128008], ["<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"], 128009),
    ],
)
def test_a_stop_set_without_the_templates_terminator(model, name, eos, flags, ends):
    directory = model(name, eos)
    error = refusal(directory)
    assert error.code == "wrong-terminator"
    assert f"(id {ends})" in str(error)
    assert "generation_config.json" in error.hint
    assert stops_in(error.hint) == flags
    assert last_label(directory, stop=flags) == ends


def test_no_template_is_named_that_ends_in_no_stop_token(model):
    """Llama's own terminator, and with it every built-in one that it has, is not served."""
    directory = model(LLAMA, [128001, 128008])
    for template in (None, "llama-3.1"):
        hint = refusal(directory, template=template).hint
        assert "--stop" in hint
        assert "--template" not in hint


def test_a_check_of_conversations_stops_in_the_same_place(model):
    with pytest.raises(TurnmillError) as raised:
        turnmill.check([ROW], tokenizer=model("qwen3", 151643))
    assert raised.value.code == "wrong-terminator"


@pytest.mark.parametrize(
    ("name", "eos", "ends"),
    [
        ("qwen3", [151645, 151643], 151645),
        (LLAMA, 128009, 128009),
        (LLAMA, [128001, 128008, 128009], 128009),
    ],
)
def test_a_stop_set_with_the_templates_terminator(model, name, eos, ends):
    assert last_label(model(name, eos)) == ends


@pytest.mark.parametrize(("name", "ends"), [("qwen3", 151645), (LLAMA, 128009)])
def test_without_a_generation_config_the_eos_of_the_tokenizer_counts(model, name, ends):
    directory = model(name)
    assert last_label(directory) == ends
    encoder = turnmill.Encoder(turnmill.Recipe(tokenizer=directory))
    assert "no generation_config.json" in " ".join(encoder._facts()["notes"])


def test_without_a_generation_config_the_base_models_eos_is_refused(model):
    directory = model("qwen3", eos_token="<|endoftext|>")
    error = refusal(directory)
    assert error.code == "wrong-terminator"
    assert stops_in(error.hint) == ["<|endoftext|>", "<|im_end|>"]


def test_a_base_model_is_told_what_to_train_or_which_template_avoids_it(model):
    directory = model("qwen3", 151643, eos_token="<|endoftext|>")
    error = refusal(directory)
    assert 'modules_to_save = ["embed_tokens", "lm_head"]' in error.hint
    (flag,) = re.findall(r"--template ([^ ;]+)", error.hint)
    assert last_label(directory, template=flag) == 151643
    encoder = turnmill.Encoder(turnmill.Recipe(tokenizer=directory, stop=stops_in(error.hint)))
    (note,) = [note for note in encoder._facts()["notes"] if "do not stop on" in note]
    assert "embed_tokens" in note


def test_without_any_eos_the_flag_is_asked_for(model):
    directory = model("qwen3", eos_token=None)
    error = refusal(directory)
    assert error.code == "unset-terminator"
    assert "--stop TOKEN" in error.hint
    assert last_label(directory, stop=["<|im_end|>"]) == 151645


def test_an_eos_that_is_the_unknown_token(model):
    directory = model("gpt2")
    error = refusal(directory, template="alpaca")
    assert error.code == "unset-terminator"
    assert stops_in(error.hint) == ["<|endoftext|>"]
    assert last_label(directory, template="alpaca", stop=["<|endoftext|>"]) == 50256


def test_a_stop_id_outside_the_vocabulary(model):
    error = refusal(model("qwen3", 999_999))
    assert error.code == "unset-terminator"
    assert stops_in(error.hint) == ["<|im_end|>"]


def test_a_terminator_of_several_pieces_beside_an_own_template(model):
    directory = model(LLAMA, [128001, 128008, 128009])
    error = refusal(directory, template="chatml")
    assert error.code == "terminator-not-atomic"
    assert '"_end" (6345)' in str(error)
    assert "leave --template out" in error.hint
    assert last_label(directory) == 128009


def test_a_terminator_of_several_pieces_without_an_own_template(model):
    directory = model(LLAMA, [128001, 128008, 128009], chat_template=None)
    error = refusal(directory, template="chatml")
    assert error.code == "terminator-not-atomic"
    flags = re.findall(r"--template ([^ ;]+)", error.hint)
    assert flags == ["llama-3", "llama-3.1"]
    for flag in flags:
        assert last_label(directory, template=flag) == 128009


def test_a_tokenizer_that_has_no_templates_terminator(model):
    directory = model("gpt2")
    stop = ["<|endoftext|>"]
    error = refusal(directory, template="chatml", stop=stop)
    assert error.code == "terminator-not-atomic"
    (flag,) = re.findall(r"--template ([^ ;]+)", error.hint)
    assert last_label(directory, template=flag, stop=stop) == 50256
