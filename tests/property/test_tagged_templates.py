"""Random templates with ``{% generation %}`` tags, and hostile conversations: text and spans.

The spans are those of the same template with marks printed where the tags stand; where no tag is
inside a capture they are those of transformers too (which counts wrongly there).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

import turnmill
from oracle import NOW

pytestmark = pytest.mark.slow

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
OPENED, CLOSED = "\U0010abcd", "\U0010abce"

CONTENTS = (
    "",
    " ",
    "Hi there",
    "  x y \n",
    "é你🌍 a",
    "{{ 7 * 7 }}{% generation %}",
    "{%- endgeneration -%}{# c #}{% raw %}",
    "\U000f0000\U000f0001\ue000\U0010ffff",
    "<|im_end|>\n</s><s>",
    "nul\x00 \u2028\x1c",
    "<think>\na\n</think>\n\nb",
    "long words " * 2_000,
)
ROLES = ("system", "user", "assistant", "assistant", "tool")


class Layout:
    """A random template; `tagged`, and `marked` with marks in the place of its tags."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.captures = False
        source = self._source()
        self.tagged = source.replace("[[", "{%- generation -%}").replace(
            "]]", "{%- endgeneration -%}"
        )
        self.marked = source.replace("[[", "{{- '" + OPENED + "' -}}{%- with -%}").replace(
            "]]", "{%- endwith -%}{{- '" + CLOSED + "' -}}"
        )

    def conversation(self) -> list[dict[str, Any]]:
        count = self._random.randint(1, 6)
        return [{"role": self._pick(ROLES), "content": self._pick(CONTENTS)} for _ in range(count)]

    def _pick(self, items: Any) -> Any:
        return self._random.choice(items)

    def _space(self) -> str:
        text = ("", "", "\n", "  \n ", "x", "{# {% generation %} #}", "{#- c -#}\n")
        raw = ("{% raw %}{% generation %}{{ a }}{% endraw %}", "{{ '{% endgeneration %}' }}")
        return str(self._pick((*text, *raw)))

    def _tag(self, words: str) -> str:
        left, right = self._pick(("", "-", "-", "+")), self._pick(("", "-", "-"))
        return f"{{%{left} {words} {right}%}}"

    def _source(self) -> str:
        turn = self._turn("m")
        start = self._tag("set ns = namespace(out='', n=0)") + self._space()
        head, extra = self._loop()
        role = self._tag("if m.role == 'assistant'")
        other = self._tag("else") + "<|{{ m.role }}|>" + self._pick(("{{ m.content }}", "?"))
        body = self._space() + role + turn + other + self._tag("endif") + self._space()
        end = "{{ ns.out }}" + self._pick(("", "{{ eos_token }}\n", "!"))
        loop = self._tag(head) + extra + body + self._tag("endfor")
        return start + self._macros() + loop + end

    def _loop(self) -> tuple[str, str]:
        index = self._tag("set m = messages[i]")
        return self._pick(
            (
                ("for m in messages", ""),
                ("for m in messages[1:]", ""),
                ("for m in messages | reverse", ""),
                ("for m in messages if m.role != 'tool'", ""),
                ("for i in range(messages | length)", index),
                ("for i in range(messages | length)", index + self._tag("set ns.n = ns.n + i")),
                ("for m in messages | selectattr('role', 'in', ['user', 'assistant'])", ""),
            )
        )

    def _macros(self) -> str:
        inside = "pre [[{{ m.content }}{{ eos_token }}]]"
        turn = "{% macro turn(m) %}" + inside + "{% endmacro %}"
        box = "{% macro box() %}({{ caller() }}){% endmacro %}"
        return turn + box

    def _inside(self, name: str) -> str:
        """What stands between the tags."""
        content = "{{ " + name + ".content }}"
        return str(
            self._pick(
                (
                    content + "{{ eos_token }}",
                    content,
                    "{{ " + name + ".content ~ eos_token ~ '\\n' }}",
                    "{%- set x = " + name + ".content -%}{{ x | trim }}</s>\n",
                    "{% if " + name + ".content %}" + content + "{% endif %}\n{{ eos_token }}",
                    "{{ " + name + ".content.split('</think>')[-1].lstrip('\\n') }}.",
                    "{% for c in " + name + ".content[:5] %}{{ c }}{% endfor %}{{ eos_token }}",
                    "{{ " + name + ".content | replace('a', 'bb') }}",
                    "",
                )
            )
        )

    def _turn(self, name: str) -> str:
        tagged = "[[" + self._inside(name) + "]]"
        captured: tuple[Callable[[], str], ...] = (
            lambda: "{% set kept %}pre " + tagged + "{% endset %}{{ kept }}",
            lambda: "{% set kept %}" + tagged + "{% endset %}({{ kept }}) {{ kept }}",
            lambda: "{% filter string %}pre " + tagged + " post{% endfilter %}",
            lambda: "{{ turn(" + name + ") }}",
            lambda: "{{ '<a>' ~ turn(" + name + ") ~ '</a>' }}",
            lambda: "{% call box() %}" + tagged + "{% endcall %}",
            lambda: "{% set kept %}" + tagged + "{% endset %}{% set ns.out = ns.out ~ kept %}",
            lambda: "{% set kept %}lost " + tagged + "{% endset %}",
            lambda: "{% set ns.out = ns.out + '<' + turn(" + name + ") + '>' %}",
        )
        direct: tuple[Callable[[], str], ...] = (
            lambda: "<|a|>" + tagged,
            lambda: "{{ '<|' ~ m.role ~ '|>' }}" + tagged + "\n",
            lambda: "{% if loop.last %}" + tagged + "{% else %}" + tagged + "-{% endif %}",
            lambda: "{% for part in [1, 2] %}" + tagged + "{{ part }}{% endfor %}",
            lambda: "{% with %}" + tagged + "{{ x }}{% endwith %}",
        )
        if self._random.random() < 0.5:
            self.captures = True
            return str(self._pick(captured)())
        return str(self._pick(direct)())


