"""Keys of messages that a template leaves out: each is looked for by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import turnmill

DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}%s\n{{ m.content }}"
    "{% for call in m.tool_calls or [] %}{{ call.function.name }}{{ call.function.arguments }}"
    "{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TOLD: list[dict[str, Any]] = [
    {"role": "user", "content": "Hi", "name": "Ann", "mood": "glad", "refusal": ""},
    {"role": "assistant", "content": "Hello!"},
]


def call(number: int) -> dict[str, Any]:
    function = {"name": "add", "arguments": {"a": number}}
    return {"id": f"call{number}", "type": "function", "function": function}


def called(*answers: int) -> list[dict[str, Any]]:
    """A turn with two calls, and their results in the order of `answers`."""
    results = [
        {"role": "tool", "tool_call_id": f"call{n}", "content": f"result {n}"} for n in answers
    ]
    asked = {"role": "assistant", "content": "", "tool_calls": [call(1), call(2)]}
    return [TOLD[0] | {"name": None}, asked, *results, TOLD[1]]


def lost(messages: list[dict[str, Any]], printed: str = "") -> list[str]:
    """The keys that `field-lost` names under a template that also prints these."""
    found = turnmill.check(
        [{"messages": messages}], tokenizer=DEMO, template=TEMPLATE.replace("%s", printed)
    )
    finding = found.rules.get("field-lost")
    return [] if finding is None else [place["note"] for place in finding.evidence]


def test_a_key_that_is_printed_does_not_hide_another() -> None:
    assert lost(TOLD) == ["name"]
    assert lost(TOLD, "{{ m.mood }}") == ["name"]
    assert lost(TOLD, "{{ m.name }}") == []
    assert lost(TOLD, "{{ (m.name or '') | upper }}") == []


@pytest.mark.parametrize("key", ["refusal", "function_call", "reasoning_details", "tool_responses"])
def test_every_key_is_looked_for(key: str) -> None:
    messages = [*TOLD, {"role": "user", "content": "More"}, TOLD[1] | {key: [{"text": "No."}]}]
    kept = turnmill.check(
        [{"messages": messages}], tokenizer=DEMO, template=TEMPLATE.replace("%s", ""), wire="keep"
    )
    assert kept.rules["field-lost"].count == 2, "the name and the key"


@pytest.mark.parametrize("key", ["reasoningContent", "Thinking", "toolCalls", "Refusal", "cot"])
def test_a_key_in_another_spelling_is_named_as_the_row_has_it(key: str) -> None:
    messages = [TOLD[0] | {"name": None}, TOLD[1] | {key: "Because."}]
    assert lost(messages) == [key]
    assert lost([TOLD[0] | {"name": None}, TOLD[1] | {key: None, "Mood": "x"}]) == []


def test_the_id_of_a_result_matters_where_the_order_does_not_tell() -> None:
    assert lost(called(1, 2)) == []
    assert lost(called(2, 1)) == ["tool_call_id"]
    assert lost(called(2, 1), "{{ m.tool_call_id }}") == []


def test_a_system_text_for_conversations_that_have_none() -> None:
    def shown(row: dict[str, Any], **keys: Any) -> tuple[str, dict[str, int]]:
        [view] = turnmill.show([row], tokenizer=DEMO, system="Be brief.", **keys)
        text = "".join(piece.text for piece in view.samples[0].pieces)
        return text, dict(view.notes)

    text, notes = shown({"messages": TOLD})
    assert text.startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi")
    assert notes["default-system-added"] == 1
    text, notes = shown({"messages": TOLD}, wire="keep")
    assert text.startswith("<|im_start|>system\nBe brief.")
    for own in (
        {"messages": TOLD, "system": "Be long."},
        {"messages": [{"role": "system", "content": "Be long."}, *TOLD]},
        {"instruction": "Hi", "output": "Hello!", "system": "Be long."},
    ):
        text, notes = shown(own)
        assert "Be long." in text
        assert "Be brief." not in text
        assert "default-system-added" not in notes
    text, notes = shown({"instruction": "Hi", "output": "Hello!"})
    assert "Be brief." in text
    text, notes = shown({"text": "to be"})
    assert "Be brief." not in text
    assert "default-system-added" not in notes
