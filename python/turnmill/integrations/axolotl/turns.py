"""A row as Axolotl reads it: its turns, and what they say of themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from turnmill.errors import DataError
from turnmill.integrations.axolotl.config import Entry

__all__ = ["Part", "Turn", "tools_of", "turns_of"]


@dataclass(frozen=True)
class Part:
    """A stretch of a text, its last character included, that is trained or not."""

    start: int
    end: int
    train: bool


@dataclass
class Turn:
    """A message for the template, and what the row says about training on it."""

    message: dict[str, Any]
    train: bool | None = None
    content_parts: list[Part] | None = None
    reasoning_parts: list[Part] | None = None

    @property
    def role(self) -> Any:
        """The role, as the template sees it."""
        return self.message.get("role")


def turns_of(row: Mapping[str, Any], entry: Entry) -> list[Turn]:
    """The turns of a row; keys that are null are as if they were not there."""
    name = entry.get("field_messages", "messages")
    messages = _parsed(row.get(name))
    if not isinstance(messages, list) or not messages:
        raise DataError(f"a row has no list `{name}`", code="axolotl-row")
    turns = [_turn(_without_nulls(message), entry) for message in messages]
    if turns[0].role != "system" and row.get("system") is not None:
        turns.insert(0, Turn({"role": "system", "content": row["system"]}))
    if entry.get("drop_system_message") and turns[0].role == "system":
        del turns[0]
    return turns


def tools_of(row: Mapping[str, Any]) -> list[Any] | None:
    """The tools of a row, whose parameters may be JSON text."""
    tools = _without_nulls(_parsed(row.get("tools")))
    for tool in tools or []:
        function = tool.get("function") if isinstance(tool, dict) else None
        if function and "parameters" in function:
            function["parameters"] = _parsed(function["parameters"])
    return tools or None


def _turn(given: dict[str, Any], entry: Entry) -> Turn:
    mappings = entry.mappings
    message = {ours: given[theirs] for ours, theirs in mappings.items() if theirs in given}
    if "role" in message:
        message["role"] = entry.roles.get(message["role"], message["role"])
    mapped = set(mappings.values())
    message |= {name: value for name, value in given.items() if name not in mapped}
    turn = Turn(message, given.get(entry.get("message_field_training")))
    details = given.get(entry.get("message_field_training_detail"))
    if details is not None:
        turn.content_parts = [
            Part(detail["begin_offset"], detail["end_offset"], bool(detail["train"]))
            for detail in details
        ]
    turn.content_parts = _join(message, "content") or turn.content_parts
    thinking = entry.get("template_thinking_key", "reasoning_content")
    turn.reasoning_parts = _join(message, thinking)
    for call in message.get("tool_calls") or []:
        if "arguments" in call.get("function", {}):
            call["function"]["arguments"] = _parsed(call["function"]["arguments"])
    return turn


def _join(message: dict[str, Any], name: str) -> list[Part] | None:
    """Makes one text of a list of parts; the parts, if one of them says whether it is trained."""
    given = message.get(name)
    if not isinstance(given, list):
        return None
    parts, texts, at, told = [], [], 0, False
    for part in (part for part in given if isinstance(part, dict)):
        text = part.get("text") or part.get("content") or part.get("value") or ""
        train = part.get("train", part["weight"] != 0 if "weight" in part else None)
        told = told or train is not None
        if text:
            parts.append(Part(at, at + len(text) - 1, train is None or bool(train)))
        texts.append(text)
        at += len(text)
    message[name] = "".join(texts)
    return parts if told else None


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _without_nulls(value: Any) -> Any:
    """A copy without nulls in objects, which data sets add where columns are merged."""
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
