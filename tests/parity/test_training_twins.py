"""Templates with tags against the same ones without: the built-in templates, and TRL's twins.

The tags say what the author trains; the spans of the untagged original are inferred. Both are the
same but for what each of TRL's twins does on purpose, which is written down here and in
COMPATIBILITY.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

import fixtures
import turnmill
from conversations import CONVERSATIONS, TOOLS
from models import untagged
from oracle import NOW

TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}

Turns = dict[int, str]
"""The text of each turn by its message; several spans of one turn stand together."""


def glm(turns: Turns, original: Turns) -> Turns:
    """The twin closes a turn that ends the data with the marker that would follow it."""
    marker = re.compile(r"<\|(user|observation)\|>$")
    return {
        turn: text if marker.search(original.get(turn, "")) else marker.sub("", text)
        for turn, text in turns.items()
    }


def gpt_oss(turns: Turns, original: Turns) -> Turns:  # noqa: ARG001
    """The twin trains the header, which the generation prompt holds already."""
    return {turn: text.removeprefix("<|start|>assistant") for turn, text in turns.items()}


def qwen2_5(turns: Turns, original: Turns) -> Turns:  # noqa: ARG001
    """The twin trains the newline of the header, which the generation prompt holds already."""
    return {turn: text.removeprefix("\n") for turn, text in turns.items()}


def qwen3(turns: Turns, original: Turns) -> Turns:
    """The twin prints a think block in every turn; the original in the last ones only."""
    block = re.compile(r"^<think>\n.*?\n?</think>\n\n", re.DOTALL)
    return {
        turn: text if original.get(turn, "").startswith("<think>") else block.sub("", text)
        for turn, text in turns.items()
    }


def same(turns: Turns, original: Turns) -> Turns:  # noqa: ARG001
    """The same turns."""
    return turns


def ended(turns: Turns, original: Turns) -> Turns:
    """The tags of built-in templates end with the stop token; an inferred turn has the rest too."""
    rest = re.compile(r"\n?(</s>)?")
    return {
        turn: whole
        if (whole := original.get(turn, "")).startswith(text) and rest.fullmatch(whole[len(text) :])
        else text
        for turn, text in turns.items()
    }


TWINS: dict[str, tuple[str, Callable[[Turns, Turns], Turns]]] = {
    "trl.glm4moe_training": ("trl.glm4moe", glm),
    "trl.gptoss_training": ("llamacpp.openai-gpt-oss-120b", gpt_oss),
    "trl.llama3_training": ("untagged", same),
    "trl.phi3_training": ("llamacpp.microsoft-Phi-3.5-mini-instruct", same),
    "trl.qwen2_5_training": ("llamacpp.Qwen-Qwen2.5-7B-Instruct", qwen2_5),
    "trl.qwen3_training": ("llamacpp.Qwen-Qwen3-0.6B", qwen3),
}


def turns_of(template: turnmill.Template, messages: object, tools: object) -> Turns | None:
    try:
        rendered = template.render(messages, tools=tools)
    except turnmill.TurnmillError:
        return None
    turns: Turns = {}
    for (start, end), turn in zip(rendered.spans.tolist(), rendered.turns.tolist(), strict=True):
        turns[turn] = turns.get(turn, "") + rendered.text[start:end]
    return turns


def template(source: str) -> turnmill.Template:
    return turnmill.Template(source, special_tokens=TOKENS, now=NOW)


@pytest.mark.parametrize("twin", [*fixtures.built_in_templates(), *TWINS])
def test_inferred_turns_are_the_tagged_ones(twin: str) -> None:
    # What Llama 3's twin was made of is not among the fixtures.
    original, on_purpose = TWINS.get(twin, ("untagged", ended))
    source = fixtures.template_text(twin)
    plain = untagged(source) if original == "untagged" else fixtures.template_text(original)
    tagged, inferred = template(source), template(plain)
    assert "endgeneration" in tagged.source
    assert "endgeneration" not in inferred.source
    compared = 0
    for label, messages in CONVERSATIONS.items():
        for tools in (None, TOOLS):
            theirs = turns_of(tagged, messages, tools)
            ours = turns_of(inferred, messages, tools)
            if theirs is None or ours is None:
                continue
            compared += 1
            assert ours == on_purpose(theirs, ours), (label, tools is not None)
    assert compared >= 36
