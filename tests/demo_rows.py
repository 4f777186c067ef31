"""Rows of every schema, made of the demo data that the package carries.

The demo has rows that are wrong on purpose; here are the sound ones. Schemas that it lacks are
written from it: function calls of ShareGPT, typed parts, other names of roles.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[1] / "python" / "turnmill" / "demo" / "data"
ROLES = {"system", "user", "assistant", "tool"}
NAMES = {"user": "human", "assistant": "gpt", "tool": "observation", "system": "system"}

Row = dict[str, Any]


def _lines(name: str) -> list[Row]:
    rows = []
    for line in (DATA / name).read_text("utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def messages() -> list[Row]:
    """Conversations with system prompts, tools and reasoning; one in five says who speaks."""
    rows = [
        row
        for row in _lines("messages.jsonl")
        if all(m["role"] in ROLES and isinstance(m["content"], str) for m in row["messages"])
    ]
    for row in rows[::5]:
        row["messages"][-1]["loss_weight"] = 1.0
    return rows


def reasoning() -> list[Row]:
    """Conversations of which an answer has its reasoning in a field of its own."""
    return [row for row in messages() if any("reasoning_content" in m for m in row["messages"])]


def alpaca() -> list[Row]:
    """Instructions with their answers."""
    return [row for row in _lines("alpaca.jsonl") if isinstance(row["output"], str)]


def sharegpt() -> list[Row]:
    """Dialogues, and conversations with function calls."""
    dialogues = json.loads((DATA / "sharegpt.json").read_text("utf-8"))
    return [row for row in dialogues if row["conversations"]]


def function_calls() -> list[Row]:
    """Conversations with tools as ShareGPT has them: calls and tools are JSON inside text."""
    return [
        {
            "conversations": [_turn(message) for message in row["messages"]],
            "tools": json.dumps(row["tools"], ensure_ascii=False),
        }
        for row in messages()
        if "tools" in row
    ]


def _turn(message: Row) -> Row:
    if message.get("tool_calls"):
        calls = [call["function"] for call in message["tool_calls"]]
        value = json.dumps(calls[0] if len(calls) == 1 else calls, ensure_ascii=False)
        return {"from": "function_call", "value": value}
    return {"from": NAMES[message["role"]], "value": message["content"]}


def parts() -> list[Row]:
    """Typed parts in place of text, and weights: only the last answer is trained."""
    rows = []
    for row in messages():
        typed = [{**message, "content": _parts(message)} for message in row["messages"]]
        typed = [{k: m[k] for k in ("role", "content")} for m in typed]
        last = max((i for i, m in enumerate(typed) if m["role"] == "assistant"), default=None)
        for index, message in enumerate(typed):
            message["loss_weight"] = float(index == last)
        tools = {"tools": json.dumps(row["tools"])} if "tools" in row else {}
        rows.append({"messages": typed, **tools})
    return rows


def _parts(message: Row) -> list[Row]:
    found = []
    if message.get("reasoning_content"):
        found.append({"type": "reasoning", "value": message["reasoning_content"]})
    if message["content"]:
        found.append({"type": "text", "value": message["content"]})
    calls = message.get("tool_calls", [])
    return found + [{"type": "tool_call", "value": json.dumps(c["function"])} for c in calls]


def counseling() -> list[Row]:
    """Dialogues whose roles have other names."""
    names = {"human": "client", "gpt": "counselor"}
    return [
        {
            "messages": [
                {"role": names[turn["from"]], "content": turn["value"]}
                for turn in row["conversations"]
            ]
        }
        for row in sharegpt()
    ]


def thoughts_and_calls() -> list[Row]:
    """ShareGPT whose answers hold markers of reasoning and of calls as text; calls come last."""
    rows = []
    for row in messages():
        turns = []
        for message in row["messages"]:
            value = message["content"]
            if message.get("reasoning_content"):
                value = f"<think>\n{message['reasoning_content']}\n</think>\n\n{value}"
            for call in message.get("tool_calls", []):
                called = json.dumps(call["function"], ensure_ascii=False)
                value = f"<think>\nI look.\n</think>\n\n<tool_call>\n{called}\n</tool_call>"
            turns.append({"from": NAMES[message["role"]], "value": value})
            if message.get("tool_calls"):
                break
        if any("<think>" in turn["value"] for turn in turns):
            rows.append({"conversations": turns})
    return rows


SETS: dict[str, Callable[[], list[Row]]] = {
    "demo-alpaca": alpaca,
    "demo-counseling": counseling,
    "demo-function-calls": function_calls,
    "demo-messages": messages,
    "demo-parts": parts,
    "demo-reasoning": reasoning,
    "demo-sharegpt": sharegpt,
    "demo-thoughts-and-calls": thoughts_and_calls,
}
"""The data sets, by the name under which `fixtures.rows` finds them."""


@cache
def rows(name: str) -> list[Row]:
    """The rows of a data set."""
    return SETS[name]()
