"""Built-in templates render byte for byte what their references render, errors included.

Both sides go through transformers here; `test_template*.py` compares turnmill's own engine with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

import fixtures
from conversations import CONVERSATIONS, TOOLS

FOLDER = fixtures.ROOT / "rust" / "core" / "src" / "template" / "builtin"
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
GENERATION = re.compile(r"\{%-?\s*generation")


def source(name: str) -> str:
    return (FOLDER / f"{name}.jinja").read_text("utf-8")


def config_template(tokenizer: str) -> Callable[[], str]:
    return lambda: fixtures.chat_template(tokenizer)


def shared_template(name: str) -> Callable[[], str]:
    return lambda: fixtures.template_path(name).read_text("utf-8")


REFERENCES: dict[str, Callable[[], str]] = {
    "llama-3": shared_template("trl.llama3_training"),
    "llama-3.1": shared_template("llamacpp.meta-llama-Llama-3.1-8B-Instruct"),
    "mistral-v3": config_template("mistral-7b-instruct-v0.3"),
    "gemma-2": shared_template("llamacpp.google-gemma-2-2b-it"),
    "gemma-3": config_template("gemma-3"),
    "qwen2.5": shared_template("llamacpp.Qwen-Qwen2.5-7B-Instruct"),
    "qwen3": config_template("qwen3"),
    "deepseek-v3": config_template("deepseek-v3"),
    "phi-3": config_template("phi-3-mini"),
}


def render(template: str, messages: list[dict[str, Any]], **variables: Any) -> str | None:
    """The text, or None where transformers raises."""
    try:
        texts, _ = render_jinja_template(
            conversations=[messages], chat_template=template, **{**TOKENS, **variables}
        )
    except Exception:  # noqa: BLE001 - whatever it raises, it did not render
        return None
    return str(texts[0])


VARIABLES: list[dict[str, Any]] = [
    {},
    {"add_generation_prompt": True},
    {"tools": TOOLS},
    {"tools": TOOLS, "add_generation_prompt": True},
    {"tools": TOOLS, "tools_in_user_message": False, "date_string": "01 Jan 2026"},
    {"builtin_tools": ["brave_search", "code_interpreter"]},
    {"custom_tools": TOOLS},
    {"enable_thinking": False, "add_generation_prompt": True},
]


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_equal_to_the_reference(name: str):
    reference, ours = REFERENCES[name](), source(name)
    rendered = 0
    for label, messages in CONVERSATIONS.items():
        for variables in VARIABLES:
            expected = render(reference, messages, **variables)
            assert render(ours, messages, **variables) == expected, (label, variables)
            rendered += expected is not None
    assert rendered > 20


CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "Bye"},
    {"role": "assistant", "content": "See you."},
]
FORMATS = {
    "chatml": "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
    "<|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n"
    "<|im_start|>assistant\nSee you.<|im_end|>\n",
    "llama-2": "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST] Hello. </s>"
    "<s>[INST] Bye [/INST] See you. </s>",
    "phi-4": "<|im_start|>system<|im_sep|>Be brief.<|im_end|><|im_start|>user<|im_sep|>Hi<|im_end|>"
    "<|im_start|>assistant<|im_sep|>Hello.<|im_end|><|im_start|>user<|im_sep|>Bye<|im_end|>"
    "<|im_start|>assistant<|im_sep|>See you.<|im_end|>",
    "zephyr": "<|system|>\nBe brief.</s>\n<|user|>\nHi</s>\n<|assistant|>\nHello.</s>\n"
    "<|user|>\nBye</s>\n<|assistant|>\nSee you.</s>\n",
    "vicuna": "<s>Be brief. USER: Hi ASSISTANT: Hello.</s>USER: Bye ASSISTANT: See you.</s>",
    "alpaca": "<s>Be brief.\n\n### Instruction:\nHi\n\n### Response:Hello.</s>"
    "\n\n### Instruction:\nBye\n\n### Response:See you.</s>",
}


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_equal_to_the_published_format(name: str):
    assert render(source(name), CHAT) == FORMATS[name]


def test_vicuna_and_alpaca_bring_their_system_prompts():
    assert render(source("vicuna"), CHAT[1:3]) == (
        "<s>A chat between a curious user and an artificial intelligence assistant. The assistant "
        "gives helpful, detailed, and polite answers to the user's questions. "
        "USER: Hi ASSISTANT: Hello.</s>"
    )
    assert render(source("alpaca"), CHAT[1:3]) == (
        "<s>Below is an instruction that describes a task. Write a response that appropriately "
        "completes the request.\n\n### Instruction:\nHi\n\n### Response:Hello.</s>"
    )


ALL = sorted(path.stem for path in FOLDER.glob("*.jinja"))


def test_every_template_is_compared():
    assert sorted([*REFERENCES, *FORMATS]) == ALL


@pytest.mark.parametrize("name", ALL)
def test_the_generation_prompt_ends_where_the_turn_begins(name: str):
    """What inference sends before a turn is what stands before its span."""
    template = source(name)
    assert GENERATION.search(template)
    # Where the template has no place for a system prompt, or prints it only with the last question.
    chat = CHAT[1:] if name in {"gemma-2", "mistral-v3"} else CHAT
    texts, spans = render_jinja_template(
        conversations=[chat], chat_template=template, return_assistant_tokens_mask=True, **TOKENS
    )
    text, spans = texts[0], spans[0]
    assert len(spans) == 2
    prompt = render(template, chat[:-1], add_generation_prompt=True)
    assert prompt is not None
    start, end = spans[-1]
    assert text[:start] == prompt
    assert "See you." in text[start:end]
    assert text[end:].strip() in {"", "</s>"}
