"""A template is a stranger's code: it is stopped, and no real one on a long conversation is."""

from __future__ import annotations

import pytest

import turnmill
from fixtures import fixture

HOSTILE = {
    "a huge width": "{{ 'a'.center(1000000000) }}",
    "a huge conversion": "{{ '%1000000000d' % 1 }}",
    "a huge field": "{{ '{:99999999999999999999}'.format(1) }}",
    "a huge indent": "{{ [1] | tojson(indent=1000000000) }}",
    "a huge batch": "{{ [1] | batch(1000000000, 0) | list }}",
    "a quadratic replace": "{% set x = 'a' * 1000000 %}{{ x.replace('a', x) }}",
    "a quadratic join": "{% set x = 'a' * 1000000 %}{{ x.join(x) }}",
    "doubled lists": "{% set n = namespace(s=[1]) %}{% for i in range(60) %}"
    "{% set n.s = n.s + n.s %}{% endfor %}",
    "deep values": "{% set n = namespace(s=[1]) %}{% for i in range(99999) %}"
    "{% set n.s = [n.s] %}{% endfor %}{{ n.s }}",
    "a value inside itself": "{% set n = namespace() %}{% set n.s = n %}{{ n }}",
    "endless recursion": "{% macro m() %}{{ [[[[m()]]]] }}{% endmacro %}{{ m() }}",
    "quadratic tags": "{{ ('<>' * 1000000) | striptags }}",
}
LONG = {
    "parentheses": "{{ " + "(" * 99_999 + " }}",
    "sums": "{{ 1" + "+1" * 99_999 + " }}",
    "attributes": "{{ x" + ".a" * 99_999 + " }}",
    "filters": "{{ x" + "|list" * 99_999 + " }}",
    "filters of a block": "{% filter upper" + "|upper" * 99_999 + " %}{% endfilter %}",
    "tests": "{{ x" + " is defined" * 99_999 + " }}",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_template_is_stopped(case: str) -> None:
    template = turnmill.Template(HOSTILE[case])
    with pytest.raises(turnmill.TemplateError) as caught:
        template.render([{"role": "user", "content": "hi"}])
    assert caught.value.code == "template-budget"


@pytest.mark.parametrize("case", LONG)
def test_a_source_that_nests_too_deeply_does_not_compile(case: str) -> None:
    with pytest.raises(turnmill.TemplateError) as caught:
        turnmill.Template(LONG[case])
    assert caught.value.code == "template-syntax"


def test_a_long_conversation_is_within_the_budget_of_every_template() -> None:
    text = ("The quick brown fox, 'quoted' & <b>bold</b>\n你好 é. " * 50)[:2_000]
    messages = [
        {"role": "assistant" if index % 2 else "user", "content": f"{index} {text}"}
        for index in range(2_000)
    ]
    codes = []
    for path in sorted(fixture("chat_templates").rglob("*.jinja")):
        tokens = {"bos_token": "<s>", "eos_token": "</s>"}
        template = turnmill.Template(path.read_text("utf-8"), special_tokens=tokens)
        try:
            codes.append("rendered" if len(template.render(messages).text) > 4_000_000 else "short")
        except turnmill.TemplateError as error:
            codes.append(error.code)
    assert codes.count("rendered") > 30
    assert "template-budget" not in codes
