"""Random templates against jinja2 as transformers sets it up: the same text, or both refuse."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

import turnmill
from oracle import NOW, frozen_clock
from random_templates import Grammar

pytestmark = pytest.mark.slow

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
A_TEMPLATE = "{% if false %}{% endif %}"
"""What makes any text a template's source."""


def theirs(source: str, messages: list[dict[str, Any]]) -> str | None:
    kept = [{key: value for key, value in m.items() if value is not None} for m in messages]
    try:
        with frozen_clock():
            texts, _ = render_jinja_template([kept], chat_template=source, **TOKENS)
    except Exception:  # noqa: BLE001 - templates raise anything
        return None
    return str(texts[0])


def ours(source: str, messages: list[dict[str, Any]]) -> str | None:
    try:
        rendered = turnmill.Template(source, special_tokens=TOKENS, now=NOW).render(messages)
    except turnmill.TurnmillError:
        return None
    return rendered.text


def compare(seeds: Iterable[int]) -> int:
    """How many templates render; all of them do here as they do there."""
    rendered = 0
    for seed in seeds:
        grammar = Grammar(seed)
        source, messages = grammar.template() + A_TEMPLATE, grammar.conversation()
        expected = theirs(source, messages)
        assert ours(source, messages) == expected, (seed, source, messages)
        rendered += expected is not None
    return rendered


def test_random_templates_mean_what_they_mean_in_jinja2() -> None:
    assert compare(range(250)) > 100


@pytest.mark.full
def test_many_random_templates_mean_what_they_mean_in_jinja2() -> None:
    assert compare(range(250, 9_000)) > 5_000
