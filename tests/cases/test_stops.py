"""What is said before the first row: which token ends turns, and what a server's prompt has."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from tokenizers import models

import fixtures
import tiny_tokenizer
import turnmill
from cases import shapes
from turnmill.errors import TurnmillError

ROW = {
    "messages": [
        shapes.user("Hi"),
        shapes.assistant("Hello."),
        shapes.user("Bye"),
        shapes.assistant("Yes."),
    ]
}
OPEN, CLOSE, SEP, END = "<|open|>", "<|close|>", "<|sep|>", "<|im_end|>"
IN_TAGS = (
    "{% for m in messages %}<|open|>{{ m.role }}<|sep|>"
    "{% if m.role == 'assistant' %}<|open|>think<|sep|>{{ m.reasoning_content or '' }}"
    "<|close|>think<|sep|><|open|>response<|sep|>{{ m.content }}<|close|>response<|sep|>"
    "{% else %}{{ m.content }}{% endif %}<|close|>{{ m.role }}<|sep|><|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|open|>assistant<|sep|><|open|>think<|sep|>{% endif %}"
)
"""Kimi-K3's way: tags of three tokens, also inside turns."""
TWO_ENDS = (
    "{% for m in messages %}<|{{ m.role }}|>\n"
    "{% if m.role == 'assistant' %}{% generation %}{{ m.content }}<|end|>\n{% endgeneration %}"
    "{% else %}{{ m.content }}<|end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% else %}"
    "{% generation %}{{ eos_token }}{% endgeneration %}{% endif %}"
)
"""Phi-3's way: every turn ends in `<|end|>`, the last one in the eos too."""
RESPONSE = (
    "{% for m in messages %}<|turn|>{{ m.role }}\n{% if m.tool_calls %}<|action|>"
    "{{ m.tool_calls | tojson }}<|end_action|>{% elif m.role == 'assistant' %}"
    "{{ m.content }}<|end_response|>{% else %}{{ m.content }}{% endif %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|turn|>assistant\n{% endif %}"
)
"""Command-R7B's way: an answer and a call end differently before the turn does."""


def model(directory: Path, template: str, *special: str, plain: tuple[str, ...] = ()) -> Path:
    marks = sorted({*re.findall(r"<\|?\w+\|?>", template), *special, "<eos>"})
    names = {"eos_token": "<eos>", "tokenizer_class": "PreTrainedTokenizerFast"}
    return tiny_tokenizer.write(directory, marks, plain, template=template, **names)


def encoder(directory: Path, *stop: str, **keys: Any) -> turnmill.Encoder:
    given: dict[str, Any] = {"stop": stop} if stop else {}
    return turnmill.Encoder(turnmill.Recipe(tokenizer=directory, **given, **keys))


def refusal(directory: Path, *stop: str) -> TurnmillError:
    with pytest.raises(TurnmillError) as raised:
        encoder(directory, *stop)
    assert raised.value.code == "wrong-terminator"
    return raised.value


def suggested(error: TurnmillError) -> list[str]:
    return re.findall(r"--stop '([^']+)'", error.hint or "")


def notes(encoder: turnmill.Encoder) -> str:
    return " ".join(encoder._session.facts()["notes"])


def trained(encoder: turnmill.Encoder, directory: Path, row: dict[str, Any] = ROW) -> list[str]:
    """The trained pieces of the only sample of a row."""
    encoded = encoder.encode([row])
    assert encoded.rejects.to_pylist() == []
    (sample,) = encoded.table.to_pylist()
    pieces: list[list[int]] = [[]]
    for id_, label in zip(sample["input_ids"], sample["labels"], strict=True):
        if label != -100:
            pieces[-1].append(id_)
        elif pieces[-1]:
            pieces.append([])
    return [tiny_tokenizer.text(directory, piece) for piece in pieces if piece]


@pytest.mark.parametrize(
    ("template", "end", "every"),
    [(IN_TAGS, END, 2), (TWO_ENDS, "<|end|>", 2), (RESPONSE, "<|end|>", 2)],
    ids=["tags", "two ends", "ends of parts"],
)
def test_the_stop_that_is_suggested_ends_turns(
    tmp_path: Path, template: str, end: str, every: int
) -> None:
    directory = model(tmp_path / "model", template)
    flags = suggested(refusal(directory))
    assert flags == ["<eos>", end]
    for stop in (flags, [end]):
        pieces = trained(encoder(directory, *stop, reasoning="train-empty"), directory)
        assert len(pieces) == every
        assert all(piece.endswith(end) and piece.count(end) == 1 for piece in pieces)


def test_a_stop_that_stands_inside_turns_is_refused(tmp_path: Path) -> None:
    error = refusal(model(tmp_path / "model", IN_TAGS), CLOSE)
    assert 'prints "<|close|>"' in str(error)
    assert suggested(error) == [END]


