"""Tokenizer directories as they lie on disk: what is read, and what is named as what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import transformers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tiny_tokenizer
import turnmill

FILES: dict[str, tuple[list[str], str, str]] = {
    "Tekken": (["tekken.json", "params.json"], "tekken.json is a Tekken", "save_pretrained"),
    "SentencePiece": (["tokenizer.model", "config.json"], "SentencePiece", "save_pretrained"),
    "tiktoken": (["tiktoken.model"], "tiktoken vocabulary", "save_pretrained"),
    "Qwen 1": (["qwen.tiktoken", "tokenizer_config.json"], "own code", "convert_tiktoken_to_fast"),
    "older form": (["vocab.json", "merges.txt"], "older form", "save_pretrained"),
    "GGUF": (["model-Q4_K_M.gguf"], "GGUF", "model that it was made from"),
    "adapter": (["adapter_config.json", "adapter_model.safetensors"], "LoRA", "Qwen/Qwen3-8B"),
    "settings": (["tokenizer_config.json", "added_tokens.json"], "settings", "tokenizer.json too"),
    "weights": (["config.json", "model.safetensors"], "without a tokenizer", "tokenizer.json"),
    "other": (["notes.txt"], "found: notes.txt", "--tokenizer"),
    "nothing": ([], "it is empty", "--tokenizer"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_directory_is_named_as_what_it_is(tmp_path: Path, kind: str) -> None:
    names, what, hint = FILES[kind]
    for name in names:
        (tmp_path / name).write_text('{"base_model_name_or_path": "Qwen/Qwen3-8B"}')
    recipe = turnmill.Recipe(tokenizer=tmp_path)
    for load in (lambda: turnmill.Tokenizer(tmp_path), lambda: turnmill.Encoder(recipe)):
        with pytest.raises(turnmill.TokenizerError) as raised:
            load()
        assert raised.value.code == "tokenizer-not-found"
        assert what in str(raised.value)
        assert hint in (raised.value.hint or "")


@pytest.mark.parametrize("kind", [kind for kind in FILES if FILES[kind][0]])
def test_a_file_is_named_as_what_it_is(tmp_path: Path, kind: str) -> None:
    name, *_ = names = FILES[kind][0]
    for each in names:
        (tmp_path / each).write_text("{}")
    with pytest.raises(turnmill.TokenizerError) as raised:
        turnmill.Tokenizer(tmp_path / name)
    assert raised.value.code == "invalid-tokenizer"
    assert raised.value.hint
    if name == "tokenizer_config.json":
        tiny_tokenizer.write(tmp_path, ["<eos>"])
        with pytest.raises(turnmill.TokenizerError) as raised:
            turnmill.Tokenizer(tmp_path / name)
        assert raised.value.hint == f"give the directory: --tokenizer {tmp_path}"


def test_a_pointer_of_git_lfs_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("version https://git-lfs.github.com/spec/v1\noid x\n")
    with pytest.raises(turnmill.TokenizerError, match="Git LFS pointer") as raised:
        turnmill.Tokenizer(tmp_path)
    assert "git lfs pull" in (raised.value.hint or "")


def model(directory: Path, config: dict[str, Any], **files: Any) -> Path:
    """A tokenizer whose file has `<eos>` and, not special, `<a>`."""
    tiny_tokenizer.write(directory, ["<eos>"], ["<a>"], eos_token="<eos>")
    file = directory / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text("utf-8")), **config}), "utf-8")
    for name, content in files.items():
        (directory / f"{name}.json").write_text(json.dumps(content), "utf-8")
    return directory


TEXT = "x <a> <b>  <c><eos> <d>y"


def assert_same(directory: Path) -> None:
    theirs = transformers.AutoTokenizer.from_pretrained(directory)
    ours = turnmill.Tokenizer(directory)
    assert ours.encode(TEXT).tolist() == theirs.encode(TEXT, add_special_tokens=False)
    named = {name: str(text) for name, text in theirs.special_tokens_map.items()}
    assert {name: ours.special_tokens.get(name) for name in named} == named


def entry(content: str, **properties: bool) -> dict[str, Any]:
    flags = dict.fromkeys(["single_word", "lstrip", "rstrip", "normalized", "special"], False)
    return {"content": content, **flags, **properties}


EOS = {"256": entry("<eos>", special=True)}


@pytest.mark.parametrize(
    ("config", "files"),
    [
        ({}, {"added_tokens": {"<b>": 258, "<c>": 259}}),
        ({"additional_special_tokens": ["<b>"]}, {"added_tokens": {"<b>": 258, "<c>": 257}}),
        ({"pad_token": "<b>"}, {"added_tokens": {"<b>": 258}}),
        ({"added_tokens_decoder": EOS}, {"added_tokens": {"<b>": 258}}),
        ({"added_tokens_decoder": {**EOS, "257": entry("<a>", lstrip=True, special=True)}}, {}),
        ({"added_tokens_decoder": {**EOS, "258": entry("<b>", rstrip=True)}}, {}),
        ({"added_tokens_decoder": EOS, "extra_special_tokens": ["<b>", "<d>"]}, {}),
        ({"added_tokens_decoder": EOS, "extra_special_tokens": {"image_token": "<b>"}}, {}),
        ({"pad_token": "<b>", "image_token": "<c>"}, {}),
        ({}, {"special_tokens_map": {"pad_token": {**entry("<c>"), "lstrip": True}}}),
        ({"pad_token": "x"}, {}),
    ],
)
def test_added_tokens_are_those_of_transformers(
    tmp_path: Path, config: dict[str, Any], files: dict[str, Any]
) -> None:
    assert_same(
        model(tmp_path / "model", {"tokenizer_class": "PreTrainedTokenizerFast", **config}, **files)
    )


TOKENS = st.sampled_from(["<a>", "<b>", "<c>", "<d>", "x"])
PROPERTIES = st.fixed_dictionaries({key: st.booleans() for key in ("lstrip", "rstrip", "special")})


@given(
    declared=st.none()
    | st.lists(st.tuples(TOKENS, PROPERTIES), max_size=3, unique_by=lambda t: t[0]),
    pad=st.none() | TOKENS,
    extra=st.lists(TOKENS, max_size=2, unique=True),
    legacy=st.lists(TOKENS, max_size=2, unique=True),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_the_configuration_declares(
    tmp_path: Path,
    declared: list[tuple[str, dict[str, bool]]] | None,
    pad: str | None,
    extra: list[str],
    legacy: list[str],
) -> None:
    config: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast"}
    if declared is not None:
        known = {"<a>": 257, "x": 87}
        free = iter(range(258, 300))
        ids = {text: known.get(text) or next(free) for text, _ in declared}
        config["added_tokens_decoder"] = EOS | {
            str(ids[text]): entry(text, **flags) for text, flags in declared
        }
    if pad is not None:
        config["pad_token"] = pad
    if extra:
        config["extra_special_tokens"] = extra
    free = iter(range(258, 300))
    added = {text: 87 if text == "x" else next(free) for text in legacy if text != "<a>"}
    assert_same(model(tmp_path / "model", config, added_tokens=added))


def test_a_token_that_no_vocabulary_has_is_noted(tmp_path: Path) -> None:
    template = "{% for m in messages %}[{{ m.role }}] {{ m.content }}{{ eos_token }}{% endfor %}"
    config = {"eos_token": "<end>", "chat_template": template}
    encoder = turnmill.Encoder(turnmill.Recipe(tokenizer=model(tmp_path / "model", config)))
    notes = " ".join(encoder._session.facts()["notes"])
    assert '"<end>" (id 258)' in notes
    assert "resize_token_embeddings" in notes


def test_an_id_that_no_encoder_gives_is_refused_with_what_to_do(tmp_path: Path) -> None:
    taken = {"added_tokens_decoder": {"87": entry("<b>")}}
    with pytest.raises(turnmill.TokenizerError, match='gives "<b>" the id 87') as raised:
        turnmill.Tokenizer(model(tmp_path / "taken", taken))
    assert 'rename "x"' in (raised.value.hint or "")
    free = {"added_tokens_decoder": {"300": entry("<b>")}}
    with pytest.raises(turnmill.TokenizerError, match="the id 300") as raised:
        turnmill.Tokenizer(model(tmp_path / "free", free))
    assert "same place" in (raised.value.hint or "")
