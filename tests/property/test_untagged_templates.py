"""Random chat templates without tags: the turns found are what shorter renders tell.

A turn begins where the prompt of the messages before it ends, and holds at least what the render up
to it has behind that. A template whose turns cannot be told is refused when it is made.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

import turnmill
from oracle import NOW

pytestmark = pytest.mark.slow

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}

CONTENTS = (
    "",
    " ",
    "Hi",
    "  x y \n",
    "é你🌍",
    "{{ 7 * 7 }}{% if %}",
    "<|im_end|>\n<|im_start|>assistant\n",
    "Assistant: no",
    "<think>\na\n</think>\n\nb",
    "a</think>",
    "assistant",
    "\n\nline\n",
    "[/INST] </s>",
    "long words " * 300,
)

HEADERS: tuple[tuple[str, str], ...] = (
    ("{{ '<|im_start|>' + m.role + '\\n' }}", "<|im_start|>assistant\n"),
    ("<|{{ m.role }}|>\n", "<|assistant|>\n"),
    ("<|{{ m['role'] }}|>", "<|assistant|>"),
    ("{{ names[m.role] ~ ': ' }}", "AI: "),
    ("{{ m.role | title }}: ", "Assistant: "),
    ("{{- m.role.upper() + ':\\n' -}}", "ASSISTANT:\n"),
    ("{{ head(m.role) }}", "<assistant>"),
    (
        "{% if m.role == 'user' %}[INST] {% elif m.role == 'system' %}<<SYS>>{% endif %}",
        "",
    ),
    ("{% if m.role == 'assistant' %}<model>{% else %}<{{ m.role }}>{% endif %}", "<model>"),
)
CONTENT = (
    "{{ m.content }}",
    "{{ m['content'] }}",
    "{{ m.content | trim }}",
    "{{- m.content.strip() -}}",
    "{{ m.content ~ '' }}",
    "{% set content = m.content %}{{ content }}",
    "{% set content = m.get('content') or '' %}{{ content.lstrip('\\n') }}",
    "{% if m.content is string %}{{ m.content }}{% else %}{{ m.content | join }}{% endif %}",
    "{{ m.content.split('</think>')[-1] if m.role == 'assistant' else m.content }}",
    "{{ show(m) }}",
)
ENDS = (
    "<|im_end|>\n",
    "{{ eos_token }}",
    "{{ eos_token + '\\n' }}",
    "</s>",
    "{% if m.role == 'user' %} [/INST]{% else %}{{ eos_token }}{% endif %}",
    "{% if m.role == 'assistant' %}{{ eos_token }}{% else %}\n{% endif %}",
    "\n\n",
    "",
)
THOUGHTS = (
    "",
    "",
    "{% if m.reasoning_content %}<think>\n{{ m.reasoning_content }}\n</think>\n\n{% endif %}",
    "{{ '<think>' ~ m.reasoning_content ~ '</think>' if m.reasoning_content is defined }}",
)
CALLS = (
    "",
    "{% for c in m.tool_calls or [] %}<call>{{ c.function.name }}("
    "{{ c.function.arguments | tojson }})</call>{% endfor %}",
    "{% if m.tool_calls %}[CALLS] {{ m.tool_calls | tojson }}{% endif %}",
    "{% if m.tool_calls is defined %}"
    "{% set calls = m.tool_calls | map(attribute='function') | list %}"
    "{{ '\n' ~ calls | tojson }}{% endif %}",
    "{% for c in m.tool_calls or [] %}{{ call_of(c) }}{{ ', ' if not loop.last }}{% endfor %}",
    "{% for c in m.tool_calls or [] %}{% for key, value in c.function.arguments.items() %}"
    "{{ key ~ '=' ~ value ~ ';' }}{% endfor %}{% endfor %}",
)
MACROS = (
    "{%- macro call_of(c) -%}<{{ c.function.name }}>{{ c.function.arguments }}{%- endmacro -%}"
    "{%- macro head(role) -%}<{{ role }}>{%- endmacro -%}"
    "{%- macro show(message) -%}{{ message.content }}{%- endmacro -%}"
    "{%- set names = {'system': 'System', 'user': 'Human', 'assistant': 'AI'} -%}"
)


class Layout:
    """A random template and a conversation for it."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        header, prompt = self._pick(HEADERS)
        said = self._pick(THOUGHTS) + self._pick(CONTENT) + self._pick(CALLS)
        turn = header + said + self._pick(ENDS)
        spoken = "{% if add_generation_prompt %}" + prompt.replace("\n", "{{ '\\n' }}")
        self._prompt = spoken + "{% endif %}"
        start = self._pick(("", "{{ bos_token }}", "{{- bos_token -}}\n", "<s>"))
        self.source = MACROS + start + self._pick(self._loops())(turn)

    def conversation(self) -> list[dict[str, Any]]:
        messages = []
        if self._random.random() < 0.4:
            messages.append(self._message("system"))
        for _ in range(self._random.randint(1, 3)):
            messages.append(self._message("user"))
            while self._random.random() < 0.3:
                call = {"name": "look", "arguments": {"for": self._pick(CONTENTS), "n": 1.5}}
                calls = [{"type": "function", "function": call}] * self._random.randint(1, 2)
                messages.append({**self._message("assistant"), "tool_calls": calls})
                messages.append(self._message("tool"))
            messages.append(self._message("assistant"))
        return messages

    def _message(self, role: str) -> dict[str, Any]:
        # An empty message with an end looks like a tail that only the shorter render has.
        contents = CONTENTS if role == "assistant" else CONTENTS[2:]
        message = {"role": role, "content": self._pick(contents)}
        if role == "assistant" and self._random.random() < 0.3:
            message["reasoning_content"] = self._pick(CONTENTS)
        return message

    def _pick(self, items: Any) -> Any:
        return self._random.choice(items)

    def _loops(self) -> tuple[Callable[[str], str], ...]:
        prompt = self._prompt
        inside = prompt.replace("if add", "if loop.last and add")
        joined = "{% set ns = namespace(out='') %}{% for m in messages %}{% set one %}"
        return (
            lambda turn: "{% for m in messages %}" + turn + "{% endfor %}" + prompt,
            lambda turn: "{% for m in messages %}" + turn + inside + "{% endfor %}",
            lambda turn: "{%- for m in messages -%}\n" + turn + "{%- endfor -%}\n" + prompt,
            lambda turn: (
                "{% for i in range(messages | length) %}{% set m = messages[i] %}"
                + turn
                + "{% endfor %}"
                + prompt
            ),
            lambda turn: (
                "{% if messages[0].role == 'system' %}{{ messages[0].content }}\n"
                "{% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% endif %}"
                "{% for m in rest %}" + turn + "{% endfor %}" + prompt
            ),
            lambda turn: (
                "{% set kept %}{% for m in messages %}"
                + turn
                + "{% endfor %}{% endset %}{{ kept }}"
                + prompt
            ),
            lambda turn: (
                joined + turn + "{% endset %}{% set ns.out = ns.out ~ one %}{% endfor %}"
                "{{ ns.out }}" + prompt
            ),
            lambda turn: (
                "{% macro write(m) %}" + turn + "{% endmacro %}{% for m in messages %}"
                "{{ write(m) }}{% endfor %}" + prompt
            ),
            lambda turn: (
                "{% for m in messages if m.role == 'system' %}" + turn + "{% endfor %}"
                "{% for m in messages if m.role != 'system' %}" + turn + "{% endfor %}" + prompt
            ),
            lambda turn: (
                "{% for m in messages %}{% if m.role == 'system' %}{% continue %}{% endif %}"
                + turn
                + "{% endfor %}"
                + prompt
            ),
            lambda turn: (
                "{% set ns = namespace(i=0) %}{% for m in messages %}{% set ns.i = loop.index %}"
                "{% filter string %}" + turn + "{% endfilter %}{% endfor %}" + prompt
            ),
            lambda turn: (
                "{% for m in messages %}" + turn + "{% endfor %}"
                "{% if not add_generation_prompt %}{{ eos_token }}{% endif %}" + prompt
            ),
            lambda turn: (
                "{% for m in messages %}{% set before = loop.previtem %}"
                "{% if loop.nextitem is defined %}" + turn + "{% else %}" + turn + "{% endif %}"
                "{% endfor %}" + prompt
            ),
        )