def test_a_line_end_is_no_stop_even_where_it_is_an_added_token(tmp_path: Path) -> None:
    """As in Gemma's vocabulary, which has added tokens for runs of whitespace."""
    template = (
        "{% for m in messages %}<|turn|>{{ m.role }}\n{{ m.content }}(end)\n{% endfor %}"
        "{% if add_generation_prompt %}<|turn|>assistant\n{% endif %}"
    )
    with pytest.raises(TurnmillError, match=r'ends turns with "\(end\)"') as raised:
        encoder(model(tmp_path / "model", template, plain=("\n",)))
    assert raised.value.code == "terminator-not-atomic"
    assert "--stop" not in (raised.value.hint or "")


def test_an_end_of_which_serving_knows_only_the_last_token_is_whole(tmp_path: Path) -> None:
    """The server does not stop on the first token of the end; the model writes all of it."""
    directory = model(tmp_path / "model", RESPONSE)
    pieces = trained(encoder(directory, "<|end|>"), directory)
    assert pieces == ["Hello.<|end_response|><|end|>", "Yes.<|end_response|><|end|>"]


def test_earlier_turns_that_would_not_be_trained_are_named(tmp_path: Path) -> None:
    error = refusal(model(tmp_path / "model", TWO_ENDS), "<eos>")
    assert 'ends earlier turns with "<|end|>"' in str(error)
    assert suggested(error) == ["<eos>", "<|end|>"]


def test_a_template_that_ends_the_last_turn_otherwise_names_the_flag(tmp_path: Path) -> None:
    other = TWO_ENDS.replace(
        "{{ m.content }}<|end|>\n{% endgeneration %}",
        "{{ m.content }}{% if not loop.last %}<|end|>{% endif %}{% endgeneration %}",
    )
    directory = model(tmp_path / "model", other)
    found = encoder(directory, "<eos>")
    assert 'earlier turns with "<|end|>"' in notes(found)
    assert "--history expand" in notes(found)
    expanded = encoder(directory, "<eos>", history="expand")
    assert "earlier turns with" not in notes(expanded)
    assert expanded.encode([ROW]).table.num_rows == 2


@pytest.mark.parametrize(
    "name", ["llamacpp.Kimi-K3", "llamacpp.microsoft-Phi-3.5-mini-instruct", "trl.phi3_training"]
)
def test_published_templates_are_told_their_stop(tmp_path: Path, name: str) -> None:
    source = fixtures.template_text(name)
    end = "<|end_of_msg|>" if "Kimi" in name else "<|end|>"
    directory = model(tmp_path / "model", source)
    flags = suggested(refusal(directory))
    assert flags == ["<eos>", end]
    assert encoder(directory, *flags).encode([ROW]).table.num_rows == 1


CALLS_END_OTHERWISE = (
    "{% for m in messages %}<|turn|>{{ m.role }}\n{% if m.tool_calls %}"
    "{{ m.tool_calls | tojson }}<|call|><|result|>{% else %}{{ m.content }}<|end|>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|turn|>assistant\n{% endif %}"
)
"""Gemma 4's way: after a call the server hands over, on a token of its own."""


def test_an_end_of_calls_on_which_serving_does_not_stop_is_said_first(tmp_path: Path) -> None:
    directory = model(tmp_path / "model", CALLS_END_OTHERWISE)
    result = {"role": "tool", "name": "add", "content": "5"}
    calling = {"messages": [shapes.user(), shapes.calling(shapes.ADD), result, shapes.assistant()]}
    found = encoder(directory, "<|end|>", max_rejects=1.0)
    assert 'calls a tool with "<|result|>"' in notes(found)
    (reject,) = found.encode([calling, ROW]).rejects.to_pylist()
    assert (reject["row"], reject["code"]) == (0, "missing-terminator")
    both = encoder(directory, "<|end|>", "<|result|>")
    assert "calls a tool" not in notes(both)
    first, _ = trained(both, directory, calling)
    assert first.endswith("<|call|><|result|>")


