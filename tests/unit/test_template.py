"""`turnmill.Template`: finding templates, and what Python objects become in them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
import pickle
from collections import OrderedDict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

import turnmill
from conversations import CONVERSATIONS, TOOLS
from fixtures import ROOT, template_text

TOKENIZER = ROOT / "python" / "turnmill" / "demo" / "tokenizer"
PRINT_ALL = turnmill.Template("{{ messages | tojson }}")
MESSAGES = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "你好"}]


class Role(enum.StrEnum):
    USER = "user"


class Loud(str):
    """A subclass that says something else when asked."""

    __slots__ = ()

    def __str__(self) -> str:
        return "LOUD"


class Count(int):
    def __int__(self) -> int:
        return 99

    def __repr__(self) -> str:
        return "many"


@dataclasses.dataclass
class Message:
    role: str
    content: Any
    name: str | None = None


class Model:
    """What a pydantic model looks like from outside."""

    def model_dump(self) -> dict[str, Any]:
        return {"role": "user", "content": "dumped"}


class Odd:
    pass


def plain(value: Any) -> Any:
    """What a template sees of a value inside a message."""
    return json.loads(PRINT_ALL.render([{"role": "user", "x": value}]).text)[0]["x"]


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (True, True),
        (2**80, 2**80),
        (-(2**63), -(2**63)),
        (1.5, 1.5),
        (Loud("quiet"), "quiet"),
        (Role.USER, "user"),
        (Count(3), 3),
        (Count(2**70), 2**70),
        ((1, [2, (3,)]), [1, [2, [3]]]),
        (OrderedDict(b=1, a={"c": None}), {"b": 1, "a": {"c": None}}),
        (MappingProxyType({"k": 1}), {"k": 1}),
        (np.float32(0.5), 0.5),
        (np.float64(0.25), 0.25),
        (np.int64(7), 7),
        (np.bool_(False), False),
        (np.str_("text"), "text"),
        (Message("user", (1,)), {"role": "user", "content": [1], "name": None}),
        (Model(), {"role": "user", "content": "dumped"}),
        (Odd(), "<Odd>"),
        (np.zeros(2), "<ndarray>"),
        (dt.date(2024, 1, 1), "<date>"),
        ({1, 2}, "<set>"),
        (Message, "<type>"),
    ],
)
def test_objects_become_plain_data_as_in_transformers(value: Any, seen: Any) -> None:
    utils = pytest.importorskip("transformers.utils.chat_template_utils")
    expected = utils._plain_template_data(value)
    assert json.loads(json.dumps(expected)) == seen
    assert plain(value) == seen
    assert type(plain(value)) is type(seen)


@pytest.mark.parametrize("message", [Message("user", "dumped"), Model()])
def test_messages_may_be_objects(message: Any) -> None:
    text = PRINT_ALL.render([message]).text
    assert json.loads(text) == [{"role": "user", "content": "dumped"}]


def test_null_keys_of_a_message_are_left_out() -> None:
    message = {"role": "user", "content": None, "deep": {"kept": None}}
    assert json.loads(PRINT_ALL.render([message]).text) == [
        {"role": "user", "deep": {"kept": None}}
    ]


def test_spans_count_code_points() -> None:
    rendered = turnmill.Template("chatml").render(MESSAGES * 2)
    assert rendered.spans.dtype == np.int64
    assert rendered.turns.dtype == np.int32
    texts = [rendered.text[start:end] for start, end in rendered.spans]
    assert texts == ["你好<|im_end|>"] * 2
    assert rendered.turns.tolist() == [1, 3]


def test_a_template_whose_turns_cannot_be_found_still_renders() -> None:
    rendered = PRINT_ALL.render(MESSAGES)
    assert json.loads(rendered.text) == MESSAGES
    for _ in range(2):
        with pytest.raises(turnmill.TemplateError) as raised:
            rendered.spans.tolist()
        assert raised.value.code == "template-spans"
    with pytest.raises(turnmill.TemplateError):
        pickle.loads(pickle.dumps(rendered)).turns.tolist()


def test_variables_win_over_special_tokens() -> None:
    shown = turnmill.Template("{{ bos_token }}", special_tokens={"bos_token": "<s>"})
    assert shown.render(MESSAGES).text == "<s>"
    assert shown.render(MESSAGES, bos_token="<t>").text == "<t>"
    assert turnmill.Template("{{ x is defined }}").render(MESSAGES, x=1).text == "True"


def test_now_is_what_the_template_sees() -> None:
    source = "{{ strftime_now('%d %b %Y') }}"
    for now in ("2024-07-26", dt.date(2024, 7, 26), dt.datetime(2024, 7, 26, 1)):  # noqa: DTZ001
        assert turnmill.Template(source, now=now).render(MESSAGES).text == "26 Jul 2024"


def test_a_directory_brings_template_and_tokens() -> None:
    made = turnmill.Template(TOKENIZER)
    assert made.name == str(TOKENIZER)
    assert made.source == (TOKENIZER / "chat_template.jinja").read_text("utf-8")
    assert "你好" in made.render(MESSAGES).text


def test_named_templates_and_the_one_for_tools(tmp_path: Path) -> None:
    named = [{"name": name, "template": "{{ '" + name + "' }}"} for name in ("default", "tool_use")]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}), "utf-8")
    tool = {"type": "function", "function": {"name": "f"}}
    both = turnmill.Template(tmp_path)
    assert both.render(MESSAGES).text == "default"
    assert both.render(MESSAGES, tools=[tool]).text == "tool_use"
    one = turnmill.Template(tmp_path, name="default")
    assert one.render(MESSAGES, tools=[tool]).text == "default"
    with pytest.raises(turnmill.TemplateError, match="called `rag`") as raised:
        turnmill.Template(tmp_path, name="rag")
    assert raised.value.hint == "it has: default, tool_use"


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.jinja"
    path.write_text("{{ messages[0].content }}", "utf-8")
    assert turnmill.Template(path).render(MESSAGES).text == "Hi"


def test_what_is_no_template_says_so(tmp_path: Path) -> None:
    with pytest.raises(turnmill.TemplateError) as raised:
        turnmill.Template("lama-3")
    assert (raised.value.code, raised.value.hint) == (
        "template-not-found",
        "did you mean `llama-3`?",
    )
    with pytest.raises(turnmill.TemplateError) as raised:
        turnmill.Template(tmp_path)
    assert raised.value.code == "no-chat-template"
    with pytest.raises(turnmill.TemplateError) as raised:
        turnmill.Template("line one\n{% if %}")
    assert (raised.value.code, raised.value.line) == ("template-syntax", 2)


@pytest.mark.parametrize(
    ("messages", "index"),
    [
        ([], None),
        ("Hi", None),
        ({"role": "user"}, None),
        ([{"role": "user"}, "Hi"], 1),
        ([{"role": "user"}, None], 1),
    ],
)
def test_what_is_no_conversation_is_refused(messages: Any, index: int | None) -> None:
    with pytest.raises(turnmill.TemplateError) as raised:
        PRINT_ALL.render(messages)
    assert (raised.value.code, raised.value.message_index) == ("template-error", index)


def test_a_raising_template_names_line_and_message() -> None:
    raising = turnmill.Template(
        "{% for m in messages %}\n{{ raise_exception('no ' + m.role) if loop.index0 }}{% endfor %}"
    )
    with pytest.raises(turnmill.TemplateError, match="no assistant") as raised:
        raising.render(MESSAGES)
    assert (raised.value.line, raised.value.message_index) == (2, 1)


def test_arguments_that_cannot_go_together() -> None:
    with pytest.raises(turnmill.TemplateError, match="exclude each other"):
        PRINT_ALL.render(MESSAGES, add_generation_prompt=True, continue_final_message=True)
    with pytest.raises(turnmill.TemplateError, match="tools is a list of dicts"):
        PRINT_ALL.render(MESSAGES, tools=["f"])
    with pytest.raises(turnmill.TemplateError, match="documents is a list of dicts"):
        PRINT_ALL.render(MESSAGES, documents={"title": "t"})


def test_data_that_no_template_could_read() -> None:
    with pytest.raises(turnmill.DataError) as raised:
        PRINT_ALL.render([MESSAGES[0], {"role": "user", "content": "\ud83d"}])
    assert (raised.value.code, raised.value.message_index) == ("lone-surrogate", 1)
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(turnmill.DataError, match="nested deeper"):
        plain(endless)
    with pytest.raises(turnmill.DataError, match="a key is not a string: 1"):
        plain({1: 2})


def test_what_an_object_raises_comes_through() -> None:
    class Broken:
        def model_dump(self) -> dict[str, Any]:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        plain(Broken())


def test_it_pickles_and_notices_a_changed_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.jinja"
    path.write_text("{{ bos_token }}{{ strftime_now('%Y') }}", "utf-8")
    made = turnmill.Template(path, special_tokens={"bos_token": "<s>"}, now="2001-01-01")
    stored = pickle.dumps(made)
    assert pickle.loads(stored).render(MESSAGES).text == "<s>2001"
    path.write_text("{{ eos_token }}", "utf-8")
    with pytest.raises(turnmill.TemplateError, match="not the one that was pickled"):
        pickle.loads(stored)


def spans_of(name: str, messages: list[Any], **keys: Any) -> list[str]:
    """The text of each span of a template."""
    source = template_text(name)
    rendered = turnmill.Template(source, special_tokens={"bos_token": "<s>"}).render(
        messages, **keys
    )
    return [rendered.text[start:end] for start, end in rendered.spans.tolist()]


def test_a_last_turn_that_is_printed_behind_the_loop_is_located() -> None:
    name = "llamacpp.NVIDIA-Nemotron-Nano-v2"
    end = "\n<SPECIAL_12>\n"
    assert spans_of(name, CONVERSATIONS["four turns"]) == ["one" + end, "two" + end, "three" + end]
    call = '<TOOLCALL>[{"name": "search", "arguments": {"query": "küche", "limit": 3, '
    first, last = spans_of(name, CONVERSATIONS["one tool call"], tools=TOOLS)
    assert first.startswith(call)
    assert first.endswith("]</TOOLCALL>" + end)
    assert last == "Nothing found." + end


def test_a_template_that_refuses_conversations_without_tools_is_studied_with_tools() -> None:
    name = "llamacpp.NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use"
    found = spans_of(name, CONVERSATIONS["one tool call"], tools=TOOLS[:1])
    assert found[0].startswith('<tool_call>\n{"name": "search"')
    assert found[1] == "Nothing found.<|im_end|>\n"


def test_an_answer_without_a_header_begins_where_its_text_does() -> None:
    found = spans_of("llamacpp.Apertus-8B-Instruct", CONVERSATIONS["two answers in a row"])
    assert found == ["b", "c"]


@pytest.mark.parametrize("name", ["unseen/glm-style", "trl.glm4moe"])
def test_the_marker_of_another_answer_does_not_end_a_turn(name: str) -> None:
    found = spans_of(name, CONVERSATIONS["two answers in a row"])
    assert [text.rsplit("</think>\n")[-1] for text in found] == ["b", "c"]


LINE = "'<|im_start|>' ~ m.role ~ '\\n' ~ m.content ~ eos_token ~ '\\n'"
PROMPT = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
COLLECTED = {
    "joined with ~": "{% set ns = namespace(out='') %}{% for m in messages %}"
    "{% set ns.out = ns.out ~ " + LINE + " %}{% endfor %}{{ ns.out }}",
    "joined with +": "{% set ns = namespace(out='') %}{% for m in messages %}"
    "{% set ns.out = ns.out + " + LINE.replace("~", "+") + " %}{% endfor %}{{ ns.out }}",
    "content alone": "{% set ns = namespace(out='') %}{% for m in messages %}"
    "{% set ns.out = ns.out ~ '<|im_start|>' %}{% set ns.out = ns.out ~ m.role %}"
    "{% set ns.out = ns.out ~ '\\n' %}{% set ns.out = ns.out ~ m.content %}"
    "{% set ns.out = ns.out ~ eos_token ~ '\\n' %}{% endfor %}{{ ns.out }}",
    "a list": "{% set ns = namespace(out=[]) %}{% for m in messages %}"
    "{% set ns.out = ns.out + [" + LINE + "] %}{% endfor %}{{ ns.out | join }}",
    "trimmed and indented": "{% set ns = namespace(out='') %}{% for m in messages %}"
    "{% set ns.out = ns.out ~ " + LINE + " %}{% endfor %}{{ (ns.out ~ ' ') | trim ~ '\\n' }}",
    "in a block": "{% set out %}{% for m in messages %}{{ " + LINE + " }}{% endfor %}{% endset %}"
    "{{ out }}",
    "by a macro": "{% macro turn(m) %}{{ " + LINE + " }}{% endmacro %}"
    "{% set ns = namespace(out='') %}{% for m in messages %}"
    "{% set ns.out = ns.out ~ turn(m) %}{% endfor %}{{ ns.out }}",
}


@pytest.mark.parametrize("how", COLLECTED)
def test_text_that_is_collected_and_printed_behind_the_loop_is_located(how: str) -> None:
    template = turnmill.Template(
        COLLECTED[how] + PROMPT, special_tokens={"eos_token": "<|im_end|>"}
    )
    rendered = template.render(MESSAGES * 2)
    plain = turnmill.Template("chatml").render(MESSAGES * 2)
    assert rendered.text == plain.text
    found = [rendered.text[a:b].rstrip() for a, b in rendered.spans.tolist()]
    assert found == ["你好<|im_end|>"] * 2
    assert rendered.turns.tolist() == [1, 3]


TURN = "[{{ m.role }}]{{ m.content }}</s>"
UNLOCATED = {
    "the turn before": "{% for m in messages %}{% if loop.previtem is defined %}"
    "[{{ loop.previtem.role }}]{{ loop.previtem.content }}</s>{% endif %}"
    "{% if loop.last %}" + TURN + "{% endif %}{% endfor %}",
    "the turn behind": "{% for m in messages %}{% if m.role == 'user' %}" + TURN + "{% if "
    "loop.nextitem is defined %}[assistant]{{ loop.nextitem.content }}</s>{% endif %}{% endif %}"
    "{% endfor %}",
    "the question again": "{% for m in messages %}{% if m.role == 'assistant' %}[user]"
    "{{ loop.previtem.content }}[assistant]{{ m.content }}</s>{% endif %}{% endfor %}",
    "the question behind": "{% for m in messages %}{% if m.role == 'assistant' %}[assistant]"
    "{{ m.content }}[to]{{ loop.previtem.content }}[so]{{ m.content }}</s>{% endif %}{% endfor %}",
    "pairs": "{% for i in range(0, messages | length - 1, 2) %}[user]{{ messages[i].content }}"
    "[assistant]{{ messages[i + 1].content }}</s>{% endfor %}",
    "no loop": "{{ messages | map(attribute='content') | join('</s>') }}</s>",
    "a macro that calls itself": "{% macro turn(i) %}{% if i < messages | length %}"
    "[{{ messages[i].role }}]{{ messages[i].content }}</s>{{ turn(i + 1) }}{% endif %}"
    "{% endmacro %}{{ turn(0) }}",
}


@pytest.mark.parametrize("how", UNLOCATED)
def test_a_template_whose_turns_cannot_be_told_is_refused_when_it_is_made(how: str) -> None:
    prompt = "{% if add_generation_prompt %}[assistant]{% endif %}"
    template = turnmill.Template(UNLOCATED[how] + prompt)
    assert template.study()["spans_refused"]
    rendered = template.render(MESSAGES)
    assert "你好" in rendered.text
    with pytest.raises(turnmill.TemplateError) as raised:
        rendered.spans.tolist()
    assert raised.value.code == "template-spans"


@pytest.mark.parametrize("other", ["previtem", "nextitem"])
def test_a_turn_that_holds_another_answer_has_no_span(other: str) -> None:
    template = turnmill.Template(
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% if m.role == 'assistant' and loop."
        + other
        + " is defined %}({{ loop."
        + other
        + ".content }}){% endif %}</s>{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    answers = [{"role": "assistant", "content": text} for text in ("Wyxa", "Kefo")]
    rendered = template.render([{"role": "user", "content": "Hi"}, *answers])
    holding = {"previtem": 2, "nextitem": 1}[other]
    assert holding not in rendered.turns
    for turn, (start, end) in zip(rendered.turns, rendered.spans.tolist(), strict=True):
        assert answers[turn - 1]["content"] in rendered.text[start:end]
