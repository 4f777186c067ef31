"""Templates written here in the styles of models that are not among the fixtures.

The text is that of transformers. The spans come from shorter renders: a turn is what the render up
to it has behind the prompt of the messages before it, wherever both begin the whole render.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

import fixtures
import turnmill
from conversations import CONVERSATIONS, TOOLS
from oracle import NOW, frozen_clock

FOLDER = Path(__file__).with_name("unseen")
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
VARIABLES: tuple[dict[str, Any], ...] = (
    {},
    {"tools": TOOLS},
    {"documents": [{"title": "t", "text": "x"}]},
    {"enable_thinking": False},
    {"enable_thinking": True},
    {"thinking_budget": 0},
    {"controls": {"length": "short"}},
)


def theirs(source: str, messages: Any, **keys: Any) -> str | None:
    kept = [{key: value for key, value in m.items() if value is not None} for m in messages]
    try:
        with frozen_clock():
            texts, _ = render_jinja_template([kept], chat_template=source, **keys, **TOKENS)
    except Exception:  # noqa: BLE001 - templates raise anything
        return None
    return str(texts[0])


def ours(template: turnmill.Template, messages: Any, **keys: Any) -> turnmill.Rendered | None:
    try:
        return template.render(messages, **keys)
    except turnmill.TurnmillError:
        return None


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.jinja"))


def read(name: str) -> str:
    return (FOLDER / f"{name}.jinja").read_text("utf-8")


def untagged() -> list[str]:
    """The built-in and the shared templates without tags."""
    own = fixtures.untagged_templates()
    if not fixtures.present():
        return own
    paths = sorted((fixtures.SHARED / "chat_templates").glob("*.jinja"))
    return own + [path.stem for path in paths if "endgeneration" not in path.read_text("utf-8")]


def made(source: str) -> turnmill.Template:
    return turnmill.Template(source, special_tokens=TOKENS, now=NOW)


@pytest.mark.parametrize("name", names())
def test_the_text_is_that_of_transformers(name: str) -> None:
    source = read(name)
    template = made(source)
    rendered = 0
    for messages in CONVERSATIONS.values():
        for variables in VARIABLES:
            for prompt in (False, True):
                keys = {**variables, "add_generation_prompt": prompt}
                expected = theirs(source, messages, **keys)
                found = ours(template, messages, **keys)
                assert (found and found.text) == expected, (messages, keys)
                rendered += expected is not None
    assert rendered > 100


FOLLOWS = re.compile(r"\{#- after an earlier turn: (.+?) -#\}")
"""A file may say what follows an earlier turn and not the last: the next role's marker, space."""


def turns(source: str, messages: Any, **keys: Any) -> dict[int, tuple[int, int]]:
    """Start and end of the turns that shorter renders tell."""
    whole = theirs(source, messages, **keys) or ""
    found = {}
    for at, message in enumerate(messages):
        # Behind another answer a template has no prompt, and still a header.
        if at == 0 or message["role"] != "assistant" or messages[at - 1]["role"] == "assistant":
            continue
        prompt = theirs(source, messages[:at], add_generation_prompt=True, **keys)
        own = theirs(source, messages[: at + 1], **keys)
        if prompt is None or own is None or (own == whole and at + 1 < len(messages)):
            continue
        if own.startswith(prompt) and whole.startswith(own) and own != prompt:
            found[at] = (len(prompt), len(own))
    return found


def compare_turns(source: str, follows: re.Pattern[str]) -> int:
    """How many turns were compared; their spans are what shorter renders tell."""
    template = made(source)
    compared = 0
    for label, messages in CONVERSATIONS.items():
        if label == "role is missing":
            continue
        for keys in ({}, {"tools": TOOLS}):
            found = ours(template, messages, **keys)
            if found is None:
                continue
            spans = {turn: [-1, -1] for turn in found.turns.tolist()}
            for (start, end), turn in zip(found.spans.tolist(), found.turns.tolist(), strict=True):
                spans[turn] = [start if spans[turn][0] < 0 else spans[turn][0], end]
            for turn, (start, end) in turns(source, messages, **keys).items():
                compared += 1
                assert spans[turn][0] == start, (label, turn)
                assert spans[turn][1] >= end, (label, turn)
                behind = found.text[end : spans[turn][1]]
                assert behind == "" or follows.fullmatch(behind), (label, turn, behind)
    return compared


@pytest.mark.parametrize("name", names())
def test_turns_are_what_shorter_renders_tell(name: str) -> None:
    source = read(name)
    follows = FOLLOWS.match(source)
    assert compare_turns(source, re.compile(follows[1] if follows else "")) > 25


@pytest.mark.parametrize("name", untagged())
def test_turns_of_known_templates_are_what_shorter_renders_tell(name: str) -> None:
    source = fixtures.template_text(name)
    compare_turns(source, re.compile(r"\s*(<[^<>]+>)?"))
