"""Tokenizer, template and stop set are compared before the first row; a refusal names the flag."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import tokenizers

import turnmill
from fixtures import both, token_id, tokenizer_dir
from turnmill.errors import TurnmillError

QWEN, LLAMA, GPT2 = both("qwen3"), both("llama-3.2-instruct"), both("gpt2")
ROW = {
    "messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Yes"},
    ]
}


@pytest.fixture
def model(tmp_path):
    """A copy of a tokenizer's directory, with a generation_config.json that stops on ``eos``."""

    def make(name: str, *stops: str, eos: int | None = None, **config: str | None) -> Path:
        directory = tmp_path / name
        directory.mkdir()
        for file in tokenizer_dir(name).iterdir():
            (directory / file.name).write_bytes(file.read_bytes())
        (directory / "generation_config.json").unlink(missing_ok=True)
        ids = [token_id(name, text) for text in stops]
        if ids or eos is not None:
            file = directory / "generation_config.json"
            # As in published files: a number where there is one.
            named = eos if eos is not None else ids[0] if len(ids) == 1 else ids
            file.write_text(json.dumps({"eos_token_id": named}))
        if config:
            file = directory / "tokenizer_config.json"
            merged = {**json.loads(file.read_text()), **config}
            kept = {key: value for key, value in merged.items() if value is not None}
            file.write_text(json.dumps(kept))
        return directory

    return make


def last_label(directory: Path, **recipe) -> str:
    """The token that ends the answer of a row."""
    encoder = turnmill.Encoder(turnmill.Recipe(tokenizer=directory, **recipe))
    labels = encoder.encode([ROW]).table["labels"][0].as_py()
    last = [label for label in labels if label != -100][-1]
    known = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
    return str(known.id_to_token(last))


def refusal(directory: Path, **recipe) -> TurnmillError:
    with pytest.raises(TurnmillError) as raised:
        turnmill.Encoder(turnmill.Recipe(tokenizer=directory, **recipe))
    return raised.value


def stops_in(hint: str) -> list[str]:
    """The values of the ``--stop`` flags of a hint, as a shell reads them."""
    found = " ".join(re.findall(r"--stop '[^']+'", hint))
    return [word for word in shlex.split(found) if word != "--stop"]


END, EOT = "<|im_end|>", "<|eot_id|>"
TEXT, LLAMA_TEXT = "<|endoftext|>", "<|end_of_text|>"


def cases(*of: tuple[tuple[str, ...], tuple[object, ...]]) -> list[tuple[object, ...]]:
    """Each case for each of its tokenizers."""
    return [(name, *case) for names, case in of for name in names]


@pytest.mark.parametrize(
    ("name", "stops", "flags", "ends"),
    cases(
        (QWEN, ((TEXT,), [TEXT, END], END)),
        (LLAMA, ((LLAMA_TEXT,), [LLAMA_TEXT, EOT], EOT)),
        (LLAMA, ((LLAMA_TEXT, "<|eom_id|>"), [LLAMA_TEXT, "<|eom_id|>", EOT], EOT)),
    ),
)
def test_a_stop_set_without_the_templates_terminator(model, name, stops, flags, ends):
    directory = model(name, *stops)
    error = refusal(directory)
    assert error.code == "wrong-terminator"
    assert f"(id {token_id(name, ends)})" in str(error)
    assert "generation_config.json" in error.hint
    assert stops_in(error.hint) == flags
    assert last_label(directory, stop=flags) == ends


@pytest.mark.parametrize("name", LLAMA)
def test_no_template_is_named_that_ends_in_no_stop_token(model, name):
    """Llama's own terminator, and with it every built-in one that it has, is not served."""
    directory = model(name, LLAMA_TEXT, "<|eom_id|>")
    for template in (None, "llama-3.1"):
        hint = refusal(directory, template=template).hint
        assert "--stop" in hint
        assert "--template" not in hint


@pytest.mark.parametrize("name", QWEN)
def test_a_check_of_conversations_stops_in_the_same_place(model, name):
    with pytest.raises(TurnmillError) as raised:
        turnmill.check([ROW], tokenizer=model(name, TEXT))
    assert raised.value.code == "wrong-terminator"