def theirs(
    source: str, messages: list[dict[str, Any]], *, spans: bool
) -> tuple[str, list[list[int]]] | None:
    try:
        texts, found = render_jinja_template(
            [messages], chat_template=source, return_assistant_tokens_mask=spans, **TOKENS
        )
    except Exception:  # noqa: BLE001 - templates raise anything
        return None
    return texts[0], [list(span) for span in found[0]] if spans else []


def unmarked(marked: str) -> tuple[str, list[list[int]]]:
    """The text without its marks, and what stood between them."""
    spans: list[list[int]] = []
    kept: list[str] = []
    for character in marked:
        if character == OPENED:
            spans.append([len(kept), -1])
        elif character == CLOSED:
            spans[-1][1] = len(kept)
        else:
            kept.append(character)
    return "".join(kept), spans


def merged(spans: Iterable[Iterable[int]]) -> list[list[int]]:
    """Without empty spans, adjacent ones as one."""
    found: list[list[int]] = []
    for start, end in spans:
        if start == end:
            continue
        if found and found[-1][1] == start:
            found[-1][1] = end
        else:
            found.append([start, end])
    return found


def compare(seeds: Iterable[int]) -> int:
    """How many templates render; all of them do as their oracles say."""
    rendered = 0
    for seed in seeds:
        layout = Layout(seed)
        messages = layout.conversation()
        marked = theirs(layout.marked, messages, spans=False)
        template = turnmill.Template(layout.tagged, special_tokens=TOKENS, now=NOW)
        try:
            found = template.render(messages)
        except turnmill.TurnmillError:
            assert marked is None, (seed, layout.tagged, messages)
            continue
        assert marked is not None, (seed, layout.tagged, messages)
        text, spans = unmarked(marked[0])
        assert found.text == text, (seed, layout.tagged, messages)
        assert merged(found.spans.tolist()) == merged(spans), (seed, layout.tagged, messages)
        assert all(0 <= turn < len(messages) for turn in found.turns.tolist())
        if not layout.captures:
            tagged = theirs(layout.tagged, messages, spans=True)
            assert tagged is not None
            assert (found.text, merged(found.spans.tolist())) == (tagged[0], merged(tagged[1]))
        rendered += 1
    return rendered


def test_random_tags_give_the_spans_that_stand_between_them() -> None:
    assert compare(range(200)) > 150


@pytest.mark.full
def test_many_random_tags_give_the_spans_that_stand_between_them() -> None:
    assert compare(range(200, 6_000)) > 4_500


@pytest.mark.parametrize("content", ["\ud800", "a\udfffb", "\udc00\ud800"])
def test_half_of_a_surrogate_pair_is_refused(content: str) -> None:
    with pytest.raises(turnmill.DataError) as raised:
        turnmill.Template(Layout(0).tagged).render([{"role": "assistant", "content": content}])
    assert raised.value.code == "lone-surrogate"
