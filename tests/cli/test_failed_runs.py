"""A run that stops for its rejects says why, and whatever it advises helps when it is followed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

import turnmill
from turnmill.cli import main

DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"
TEMPLATE = (
    "{% if messages[0].role == 'assistant' %}{{ raise_exception('a user first') }}{% endif %}"
    "{% for message in messages %}"
    "{% if message.content == 'refused' %}{{ raise_exception('no such word') }}{% endif %}"
    "{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    Path("template.jinja").write_text(TEMPLATE)


def talk(*contents: str, first: str = "user") -> dict[str, Any]:
    roles = ("user", "assistant") if first == "user" else ("assistant", "user")
    messages = [{"role": roles[i % 2], "content": text} for i, text in enumerate(contents)]
    return {"messages": messages}


def prepared(rows: list[dict[str, Any]], capsys: Captured, *flags: str, code: int) -> list[str]:
    """What standard error says, line by line."""
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["prepare", "rows.jsonl", "-o", "out", "--tokenizer", str(DEMO)]
    assert main([*words, "--template", "template.jinja", "-q", *flags]) == code
    return capsys.readouterr().err.splitlines()


def test_a_cure_is_named_where_it_helps(capsys: Captured) -> None:
    rows = [talk("Well?", "Hi", "Hello", first="assistant")] * 7
    said = prepared(rows, capsys, code=1)
    cure = "hint: template-error: --role-order trim keeps 5 of 5 rows that were tried"
    assert cure in said
    assert any("a user first" in line and "rows.jsonl:1)" in line for line in said)
    prepared(rows, capsys, "--role-order", "trim", code=0)


def test_a_cure_that_does_not_help_is_not_named(capsys: Captured) -> None:
    said = prepared([talk("Hi", "refused")] * 3, capsys, code=1)
    assert not any("--role-order" in line for line in said)
    assert any("no such word" in line for line in said)


@pytest.mark.parametrize(
    ("flags", "helps"),
    [
        (
            ["--over-length", "reject"],
            "overlong-sample: --over-length whole-turns keeps 3 of 3 rows",
        ),
        ([], "overlong-sample: --over-length oldest-turns keeps 3 of 3 rows"),
        (["--over-length", "oldest-turns"], "overlong-sample: raise --max-length"),
    ],
)
def test_a_policy_for_long_rows_is_named_where_it_helps(
    flags: list[str], helps: str, capsys: Captured
) -> None:
    long, short = ["a " * 40] * 2, ["a", "b"]
    rows = {"whole-turns": [*short, *long], "oldest-turns": [*long, *short]}
    policy = next((name for name in rows if name in helps), None)
    row = talk(*rows[policy]) if policy else talk(*long, *long)
    said = prepared([row] * 3, capsys, "--max-length", "40", *flags, code=1)
    assert any(helps in line for line in said)
    assert not any("or shorten" in line for line in said)


def test_the_advice_leads_to_the_rows(capsys: Captured) -> None:
    rows = [talk("Hi", "refused"), talk("Hi"), talk("Hi", "Hello")]
    said = prepared(rows, capsys, code=1)
    (advice,) = [line for line in said if line.startswith("hint: `turnmill show")]
    command = shlex.split(advice.split("`")[1])[1:]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "rejected: template-error" in shown
    assert "rejected: no-assistant-turn" in shown
    assert "the run wrote nothing" in shown
    assert main([*command, "--source", "rows.jsonl:2"]) == 0
    shown = capsys.readouterr().out
    assert "rejected: no-assistant-turn" in shown
    assert "template-error" not in shown
    assert [row.row for row in turnmill.show("out", row=0)] == [0]
    with pytest.raises(turnmill.DataError, match="the run rejected no such row"):
        turnmill.show("out", row=2)
    prepared([talk("Hi", "Hello")], capsys, code=0)
    assert turnmill.show("out")[0].samples


@pytest.mark.parametrize(("wire", "helps"), [("keep", True), ("normalise", False)])
def test_the_wire_formats_are_tried(wire: str, helps: bool, capsys: Captured) -> None:
    call = {"type": "function", "function": {"name": "add", "arguments": {}}}
    asked = {"role": "assistant", "tool_calls": [call]}
    Path("template.jinja").write_text(
        TEMPLATE.replace(
            "{{ '<|im_start|>'",
            "{% if message.content is undefined %}{{ raise_exception('no content') }}{% endif %}"
            "{{ message.tool_calls[0].function.name if message.tool_calls else '' }}"
            "{{ '<|im_start|>'",
        )
    )
    rows = [{"messages": [{"role": "user", "content": "2+3"}, asked]}]
    said = prepared(rows, capsys, "--wire", wire, code=1) if helps else []
    assert any("--wire normalise keeps 1 of 1" in line for line in said) == helps
