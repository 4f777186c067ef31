"""Where transformers' spans are wrong, or were in 5.23, beside ours, which hold the tagged text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from transformers.utils.chat_template_utils import render_jinja_template

import turnmill

TURN = "pre{% generation %}{{ m.content }}{% endgeneration %}"
CASES = {
    "macro": "abc{% macro turn(m) %}" + TURN + "{% endmacro %}{{ turn(messages[1]) }}",
    "set block": "abc{% set m = messages[1] %}{% set kept %}" + TURN + "{% endset %}{{ kept }}",
    "filter block": "abc{% set m = messages[1] %}{% filter trim %}" + TURN + "{% endfilter %}",
    "call block": (
        "abc{% macro box() %}[{{ caller() }}]{% endmacro %}{% set m = messages[1] %}"
        "{% call box() %}" + TURN + "{% endcall %}"
    ),
}
MESSAGES = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "HELLO"}]


def theirs(source: str) -> list[str]:
    texts, spans = render_jinja_template(
        [MESSAGES], chat_template=source, return_assistant_tokens_mask=True
    )
    return [texts[0][start:end] for start, end in spans[0]]


def ours(source: str, messages: list[dict[str, Any]] = MESSAGES) -> list[str]:
    rendered = turnmill.Template(source).render(messages)
    return [rendered.text[start:end] for start, end in rendered.spans.tolist()]


@pytest.mark.parametrize("case", CASES)
def test_a_tag_inside_a_capture_is_found(case: str) -> None:
    assert theirs(CASES[case]) != ["HELLO"]
    assert ours(CASES[case]) == ["HELLO"]


LOOPS = {
    "recursive": (
        "abc{% for m in [[messages[1]]] recursive %}{% if m is mapping %}" + TURN + "{% else %}"
        "<{{ loop(m) }}>{% endif %}{% endfor %}"
    ),
    "nested": (
        "abc{% for m in messages if m.role == 'assistant' %}{% generation %}{% generation %}"
        "{{ m.content }}{% endgeneration %}{% endgeneration %}{% endfor %}"
    ),
    "empty": (
        "abc{% for m in messages %}{% generation %}{% if m.role == 'assistant' %}{{ m.content }}"
        "{% endif %}{% endgeneration %}{% endfor %}"
    ),
}


@pytest.mark.parametrize("case", LOOPS)
def test_a_tag_in_a_recursive_loop_in_another_tag_or_around_nothing(case: str) -> None:
    assert theirs(LOOPS[case]) != ["HELLO"]
    assert ours(LOOPS[case]) == ["HELLO"]


def test_what_is_captured_and_never_printed_has_no_span() -> None:
    source = "abcdefghijk{% set m = messages[1] %}{% set kept %}" + TURN + "{% endset %}xyz"
    assert theirs(source) != []
    assert ours(source) == []


def test_a_captured_block_that_is_trimmed_keeps_its_text() -> None:
    source = (
        "{% for m in messages %}{% set kept %}{% generation %} {{ m.content }} {% endgeneration %}"
        "{% endset %}{% if m.role == 'assistant' %}<{{ kept | trim }}>{% endif %}{% endfor %}"
    )
    assert ours(source) == ["HELLO"]


@pytest.fixture
def words(tmp_path: Path) -> PreTrainedTokenizerFast:
    """A tokenizer of whole words."""
    vocabulary = {"ask": 0, "say": 1, "more": 2}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="more"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))


SPACED = (
    "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}"
    "{% endgeneration %} {% else %}{{ m.content }} {% endif %}{% endfor %}"
)


def mask(
    tokenizer: PreTrainedTokenizerFast, contents: list[str], *, first: str = "user", **keys: Any
) -> list[int]:
    roles = ("user", "assistant") if first == "user" else ("assistant", "user")
    messages = [{"role": roles[at % 2], "content": content} for at, content in enumerate(contents)]
    encoded: Any = tokenizer.apply_chat_template(
        messages,
        chat_template=SPACED,
        return_assistant_tokens_mask=True,
        return_dict=True,
        tokenize=True,
        **keys,
    )
    return list(encoded["assistant_masks"])


def test_a_span_that_is_the_first_token_ends_there(words: PreTrainedTokenizerFast) -> None:
    # transformers 5.23 marked the rest of the sequence as well.
    assert mask(words, ["say", "ask", "more"], first="assistant") == [1, 0, 1]
    messages = [
        {"role": "assistant", "content": "say"},
        {"role": "user", "content": "ask"},
        {"role": "assistant", "content": "more"},
    ]
    rendered = turnmill.Template(SPACED).render(messages)
    assert [rendered.text[a:b] for a, b in rendered.spans.tolist()] == ["say", "more"]


def test_a_left_cut_keeps_the_turns_that_are_left(words: PreTrainedTokenizerFast) -> None:
    # transformers 5.23 marked nothing; turnmill never cuts on the left.
    words.truncation_side = "left"
    whole = mask(words, ["ask", "say", "more", "say", "more", "say"])
    cut = mask(words, ["ask", "say", "more", "say", "more", "say"], truncation=True, max_length=4)
    assert whole == [0, 1, 0, 1, 0, 1]
    assert cut == [0, 1, 0, 1]


def test_an_answer_that_ends_in_a_character_of_several_tokens_is_trained_whole() -> None:
    # transformers 5.23 marked the first of these tokens alone.
    directory = Path(turnmill.__file__).parent / "demo" / "tokenizer"
    tokenizer: Any = PreTrainedTokenizerFast(tokenizer_file=str(directory / "tokenizer.json"))
    messages = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": "Yes \U0001f9ff"},
    ]
    template = "{% for m in messages %}" + TURN + "\n{% endfor %}"
    theirs = tokenizer.apply_chat_template(
        messages,
        chat_template=template,
        return_assistant_tokens_mask=True,
        return_dict=True,
        tokenize=True,
    )
    marked = zip(theirs["input_ids"], theirs["assistant_masks"], strict=True)
    trained = [token for token, kept in marked if kept]
    assert len(tokenizer.encode("\U0001f9ff", add_special_tokens=False)) > 1
    assert tokenizer.decode(trained) == "?Yes \U0001f9ff"