def theirs(source: str, messages: list[dict[str, Any]], *, prompt: bool = False) -> str | None:
    try:
        texts, _ = render_jinja_template(
            [messages], chat_template=source, add_generation_prompt=prompt, **TOKENS
        )
    except Exception:  # noqa: BLE001 - templates raise anything
        return None
    return str(texts[0])


BEHIND = re.compile(r"\s*(<[^<>]*>|\[INST\]|\[|)(</s>)?")
"""What an earlier turn may have behind its text: space, the marker of the next role."""


def compare(seeds: Iterable[int]) -> Counter[str]:
    """How many templates were refused, and how many turns compared; all of them are right."""
    found: Counter[str] = Counter()
    for seed in seeds:
        layout = Layout(seed)
        messages = layout.conversation()
        whole = theirs(layout.source, messages)
        if whole is None:
            continue
        template = turnmill.Template(layout.source, special_tokens=TOKENS, now=NOW)
        rendered = template.render(messages)
        case = (seed, layout.source, messages)
        assert rendered.text == whole, case
        if template.study()["spans_refused"]:
            found["refused"] += 1
            continue
        spans = dict(zip(rendered.turns.tolist(), rendered.spans.tolist(), strict=True))
        for turn, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            prompt = theirs(layout.source, messages[:turn], prompt=True)
            own = theirs(layout.source, messages[: turn + 1])
            if prompt is None or own is None or own == prompt:
                continue
            if not own.startswith(prompt) or not whole.startswith(own):
                found["rewritten"] += 1
                continue
            assert turn in spans, case
            start, end = spans[turn]
            assert start == len(prompt), (turn, whole[start:end], *case)
            assert BEHIND.fullmatch(whole, len(own), end), (turn, whole[len(own) : end], *case)
            found["turns"] += 1
    return found


def test_turns_are_what_shorter_renders_tell() -> None:
    found = compare(range(250))
    assert found["turns"] > 400
    assert found["refused"] == 0


@pytest.mark.full
def test_turns_of_many_templates_are_what_shorter_renders_tell() -> None:
    assert compare(range(250, 4_000))["turns"] > 6_000
