"""Templates that write, inside a message, something that they found at an earlier one.

Cohere's templates number the calls of a conversation. At each result a macro walks over all
messages to find the number of its call, and writes it while the turn of the call is at hand.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import turnmill
from cases import shapes
from fixtures import template_text
from property.test_check_after_prepare import marked

DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"
NUMBERED = """\
{%- macro number(messages, id) -%}
{%- set found = namespace(count=0) -%}
{%- for m in messages -%}
{%- for call in m.tool_calls or [] -%}
{%- set found.count = found.count + 1 -%}
{%- if call.id == id -%}{{ found.count }}{%- endif -%}
{%- endfor -%}
{%- endfor -%}
{%- endmacro -%}
{%- for m in messages -%}
{{ '<|im_start|>' + m.role + '\\n' }}
{%- if m.role == 'tool' -%}
call {{ number(messages, m.tool_call_id) }} gives {{ m.content }}
{%- else -%}
{{ m.content }}{%- for call in m.tool_calls or [] %}{{ call.function | tojson }}{% endfor -%}
{%- endif -%}
{{ '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif -%}
"""
FIRST = {"id": "a", **shapes.call({"x": 1})}
SECOND = {"id": "b", **shapes.call({"x": 2})}
MESSAGES = [
    shapes.user(),
    {"role": "assistant", "content": "", "tool_calls": [FIRST, SECOND]},
    shapes.tool("one", tool_call_id="a"),
    shapes.tool("two", tool_call_id="b"),
    shapes.assistant("Both."),
]


def trained(directory: Path, stop: list[str], template: str | None = None) -> list[str]:
    keys = {} if template is None else {"template": template}
    [view] = turnmill.show([{"messages": MESSAGES}], tokenizer=directory, stop=stop, **keys)
    assert view.reject is None
    turns: list[str] = []
    before = "masked"
    for piece in view.samples[0].pieces:
        if piece.kind != "masked":
            if before == "masked":
                turns.append("")
            turns[-1] += piece.text
        before = piece.kind
    return turns


def test_the_number_of_a_call_belongs_to_the_result_that_it_stands_in() -> None:
    called = json.dumps(FIRST["function"]) + json.dumps(SECOND["function"])
    turns = trained(DEMO, ["<|im_end|>"], NUMBERED)
    assert turns == [f"{called}<|im_end|>", "Both.<|im_end|>"]


def test_a_published_template_that_numbers_calls(tmp_path: Path) -> None:
    source = template_text("llamacpp.CohereForAI-c4ai-command-r7b-12-2024-tool_use")
    turns = trained(marked(source, tmp_path / "model"), ["<|END_OF_TURN_TOKEN|>"])
    assert len(turns) == 2
    assert turns[0].startswith("<|START_ACTION|>")
    assert turns[0].endswith("<|END_ACTION|><|END_OF_TURN_TOKEN|>")
    assert turns[1] == "<|START_RESPONSE|>Both.<|END_RESPONSE|><|END_OF_TURN_TOKEN|>"


@pytest.mark.parametrize("threads", [1, 2])
def test_such_rows_pass_a_check(threads: int, tmp_path: Path) -> None:
    recipe = turnmill.Recipe(tokenizer=DEMO, template=NUMBERED, stop=["<|im_end|>"])
    turnmill.prepare([{"messages": MESSAGES}] * 3, tmp_path / "out", recipe, threads=threads)
    findings = turnmill.check(tmp_path / "out")
    assert findings.ok
    assert findings.facts["replay"]["rate"] == 1.0
