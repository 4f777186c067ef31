"""`turnmill.integrations.transformers.apply_chat_template` against the tokenizer's own method.

Every argument and every form of result, for the tokenizers and templates of the fixtures.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pydantic
import pytest
from transformers import AutoTokenizer, BatchEncoding

import fixtures
from conversations import CONVERSATIONS, TOOLS, assistant, system, user
from fixtures import TOKENIZERS, spread, template_text, tokenizer_dir
from oracle import Row, messages, sharegpt
from turnmill.errors import TurnmillError
from turnmill.integrations.transformers import apply_chat_template

CHAT = [user("Hi, who\nare you?"), assistant("  I am  ")]
LONG = [system("Be \u4f60\u597d."), *CHAT, user("And?"), assistant("Nothing. \U0001f600 " * 9)]


def plain(result: Any) -> Any:
    """A result as plain values, with its types."""
    if isinstance(result, BatchEncoding):
        return {name: plain(values) for name, values in result.items()}
    if isinstance(result, np.ndarray):
        rows = [plain(row) for row in result] if result.dtype == object else result.tolist()
        return (str(result.dtype), result.shape, rows)
    return result


def outcome(call: Any, *args: Any, **keys: Any) -> Any:
    """What a call gives; None if it raises."""
    try:
        return plain(call(*args, **keys))
    except (Exception, RecursionError):  # noqa: BLE001 - templates raise anything
        return None


def assert_same(tokenizer: Any, conversation: Any, **keys: Any) -> Any:
    """Both give the same, or both refuse."""
    theirs = outcome(tokenizer.apply_chat_template, conversation, **keys)
    ours = outcome(apply_chat_template, tokenizer, conversation, **keys)
    assert ours == theirs, keys
    if isinstance(ours, dict):
        assert list(ours) == list(theirs)
    return ours


@pytest.fixture(scope="module", params=TOKENIZERS)
def tokenizer(request):
    """A tokenizer of transformers; a pad token is set where there is none."""
    loaded = AutoTokenizer.from_pretrained(tokenizer_dir(request.param))
    if loaded.pad_token is None:
        loaded.pad_token = loaded.eos_token
    return loaded


FORMS = [
    {},
    {"tokenize": False},
    {"return_dict": False},
    {"return_dict": True, "return_tensors": "np", "padding": True},
    {"return_dict": False, "return_tensors": "np", "padding": "longest"},
    {"return_tensors": "np"},
    {"padding": "max_length", "max_length": 90},
    {"padding": "max_length", "max_length": 70, "truncation": True, "return_tensors": "np"},
    {"truncation": True, "max_length": 7},
    {"truncation": True, "max_length": 1},
    {"truncation": "only_first", "max_length": 12, "padding": True},
    {"truncation": "only_second", "max_length": 12},
    {"add_generation_prompt": True},
    {"continue_final_message": True},
    {"continue_final_message": True, "tokenize": False},
    {"continue_final_message": True, "add_generation_prompt": True},
    {"return_assistant_tokens_mask": True, "tokenize": False},
    {"return_assistant_tokens_mask": True, "return_dict": False},
    {"return_assistant_tokens_mask": True, "continue_final_message": True},
    {"padding": True, "tokenizer_kwargs": {"pad_to_multiple_of": 16}},
    {"padding": True, "tokenizer_kwargs": {"padding_side": "left", "return_length": True}},
    {"tokenizer_kwargs": {"return_offsets_mapping": True, "return_attention_mask": False}},
    {"padding": True, "tokenizer_kwargs": {"return_offsets_mapping": True}},
    {"tokenizer_kwargs": {"return_token_type_ids": True, "return_special_tokens_mask": True}},
    {"tokenizer_kwargs": {"return_overflowing_tokens": True, "stride": 2}, "truncation": True,
     "max_length": 9},
    {"enable_thinking": False, "bos_token": "<other>", "add_generation_prompt": True},
    {"tools": TOOLS, "tokenize": False},
    {"tools": [], "documents": [{"title": "t", "text": "x"}], "tokenize": False},
    {"documents": ["no"], "tokenize": False},
    {"sanitize_control_tokens": True},
    {"chat_template": "{{ messages | length }} {{ eos_token }}", "tokenize": False},
    {"chat_template": "plain text", "tokenize": False},
]  # fmt: skip


@pytest.mark.parametrize("keys", FORMS, ids=str)
def test_every_form_of_result(tokenizer, keys):
    for given in (CHAT, [CHAT], [CHAT, LONG], (CHAT, CHAT), [CHAT, CHAT[:1]]):
        assert_same(tokenizer, given, **keys)


@pytest.mark.parametrize("side", ["left", "right"])
def test_sides(tokenizer, side, monkeypatch):
    monkeypatch.setattr(tokenizer, "padding_side", side)
    monkeypatch.setattr(tokenizer, "truncation_side", side)
    for keys in ({"padding": True}, {"truncation": True, "max_length": 9, "return_tensors": "np"}):
        assert_same(tokenizer, [CHAT, LONG], **keys)


def test_conversations_of_every_kind(tokenizer):
    for chat in CONVERSATIONS.values():
        for keys in ({}, {"tools": TOOLS}, {"add_generation_prompt": True}):
            assert_same(tokenizer, [chat], tokenize=False, **keys)


def test_what_is_empty_or_no_conversation(tokenizer):
    for nothing in ([], (), [None], ["text"], [[{"role": "user"}], [3]]):
        assert assert_same(tokenizer, nothing, tokenize=False) is None
    with pytest.raises(TurnmillError, match="no messages"):  # some templates print a start alone
        apply_chat_template(tokenizer, [[]])


def test_real_rows(tokenizer):
    rows = [messages(row) for row in spread(fixtures.rows("demo-messages"), 40)]
    rows += [sharegpt(row) for row in spread(fixtures.rows("demo-sharegpt"), 40)]
    chats = [row.messages for row in rows if isinstance(row, Row)]
    kept = [chat for chat in chats if outcome(tokenizer.apply_chat_template, chat, tokenize=False)]
    assert len(kept) > 20
    assert_same(tokenizer, kept)
    assert_same(tokenizer, kept, padding=True, return_tensors="np", truncation=True, max_length=99)


@dataclasses.dataclass
class Message:
    role: str
    content: str
    name: str | None = None


class Model(pydantic.BaseModel):
    role: str
    content: str | None = None
    tool_calls: list[dict[str, Any]] | None = None


class Chat:
    def __init__(self, messages: Any) -> None:
        self.messages = messages


def test_message_objects(tokenizer):
    objects = [Message("user", "Hi"), Model(role="assistant", content="Yo")]
    for given in (objects, [objects, CHAT], [Chat(objects), Chat(CHAT)], Chat(CHAT)):
        assert assert_same(tokenizer, given) is not None


def weather(city: str) -> str:
    """Says what the weather is.

    Args:
        city: The city.
    """
    return city


def test_functions_as_tools(tokenizer):
    assert_same(tokenizer, CHAT, tools=[weather], tokenize=False)
    assert_same(tokenizer, CHAT, tools=["no tool"], tokenize=False)


TAGGED = ["trl.qwen3_training", "trl.llama3_training", "trl.qwen2_5_training", "trl.phi3_training"]


@pytest.mark.parametrize("name", [*fixtures.built_in_templates(), *TAGGED])
def test_assistant_masks_of_tagged_templates(name):
    loaded = AutoTokenizer.from_pretrained(tokenizer_dir("small-qwen3"))
    loaded.chat_template = template_text(name)
    chats = [CHAT, [LONG[0], *LONG[1:]], [CHAT[0], assistant("\u4f60\U0001f600")]]
    for keys in (
        {},
        {"padding": True, "return_tensors": "np"},
        {"truncation": True, "max_length": 20},
        {"padding": "max_length", "max_length": 99, "tokenizer_kwargs": {"padding_side": "left"}},
    ):
        result = assert_same(loaded, chats, return_assistant_tokens_mask=True, **keys)
        assert_same(loaded, chats[0], return_assistant_tokens_mask=True, **keys)
        if not keys and result is not None:
            assert any(map(any, result["assistant_masks"]))


@pytest.mark.parametrize("name", ["small-llama-3.2-instruct", "small-gemma-3", "small-phi-3-mini"])
def test_without_tags_the_turns_are_inferred_unless_zeros_are_asked_for(name):
    loaded = AutoTokenizer.from_pretrained(tokenizer_dir(name))
    keys = {"return_assistant_tokens_mask": True}
    ours = apply_chat_template(loaded, CHAT, **keys)
    trained = [i for i, on in zip(ours["input_ids"], ours["assistant_masks"], strict=True) if on]
    assert "I am" in loaded.decode(trained)
    assert "who" not in loaded.decode(trained)
    theirs = loaded.apply_chat_template(CHAT, **keys)
    zeros = apply_chat_template(loaded, CHAT, infer_assistant_mask=False, **keys)
    assert plain(zeros) == plain(theirs)
    assert not any(theirs["assistant_masks"])


def test_a_tag_inside_a_macro_is_found_where_transformers_is_wrong():
    loaded = AutoTokenizer.from_pretrained(tokenizer_dir("small-qwen3"))
    loaded.chat_template = (
        "{% macro turn(m) %}[[[[{% generation %}{{ m.content }}{% endgeneration %}{% endmacro %}"
        "{% for m in messages %}[{{ m.role }}]{% if m.role == 'assistant' %}{{ turn(m) }}"
        "{% else %}{{ m.content }}{% endif %}{% endfor %}"
    )
    ours = apply_chat_template(loaded, CHAT, return_assistant_tokens_mask=True)
    marked = [i for i, on in zip(ours["input_ids"], ours["assistant_masks"], strict=True) if on]
    assert loaded.decode(marked).strip() == "I am"
    theirs = loaded.apply_chat_template(CHAT, return_assistant_tokens_mask=True)
    assert theirs["assistant_masks"] != ours["assistant_masks"]


def test_what_was_added_after_loading_counts():
    loaded = AutoTokenizer.from_pretrained(tokenizer_dir("small-qwen3"))
    before = apply_chat_template(loaded, [user("<new>")])
    loaded.add_special_tokens({"additional_special_tokens": ["<new>"]})
    after = assert_same(loaded, [user("<new>")])
    assert len(after["input_ids"]) < len(before["input_ids"])


def test_control_tokens_that_are_split_are_left_to_the_tokenizer():
    loaded = AutoTokenizer.from_pretrained(tokenizer_dir("small-qwen3"))
    loaded.chat_template = template_text("built-in/qwen3")
    plain_ids = apply_chat_template(loaded, CHAT)["input_ids"]
    for keys in ({}, {"return_assistant_tokens_mask": True}):
        options = {"tokenizer_kwargs": {"split_special_tokens": True}}
        split = assert_same(loaded, [CHAT, LONG], **keys, **options)
        assert len(split["input_ids"][0]) > len(plain_ids)
    loaded.split_special_tokens = True
    for keys in ({}, {"return_assistant_tokens_mask": True}):
        assert len(assert_same(loaded, CHAT, **keys)["input_ids"]) > len(plain_ids)


ODD = [
    [{"role": "user", "content": 3}],
    [{"role": "user", "content": "a", "more": np.float32(0.5), "none": None}, assistant([1, "x"])],
    [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image"}]}],
    [user("a"), {"role": "assistant", "content": "b", "tool_calls": [{"name": None}]}],
    [{"content": "no role"}],
]


@pytest.mark.parametrize("chat", ODD, ids=str)
@pytest.mark.parametrize("name", ["small-qwen3", "small-llama-3.2-instruct", "small-gpt-oss"])
def test_odd_values(name, chat):
    loaded = AutoTokenizer.from_pretrained(tokenizer_dir(name))
    for keys in ({"tokenize": False}, {}, {"bos_token": None, "tokenize": False}):
        assert_same(loaded, chat, **keys)


def test_several_templates():
    config = {"default": "{{ 'd' }}", "tool_use": "{{ 't' }}", "other": "{{ 'o' }}"}
    loaded = AutoTokenizer.from_pretrained(tokenizer_dir("small-qwen3"))
    loaded.chat_template = config
    for keys in ({}, {"tools": TOOLS}, {"chat_template": "other"}, {"chat_template": "{{ 'x' }}"}):
        assert assert_same(loaded, CHAT, tokenize=False, **keys) is not None
    loaded.chat_template = {"other": "{{ 'o' }}"}
    assert assert_same(loaded, CHAT, tokenize=False) is None


def test_a_refusal_says_where():
    loaded = AutoTokenizer.from_pretrained(tokenizer_dir("small-qwen3"))
    loaded.chat_template = "{{ raise_exception('never') }}"
    with pytest.raises(TurnmillError, match="never"):
        apply_chat_template(loaded, CHAT)
