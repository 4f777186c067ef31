"""The template engine against jinja2 as transformers 5.24 sets it up.

Every built-in and every shared template times every probe conversation, with and without generation
prompt: the same text where transformers renders, an error where it raises, the same spans where
there are tags.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

import fixtures
import turnmill
from conversations import CONVERSATIONS, TOOLS, call
from oracle import NOW, frozen_clock

TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}

NEVER_RENDERS = "llamacpp.NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use"
"""Raises in transformers whatever it is given."""

CONSTRUCTS = (
    "{% for i in [1, 2] %}{% continue %}{% else %}E{% endfor %}",
    "{% for i in range(9) if i is odd %}{{ loop.last }}{{ loop.length }}{% endfor %}",
    "{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}",
    "{% macro m(a, b=a) %}{{ a }}{{ b }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, z=4) }}",
    "{% macro m() %}[{{ caller(1) }}]{% endmacro %}{% call(a) m() %}{{ a }}{% endcall %}",
    "{% for i in [[[2]], [3]] recursive %}({{ loop(i) if i is iterable }}){% endfor %}",
    "{{ [1e16, 1e-7, none, 'it\\'s', {'a': (1,)}] }}{{ {'a': 'é\\u2028\"'} | tojson(indent=2) }}",
    "{{ '\\x1ca\\x1d'.strip() }}{{ 'a  b'.split(none, 1) }}{{ 'éa'.find('a') }}",
    "{{ '%05.2f|%-5s|%r' % (3.14159, 'a', 'b') }}{{ '{:>5}{:,}'.format('x', 1234567) }}",
    "{{ ('a' | safe) + '<' }}{{ undefined_name | length }}{{ none is iterable }}{{ 'x' | int }}",
    "{% for x in none %}{% endfor %}",
    "{{ [1] | map('string') | tojson }}",
    "{% set _ = [].append(1) %}",
    "{{ none | length }}",
    "{% set ns = namespace(_x=1) %}",
    "{{ undefined_name.attribute }}",
)


def templates() -> list[str]:
    """The built-in templates, the shared ones, and those of the shared tokenizers."""
    built_in = fixtures.built_in_templates()
    if not fixtures.present():
        return built_in
    own = [f"tokenizers/{name}" for name in fixtures.TOKENIZERS]
    shared = sorted(path.stem for path in (fixtures.SHARED / "chat_templates").glob("*.jinja"))
    return built_in + shared + own


def source_of(name: str) -> str:
    folder, _, tokenizer = name.rpartition("/")
    if folder == "tokenizers":
        return fixtures.chat_template(tokenizer)
    return fixtures.template_text(name)


def reference(source: str, messages: Any, **keys: Any) -> tuple[str, list[Any]] | None:
    kept = [
        {key: value for key, value in message.items() if value is not None} for message in messages
    ]
    try:
        with frozen_clock():
            texts, spans = render_jinja_template(
                [kept],
                chat_template=source,
                return_assistant_tokens_mask="endgeneration" in source,
                **keys,
                **TOKENS,
            )
    except Exception:  # noqa: BLE001 - templates raise anything
        return None
    return texts[0], [list(span) for span in spans[0] if span[1] > span[0]] if spans else []


def ours(template: turnmill.Template, messages: Any, **keys: Any) -> turnmill.Rendered | None:
    try:
        return template.render(messages, **keys)
    except turnmill.TurnmillError:
        return None


VARIABLES: tuple[dict[str, Any], ...] = (
    {"enable_thinking": True},
    {"enable_thinking": False},
    {"thinking": True},
    {"builtin_tools": ["python", "browser"], "reasoning_effort": "high"},
    {"documents": [{"title": "t", "text": "x", "doc_id": 1}]},
    {"custom_tools": TOOLS},
    {"keep_reasoning": True, "preserve_thinking": True, "clear_thinking": False},
    {"model_identity": "I", "date_string": "1", "xml_tools": TOOLS, "python_tools": ["a"]},
)
"""Variables that some of the templates read."""


TOUCHING = {"trl.phi3_training"}
"""Templates that give the eos of a turn tags of its own: one span here, two in transformers."""


def compare(name: str, variables: tuple[dict[str, Any], ...]) -> int:
    """How many cases transformers renders; all do as there, and the others are refused."""
    source = source_of(name)
    template = turnmill.Template(source, special_tokens=TOKENS, now=NOW)
    rendered = 0
    for label, messages in CONVERSATIONS.items():
        for more, tools, prompt in itertools.product(variables, (None, TOOLS), (False, True)):
            keys = {**more, "tools": tools, "add_generation_prompt": prompt}
            expected = reference(source, messages, **keys)
            found = ours(template, messages, **keys)
            case = f"{name} {label} {keys}"
            if expected is None:
                assert found is None, case
                continue
            rendered += 1
            assert found is not None, case
            assert found.text == expected[0], case
            if "endgeneration" in source:
                spans = joined(expected[1]) if name in TOUCHING else expected[1]
                assert found.spans.tolist() == spans, case
    return rendered


def joined(spans: list[list[int]]) -> list[list[int]]:
    """Spans that touch as one: a turn with its eos in tags of its own is one turn here."""
    whole: list[list[int]] = []
    for start, end in spans:
        if whole and whole[-1][1] == start:
            whole[-1][1] = end
        else:
            whole.append([start, end])
    return whole


@pytest.mark.parametrize("name", templates())
def test_a_template_renders_as_in_transformers(name: str) -> None:
    assert compare(name, ({},)) > 0 or name == NEVER_RENDERS


@pytest.mark.full
@pytest.mark.parametrize("name", templates())
def test_a_template_renders_with_variables_as_in_transformers(name: str) -> None:
    assert compare(name, VARIABLES) > 0 or name == NEVER_RENDERS


LINES = Path(__file__).with_name("constructs.txt").read_text("utf-8").splitlines()
"""A template a line: every filter, test, method and statement that templates of the hub use."""

CHAT = [
    {"role": "system", "content": "Sys é"},
    {"role": "user", "content": "Hi there\nfoo  bar "},
    {
        "role": "assistant",
        "content": "Yo ünï",
        "tool_calls": [call("f", {"b": 1, "a": [1.5, None, True], "c": {"z": 'é"<>'}})],
    },
    {"role": "tool", "content": "42", "name": "f"},
    {"role": "assistant", "content": None, "x": 3},
]

LAYOUTS = (
    "{{ 1\n + 2 }}\n{% set x = [\n1,\n2,\n] %}{{ x }}",
    "{% for m in messages -%}\n  {%- if m.role == 'user' %}\n U{{ m.content }}\n  "
    "{% elif m.role == 'tool' -%}\n T\n  {%- else +%}\n E\n {%- endif %}\n{%- endfor %}\n\n",
    "   {%+ set x = 1 %}  \n{{ x }}  \n\t{% if x %}\t\n\ty\n\t{% endif %}\t\n"
    "{# c #}\n z{#- c -#}  w\n\n",
    "{% raw -%}\n {{ a }}\n{%- endraw %}\n b {% raw %}{%{% endraw %}",
    "# for x in y\n## comment\n{{ 'a' }}\r\n b\rc\n",
    "{{ (true)|round(1) }}{{ 15|round(-1) }}{{ 7.5 is odd }}{{ 7.5 // 0.1 }}{{ -4.0 % 2 }}",
    "{{ ('ab'|safe)[::-1] + '<' }}{{ ('a'|safe) * 2 + '<' }}{{ ('a'|e)|list }}",
    "{{ ('a'|safe).center(3) + '<' }}{{ ('a'|safe).replace('a', '<') }}{{ nope|last }}",
    "{% filter length %}a{% endfilter %}",
    "{{ 3|indent }}",
    "{{ 12345678|truncate(3) }}",
    "{{ {'b': 1, 'a': {'d': 2, 'c': 3}}|pprint }}",
    "{% macro f() %}{% generation %}{{ varargs }}{{ kwargs }}{% endgeneration %}{% endmacro %}"
    "{{ f() }}",
    "{{ " + "(" * 60 + "1" + ")" * 60 + " }}",
    "{% if true %}" * 40 + "x" + "{% endif %}" * 40,
)


@pytest.mark.parametrize("source", [*LINES, *LAYOUTS])
def test_an_idiom_means_what_it_means_in_jinja2(source: str) -> None:
    expected = reference(source, CHAT)
    try:
        found = ours(turnmill.Template(source, special_tokens=TOKENS, now=NOW), CHAT)
    except turnmill.TemplateError:
        found = None
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert found.text == expected[0]


BEYOND = (
    "{{ (-9223372036854775807 - 1)|abs }}",
    "{{ -(-9223372036854775807 - 1) }}",
    "{{ messages[0].n|abs }}",
    "{{ -99999999999999999999 }}",
    "{{ 99999999999999999999|abs }}",
    "{{ ('9' * 30)|int }}",
    "{{ '-9223372036854775809'|int }}",
    "{{ '1e30'|int }}",
    "{{ 1e308|int }}",
    "{{ 9223372036854775807|float|int }}",
    "{{ '%d'|format(1e300) }}",
    "{{ -1e300|filesizeformat }}",
    "{{ 9223372036854775807|round(-1) }}",
    "{{ 9223372036854775807|round(-19) }}",
    "{{ 99999999999999999999|round(-1) }}",
    "{{ range(0, 9223372036854775807, 4611686018427387904)[5:] }}",
)


@pytest.mark.parametrize("source", BEYOND)
def test_a_number_beyond_64_bits_raises_and_is_never_another(source: str) -> None:
    messages = [{"role": "user", "content": "Hi", "n": -(2**63)}]
    assert reference(source, messages) is not None
    with pytest.raises(turnmill.TemplateError, match="beyond 64 bits"):
        turnmill.Template(source).render(messages)


@pytest.mark.parametrize("source", CONSTRUCTS)
def test_a_construct_means_what_it_means_in_jinja2(source: str) -> None:
    messages = [{"role": "user", "content": "Hi"}]
    expected = reference(source, messages)
    template = turnmill.Template(source, special_tokens=TOKENS, now=NOW)
    found = ours(template, messages)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert found.text == expected[0]
