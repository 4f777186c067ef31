"""Calls that a template writes as JSON and then cuts, changes or leaves out.

A text that holds the whole value needs no search for each word of it. Here nearly all of the value
is there: the row is kept just where each of its words is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import turnmill
from cases import shapes

DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% set outer = loop %}{% for call in m.tool_calls or [] %}PRINTED{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
ARGUMENTS = {
    "city": "Oslo",
    "code": 'one\n"two"\\three',
    "deep": [{"far": "süd"}, 4711, True, None, 1.5, {}],
    "last": "north",
}
WORDS = ("weather", "Oslo", "one", "two", "three", "süd", "4711", "north")


def calling(**other: Any) -> dict[str, Any]:
    function = {"name": "weather", "arguments": ARGUMENTS}
    call = {"type": "function", "function": function, **other}
    return {"role": "assistant", "content": "", "tool_calls": [call]}


def encoded(rows: list[list[dict[str, Any]]], printed: str) -> turnmill.Encoded:
    template = TEMPLATE.replace("PRINTED", printed)
    encoder = turnmill.Encoder(tokenizer=DEMO, template=template, stop=["<|im_end|>"])
    return encoder.encode([{"messages": messages} for messages in rows])


def lost(messages: list[dict[str, Any]], printed: str) -> list[tuple[str, int]]:
    """The rule and the message of each reject."""
    rejects = encoded([messages], printed).rejects.to_pylist()
    return [(reject["code"], reject["message"]) for reject in rejects]


@pytest.mark.parametrize(
    "printed",
    [
        "{{ call.function | tojson }}",
        "{{ call | tojson(indent=2) }}",
        "{{ call.function.name }}{{ call.function.arguments | tojson(separators=(',', ':')) }}",
        "{{ call.function.name }}{{ call.function.arguments | tojson(sort_keys=true) }}",
        "{{ call.function | tojson(ensure_ascii=true) }}",
        "{{ call.function.name }} of {0} {{ call.function.arguments | tojson }}",
        "{{ call.function | tojson | replace('\"', \"'\") }}",
        "{{ call.function }}",
    ],
)
def test_a_whole_call_is_found(printed: str) -> None:
    assert lost([shapes.user(), calling()], printed) == []


@pytest.mark.parametrize(
    "printed",
    [
        "{{ (call.function | tojson)[:-6] }}",
        "{{ (call.function | tojson)[14:] }}",
        "{{ call.function | tojson | truncate(40) }}",
        "{{ call.function | tojson | replace('Oslo', 'town') }}",
        "{{ call.function | tojson | replace('4711', '') }}",
        "{{ call.function.name }}{% if call.id %}{{ call.function.arguments | tojson }}{% endif %}",
        "{{ call.function.arguments | tojson }}",
    ],
)
def test_a_call_of_which_a_part_is_not_printed_is_rejected(printed: str) -> None:
    assert lost([shapes.user(), calling()], printed) == [("turn-lost", 1)]


def test_a_call_does_not_stand_for_the_same_call_of_another_turn() -> None:
    messages = [shapes.user(), calling(), shapes.tool(), calling()]
    assert lost(messages, "{{ call.function | tojson }}") == []
    for condition, index in (("== 1", 3), ("== 3", 1)):
        printed = "{% if outer.index0 CONDITION %}{{ call.function | tojson }}{% endif %}"
        found = lost(messages, printed.replace("CONDITION", condition))
        assert found == [("turn-lost", index)]


def test_the_row_is_kept_just_where_every_word_of_the_call_is_printed() -> None:
    text = json.dumps(calling()["tool_calls"][0]["function"], ensure_ascii=False)
    places = range(0, len(text) + 1, 2)
    cuts = [(start, end) for start in places for end in places if start <= end <= start + 20]
    printed = (
        "{% set text = call.function | tojson %}{{ text[:call.cut[0]] }}{{ text[call.cut[1]:] }}"
    )
    made = encoded([[shapes.user(), calling(cut=list(cut))] for cut in cuts], printed)
    rejected = set(made.rejects["row"].to_pylist())
    for row, (start, end) in enumerate(cuts):
        rest = text[:start] + text[end:]
        is_whole = all(word in rest for word in WORDS)
        assert (row not in rejected) == is_whole, rest
    assert 100 < len(rejected) < len(cuts) - 10