@pytest.mark.parametrize(
    ("name", "stops", "ends"),
    cases(
        (QWEN, ((END, TEXT), END)),
        (LLAMA, ((EOT,), EOT)),
        (LLAMA, ((LLAMA_TEXT, "<|eom_id|>", EOT), EOT)),
    ),
)
def test_a_stop_set_with_the_templates_terminator(model, name, stops, ends):
    assert last_label(model(name, *stops)) == ends


@pytest.mark.parametrize(("name", "ends"), cases((QWEN, (END,)), (LLAMA, (EOT,))))
def test_without_a_generation_config_the_eos_of_the_tokenizer_counts(model, name, ends):
    directory = model(name)
    assert last_label(directory) == ends
    encoder = turnmill.Encoder(turnmill.Recipe(tokenizer=directory))
    assert "no generation_config.json" in " ".join(encoder._session.facts()["notes"])


@pytest.mark.parametrize("name", QWEN)
def test_without_a_generation_config_the_base_models_eos_is_refused(model, name):
    directory = model(name, eos_token=TEXT)
    error = refusal(directory)
    assert error.code == "wrong-terminator"
    assert stops_in(error.hint) == [TEXT, END]


@pytest.mark.parametrize("name", QWEN)
def test_a_base_model_is_told_what_to_train_or_which_template_avoids_it(model, name):
    directory = model(name, TEXT, eos_token=TEXT)
    error = refusal(directory)
    assert 'modules_to_save = ["embed_tokens", "lm_head"]' in error.hint
    (flag,) = re.findall(r"--template ([^ ;]+)", error.hint)
    assert last_label(directory, template=flag) == TEXT
    encoder = turnmill.Encoder(turnmill.Recipe(tokenizer=directory, stop=stops_in(error.hint)))
    (note,) = [note for note in encoder._session.facts()["notes"] if "do not stop on" in note]
    assert "embed_tokens" in note


@pytest.mark.parametrize("name", QWEN)
def test_without_any_eos_the_flag_is_asked_for(model, name):
    directory = model(name, eos_token=None)
    error = refusal(directory)
    assert error.code == "unset-terminator"
    assert "--stop TOKEN" in error.hint
    assert last_label(directory, stop=[END]) == END


@pytest.mark.parametrize("name", GPT2)
def test_an_eos_that_is_called_unknown_where_nothing_is(model, name):
    """GPT-2 names its eos as the unknown token too, and knows every byte."""
    assert last_label(model(name), template="alpaca") == TEXT


@pytest.mark.parametrize("name", QWEN)
def test_a_stop_id_outside_the_vocabulary(model, name):
    error = refusal(model(name, eos=999_999))
    assert error.code == "unset-terminator"
    assert stops_in(error.hint) == [END]


@pytest.mark.parametrize("name", LLAMA)
def test_a_terminator_of_several_pieces_beside_an_own_template(model, name):
    directory = model(name, LLAMA_TEXT, "<|eom_id|>", EOT)
    error = refusal(directory, template="chatml")
    assert error.code == "terminator-not-atomic"
    known = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
    pieces = known.encode(END, add_special_tokens=False)
    assert len(pieces.ids) > 2
    # The last one may be one piece with the newline that follows.
    for piece, id_ in list(zip(pieces.tokens, pieces.ids, strict=True))[:-1]:
        assert f'"{piece}" ({id_})' in str(error)
    assert "leave --template out" in error.hint
    assert last_label(directory) == EOT


@pytest.mark.parametrize("name", LLAMA)
def test_a_terminator_of_several_pieces_without_an_own_template(model, name):
    directory = model(name, LLAMA_TEXT, "<|eom_id|>", EOT, chat_template=None)
    error = refusal(directory, template="chatml")
    assert error.code == "terminator-not-atomic"
    flags = re.findall(r"--template ([^ ;]+)", error.hint)
    assert flags == ["llama-3", "llama-3.1"]
    for flag in flags:
        assert last_label(directory, template=flag) == EOT


@pytest.mark.parametrize("name", GPT2)
def test_a_tokenizer_that_has_no_templates_terminator(model, name):
    directory = model(name)
    error = refusal(directory, template="chatml", stop=[TEXT])
    assert error.code == "terminator-not-atomic"
    (flag,) = re.findall(r"--template ([^ ;]+)", error.hint)
    assert last_label(directory, template=flag, stop=[TEXT]) == TEXT