def test_the_unknown_token_is_no_end(tmp_path: Path) -> None:
    """In a vocabulary without bytes a missing terminator is the unknown token."""
    vocabulary = {text: at for at, text in enumerate(["<unk>", "</s>", "H", "i", " "])}
    tokenizer = tokenizers.Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    tokenizer.add_special_tokens(["<unk>", "</s>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    config = {"eos_token": "</s>", "unk_token": "<unk>", "chat_template": CHATML}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(TurnmillError) as raised:
        encoder(tmp_path)
    assert raised.value.code == "terminator-not-atomic"
    assert "<unk>" not in (raised.value.hint or "")


def test_an_eos_that_unknown_text_becomes_is_refused(tmp_path: Path) -> None:
    vocabulary = {text: at for at, text in enumerate(["<unk>", "H", "i", " "])}
    tokenizer = tokenizers.Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    tokenizer.add_special_tokens(["<unk>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    config = {"eos_token": "<unk>", "chat_template": CHATML}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(TurnmillError, match="is the unknown token") as raised:
        encoder(tmp_path)
    assert raised.value.code == "unset-terminator"
    found = turnmill.check([{"input_ids": [1, 0]}], tokenizer=tmp_path)
    assert "unset-terminator" in found.rules


CHANNEL = (
    "{% if enable_thinking %}<|think|>\n{% endif %}"
    "{% for m in messages %}<|turn|>{{ m.role }}\n{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|turn|>assistant\n"
    "{% if not enable_thinking %}<|channel|>thought\n<|/channel|>{% endif %}{% endif %}"
)
"""Gemma 4's way: the prompt has an empty channel that no row has."""
BEGUN = (
    "{% for m in messages %}<|turn|>{{ m.role }}\n{{ m.content }}<|end|>\n{% endfor %}"
    "{{ '<|turn|>assistant\n' }}"
)
"""The way of Llama 3's first template: a prompt that nobody asked for."""
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def test_a_prompt_that_rows_do_not_have_is_said_first(tmp_path: Path) -> None:
    directory = model(tmp_path / "model", CHANNEL, "<|/channel|>")
    plain = encoder(directory, "<|end|>")
    assert "prompt-parity" in notes(plain)
    assert "--template-kwargs '{\"enable_thinking\":true}'" in notes(plain)
    checked = turnmill.check([ROW], tokenizer=directory, stop=["<|end|>"])
    assert "prompt-parity" in checked.rules
    cured = turnmill.Recipe(
        tokenizer=directory, stop=["<|end|>"], template_kwargs={"enable_thinking": True}
    )
    assert "prompt-parity" not in notes(turnmill.Encoder(cured))
    again = turnmill.check([ROW], tokenizer=directory, recipe=cured)
    assert "prompt-parity" not in again.rules


def test_a_think_block_that_the_prompt_has_opened_is_said_first(tmp_path: Path) -> None:
    directory = model(tmp_path / "model", IN_TAGS)
    masked = encoder(directory, END)
    assert "prompt-parity" in notes(masked)
    assert "--reasoning train-empty" in notes(masked)
    assert trained(masked, directory)[0].startswith("<|open|>response<|sep|>Hello.")
    whole = encoder(directory, END, reasoning="train-empty")
    assert "prompt-parity" not in notes(whole)
    assert trained(whole, directory)[0].startswith("<|close|>think<|sep|><|open|>response<|sep|>")


def test_an_answer_that_is_begun_unasked_is_said_first(tmp_path: Path) -> None:
    directory = model(tmp_path / "model", BEGUN)
    found = encoder(directory, "<|end|>")
    assert "generation-prompt-in-sample" in notes(found)
    assert trained(found, directory) == ["Hello.<|end|>", "Yes.<|end|>"]


@pytest.mark.parametrize("name", ["qwen3", "llama-3.2-instruct", "gemma-3", "deepseek-v3"])
@pytest.mark.parametrize("size", ["", "small-"])
def test_nothing_is_said_of_templates_whose_prompts_agree(name: str, size: str) -> None:
    directory = fixtures.tokenizer_dir(size + name)
    stop = [] if size else [{"gemma-3": "<end_of_turn>"}.get(name)]
    keys: dict[str, Any] = {"stop": stop} if stop and stop[0] else {}
    found = turnmill.Encoder(turnmill.Recipe(tokenizer=directory, **keys))
    assert "prompt-parity" not in notes(found)
    assert "generation-prompt-in-sample" not in notes(found)


def counted(directory: Path, answer: str, *stop: str) -> set[str]:
    row = {"messages": [shapes.user("a"), shapes.assistant(answer)]}
    return set(turnmill.check([row], tokenizer=directory, stop=list(stop)).rules)


def test_a_terminator_of_another_template_is_foreign_where_it_is_a_word(tmp_path: Path) -> None:
    """Qwen's vocabulary has `</s>` as a piece, Phi-3's as an added token that is not special."""
    rule = "foreign-terminator-text"
    word = model(tmp_path / "word", CHATML, plain=("</s>",))
    none = model(tmp_path / "none", CHATML)
    control = model(tmp_path / "control", CHATML, "</s>")
    for directory in (word, none):
        assert rule in counted(directory, "Hi.</s>", END)
        assert rule in counted(directory, "Hi.<|eot_id|>\n", END)
        assert rule not in counted(directory, "Hi.</s> and more", END)
        assert rule not in counted(directory, f"Hi.{END}", END)
    assert rule not in counted(control, "Hi.</s>", END)
    assert "special-token-in-content" in counted(control, "Hi.</s>", END)


def test_the_vocabulary_of_qwen_has_the_foreign_text() -> None:
    qwen = fixtures.tokenizer_dir("qwen3")
    assert "foreign-terminator-text" in counted(qwen, "Hi.</s>", END)
