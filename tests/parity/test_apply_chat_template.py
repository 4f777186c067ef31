"""`Template` against `apply_chat_template` of a tokenizer that transformers itself has loaded.

Which template is taken, what is done to the data before it, and how a render that is to be
continued is cut: the same text, or both refuse.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer
from transformers.utils import get_json_schema

import fixtures
import tiny_tokenizer
import turnmill
from conversations import CONVERSATIONS, TOOLS, assistant, call, system, tool, user
from oracle import NOW, frozen_clock

CHAT = [user("Hi"), assistant("Yo")]
NAMES = {"bos_token": "<s>", "eos_token": "</s>", "tokenizer_class": "PreTrainedTokenizerFast"}


def folder(path: Path, template: str | None = None, **config: Any) -> Path:
    """A tokenizer directory that both sides can load."""
    return tiny_tokenizer.write(path, ["<s>", "</s>"], template=template, **{**NAMES, **config})


class Both:
    """A directory as transformers and as turnmill load it."""

    def __init__(self, directory: Path) -> None:
        self._theirs = AutoTokenizer.from_pretrained(str(directory))
        self._directory = directory

    def theirs(self, messages: Any, name: str | None = None, **keys: Any) -> str | None:
        try:
            with frozen_clock():
                text = self._theirs.apply_chat_template(
                    messages, chat_template=name, tokenize=False, **keys
                )
        except (Exception, RecursionError):  # noqa: BLE001 - templates raise anything
            return None
        return str(text)

    def ours(self, messages: Any, name: str | None = None, **keys: Any) -> str | None:
        try:
            template = turnmill.Template(self._directory, name=name, now=NOW)
            return template.render(messages, **keys).text
        except turnmill.TurnmillError:
            return None

    def same(self, messages: Any, name: str | None = None, **keys: Any) -> str | None:
        """What both give; None where both refuse."""
        expected = self.theirs(messages, name, **keys)
        assert self.ours(messages, name, **keys) == expected, (messages, name, keys)
        return expected


def say(word: str) -> str:
    return "{{ '" + word + "' }}"


def listed(*names: str) -> Callable[[Path], None]:
    """Templates of `tokenizer_config.json`, by name."""

    def make(path: Path) -> None:
        named = [{"name": name, "template": say(f"config {name}")} for name in names]
        config = json.loads((path / "tokenizer_config.json").read_text("utf-8"))
        text = json.dumps({**config, "chat_template": named})
        (path / "tokenizer_config.json").write_text(text, "utf-8")

    return make


def in_config(path: Path) -> None:
    config = json.loads((path / "tokenizer_config.json").read_text("utf-8"))
    text = json.dumps({**config, "chat_template": say("config")})
    (path / "tokenizer_config.json").write_text(text, "utf-8")


def in_file(path: Path) -> None:
    (path / "chat_template.jinja").write_bytes(say("file").encode() + b"\r\nx\ry\n")


def additional(*names: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        (path / "additional_chat_templates").mkdir()
        for name in names:
            file = path / "additional_chat_templates" / f"{name}.jinja"
            file.write_text(say(f"additional {name}"), "utf-8")

    return make


LAYOUTS: dict[str, tuple[Callable[[Path], None], ...]] = {
    "none": (),
    "in the config": (in_config,),
    "a file": (in_file,),
    "a file beside the config": (in_config, in_file),
    "a file beside named ones": (listed("default", "tool_use"), in_file),
    "named": (listed("default", "tool_use", "rag"),),
    "named without tools": (listed("default", "rag"),),
    "named without a default": (listed("rag", "tool_use"),),
    "one that is called otherwise": (listed("rag"),),
    "a file and more files": (in_file, additional("tool_use", "rag")),
    "more files alone": (additional("tool_use", "rag"),),
    "more files beside the config": (in_config, additional("rag")),
    "more files beside named ones": (listed("default", "tool_use"), additional("rag")),
}


WITHOUT_DEFAULT = ("named without a default", "more files alone")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_template_is_taken(layout: str, tmp_path: Path) -> None:
    directory = folder(tmp_path / "tokenizer")
    for make in LAYOUTS[layout]:
        make(directory)
    both = Both(directory)
    for tools in (None, [], TOOLS):
        for name in (None, "default", "tool_use", "rag"):
            expected = both.theirs(CHAT, name, tools=tools)
            if name is not None and expected == name:
                # transformers takes a name that it does not know for a template.
                expected = both.ours(CHAT, tools=tools) if name == "default" else None
            if name is None and layout in WITHOUT_DEFAULT:
                # Without a default one has to be named, tools or not.
                expected = None
            assert both.ours(CHAT, name, tools=tools) == expected, (name, tools)


SHOW = (
    "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.reasoning_content }}|{{ m.thinking }}"
    "|{{ m.reasoning }}|{{ m.content }}{{ eos_token }}{% endfor %}{{ tools }}{{ documents }}"
    "{{ tools is defined }}{{ documents is none }}{{ extra }}{{ pad_token is defined }}"
    "{{ messages | tojson }}{{ strftime_now('%d %B %Y %H:%M') }}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


@pytest.fixture
def shown(tmp_path: Path) -> Both:
    return Both(folder(tmp_path / "tokenizer", SHOW))


@pytest.mark.parametrize(
    "message",
    [
        assistant(None),
        assistant("a", reasoning_content="r"),
        assistant("a", thinking="t"),
        assistant("a", reasoning="r"),
        assistant("a", reasoning="r", thinking="t"),
        assistant("a", thinking=None, reasoning="r"),
        assistant("a", reasoning_content="", reasoning="r"),
        assistant("a", reasoning_content=["r"], name=None, deep={"kept": None}),
        {"thinking": "t", "role": "assistant", "extra": 1, "content": "a"},
    ],
)
def test_messages_are_prepared_alike(shown: Both, message: dict[str, Any]) -> None:
    for prompt in (False, True):
        found = shown.same([user("Hi"), message], add_generation_prompt=prompt)
        assert found is not None
        assert "04 March 2026" in found


def test_variables_and_special_tokens(shown: Both) -> None:
    for keys in ({}, {"bos_token": "<t>"}, {"extra": {"a": [1.5, None]}}, {"pad_token": None}):
        assert shown.same(CHAT, **keys) is not None


@pytest.mark.parametrize(
    "documents",
    [
        None,
        [],
        [{"title": "t", "text": "x"}],
        [{"title": "t"}, {}],
        ["text"],
        [{"title": "t"}, None],
        [[]],
        {"title": "t"},
        "text",
        7,
    ],
)
def test_documents_are_dicts(shown: Both, documents: Any) -> None:
    found = shown.same(CHAT, documents=documents)
    is_list = documents is None or isinstance(documents, list)
    assert (found is not None) == (is_list and all(isinstance(d, dict) for d in documents or ()))


@pytest.mark.parametrize("tools", [["f"], [None], [7], {"type": "function"}, "f", 7, [TOOLS]])
def test_tools_are_schemas(shown: Both, tools: Any) -> None:
    assert shown.same(CHAT, tools=tools) is None


def weather(city: str, days: int = 1) -> str:
    """Says what the weather will be.

    Args:
        city: Where.
        days: How far ahead.
    """
    return f"{city} {days}"


def test_a_function_is_refused_with_the_way_to_its_schema(shown: Both) -> None:
    template = turnmill.Template(SHOW)
    with pytest.raises(turnmill.TemplateError, match="tools is a list of dicts") as caught:
        template.render(CHAT, tools=[weather])
    assert "transformers.utils.get_json_schema" in (caught.value.hint or "")
    schema = get_json_schema(weather)
    assert shown.ours(CHAT, tools=[schema]) == shown.theirs(CHAT, tools=[weather])


CONTINUED = (
    "{% for m in messages %}<|{{ m.role }}|>{% if m.reasoning_content %}<think>"
    "{{ m.reasoning_content }}</think>{% endif %}"
    "{% if m.content is string %}{{ m.content }}{% else %}{% for part in m.content %}"
    "{{ part.text if part.text is defined else part }}{% endfor %}{% endif %}"
    "{{ m.note }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TRIMMED = CONTINUED.replace("m.content }}", "m.content | trim }}").replace(
    "{{ m.reasoning_content }}", "{{ m.reasoning_content.strip() }}"
)
TWICE = "{% for m in messages %}{{ m.content }}{% endfor %}{{ messages[-1].content | upper }}"
LOST = "{% for m in messages %}{{ m.content[:-3] }}{% endfor %}"
UNREAD = "{% for m in messages %}{{ m['con' ~ 'tent'] }}{% endfor %}"

FINALS: dict[str, list[dict[str, Any]]] = {
    "plain": [user("Hi"), assistant("The sky")],
    "space behind": [user("Hi"), assistant("The sky \n")],
    "space before": [user("Hi"), assistant(" The sky")],
    "only space": [user("Hi"), assistant(" \n ")],
    "empty": [user("Hi"), assistant("")],
    "none": [user("Hi"), assistant(None)],
    "missing": [user("Hi"), {"role": "assistant"}],
    "a number": [user("Hi"), assistant(7)],
    "the user's": [user("The sky")],
    "system": [system("Be brief. ")],
    "unicode": [user("Hi"), assistant("天空\u3000 \x1c")],
    "the tag itself": [user("Hi"), assistant("CONTINUE_FINAL_MESSAGE_TAG and on")],
    "the tag earlier": [user("CONTINUE_FINAL_MESSAGE_TAG "), assistant("x")],
    "parts": [
        user("Hi"),
        assistant([{"type": "text", "text": "a"}, {"type": "text", "text": "b "}]),
    ],
    "parts, text not last": [user("Hi"), assistant([{"text": "a "}, {"type": "image"}])],
    "parts, no text": [user("Hi"), assistant([{"type": "image"}])],
    "parts, strings": [user("Hi"), assistant(["a text", "b"])],
    "parts, other strings": [user("Hi"), assistant([{"text": "a"}, "b"])],
    "parts, a list": [user("Hi"), assistant([{"text": "a"}, ["text"]])],
    "parts, a number": [user("Hi"), assistant([{"text": "a"}, 7])],
    "parts, text is none": [user("Hi"), assistant([{"text": None}])],
    "no parts": [user("Hi"), assistant([])],
    "a dict": [user("Hi"), assistant({"text": "a"})],
    "reasoning": [user("Hi"), assistant("The sky ", reasoning_content="Well, ")],
    "reasoning, old name": [user("Hi"), assistant("The sky", reasoning="Well,")],
    "reasoning, thinking": [user("Hi"), assistant("The sky", thinking="Well,\n")],
    "reasoning, two kinds": [
        user("Hi"),
        assistant("The sky", thinking="Well,", reasoning_content="So,"),
    ],
    "reasoning alone": [user("Hi"), {"role": "assistant", "reasoning_content": "Well, "}],
    "reasoning in parts": [user("Hi"), assistant("The sky", reasoning_content=[{"text": "Well"}])],
    "note": [user("Hi"), assistant("The sky", note=" aside ")],
    "tool call": [
        user("Hi"),
        assistant("Let me", tool_calls=[call("search", {"query": "a"})]),
        tool("found "),
    ],
}
FIELDS = (True, "content", "reasoning_content", "thinking", "reasoning", "note", "role", "nope")


@pytest.mark.parametrize("source", [CONTINUED, TRIMMED, TWICE, LOST, UNREAD])
def test_the_final_message_is_continued_alike(source: str, tmp_path: Path) -> None:
    both = Both(folder(tmp_path / "tokenizer", source))
    rendered = 0
    for messages in FINALS.values():
        for field in FIELDS:
            found = both.same(messages, continue_final_message=field)
            rendered += found is not None
            assert "<|end|>\n<|end|>" not in (found or "")
    assert rendered > 5 or source in (LOST, UNREAD)


def test_continuing_and_prompting_exclude_each_other(tmp_path: Path) -> None:
    both = Both(folder(tmp_path / "tokenizer", CONTINUED))
    keys = {"continue_final_message": True, "add_generation_prompt": True}
    assert both.same(CHAT, **keys) is None
    assert both.same([], continue_final_message=True) is None
    assert both.same(CHAT, continue_final_message="") == both.same(CHAT)


def test_a_continued_turn_has_a_span_to_the_end(tmp_path: Path) -> None:
    template = turnmill.Template(folder(tmp_path / "tokenizer", CONTINUED))
    rendered = template.render([user("Hi"), assistant("The sky ")], continue_final_message=True)
    assert rendered.text == "<|user|>Hi<|end|>\n<|assistant|>The sky "
    assert [rendered.text[a:b] for a, b in rendered.spans.tolist()] == ["The sky "]


TEMPLATES = (
    "untagged/qwen3",
    "untagged/llama-3.1",
    "untagged/phi-3",
    "untagged/deepseek-v3",
    "unseen/harmony",
    "unseen/glm-style",
    "built-in/qwen3",
    "llamacpp.Qwen-Qwen3-0.6B",
    "llamacpp.meta-llama-Llama-3.2-3B-Instruct",
    "llamacpp.microsoft-Phi-3.5-mini-instruct",
    "llamacpp.GLM-4.6",
    "llamacpp.openai-gpt-oss-120b",
    "llamacpp.deepseek-ai-DeepSeek-V3.1",
    "llamacpp.google-gemma-4-31B-it",
    "llamacpp.mistralai-Ministral-3-14B-Reasoning-2512",
    "llamacpp.HuggingFaceTB-SmolLM3-3B",
    "trl.qwen3_training",
)


@pytest.mark.parametrize("name", TEMPLATES)
def test_whole_templates_continue_alike(name: str, tmp_path: Path) -> None:
    source = fixtures.template_text(name)
    both = Both(folder(tmp_path / "tokenizer", source))
    rendered = 0
    for messages in (*FINALS.values(), *CONVERSATIONS.values()):
        for field in (True, "reasoning_content", "thinking"):
            rendered += both.same(messages, continue_final_message=field) is not None
    assert rendered > 20
