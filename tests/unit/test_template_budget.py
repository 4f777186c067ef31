"""A template is a stranger's code: it is stopped, and no real one on a long conversation is."""

from __future__ import annotations

import pytest

import turnmill
from fixtures import built_in_templates, fixture, template_text, untagged_templates

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


TEXT = ("The quick brown fox, 'quoted' & <b>bold</b>\n你好 é. " * 50)[:2_000]
LONG_CHAT = [
    {"role": "assistant" if index % 2 else "user", "content": f"{index} {TEXT}"}
    for index in range(2_000)
]


def outcome(source: str) -> str:
    """What becomes of a long conversation: an error's code, or how much of it is printed."""
    tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    template = turnmill.Template(source, special_tokens=tokens)
    try:
        return "rendered" if len(template.render(LONG_CHAT).text) > 4_000_000 else "short"
    except turnmill.TemplateError as error:
        return str(error.code)


@pytest.mark.parametrize("name", [*built_in_templates(), *untagged_templates()])
def test_a_long_conversation_is_within_the_budget_of_a_built_in_template(name: str) -> None:
    assert outcome(template_text(name)) == "rendered"


def test_a_long_conversation_is_within_the_budget_of_every_template() -> None:
    paths = sorted(fixture("chat_templates").rglob("*.jinja"))
    codes = [outcome(path.read_text("utf-8")) for path in paths]
    assert codes.count("rendered") > 30
    assert "template-budget" not in codes
