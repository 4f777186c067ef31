"""The reference that exact mode is measured against: transformers renders, tokenizers encodes.

Nothing here uses turnmill. The mapping of schemas to messages is written down a second time, from
the documentation, so that a mistake in the reader shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import pytest
from tokenizers import AddedToken, Tokenizer
from transformers.utils import chat_template_utils

NOW = "2026-03-04T05:06:07"
"""The date that templates see, in the reference and in every recipe of these tests."""

SPECIAL = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)


@dataclass(frozen=True)
class Row:
    """A conversation as transformers takes it."""

    messages: list[dict[str, Any]]
    tools: list[Any] | None = None
    weights: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Refused:
    """A row that no mapping makes a training conversation of, with the rule that says why."""

    rule: str


@dataclass(frozen=True)
class Rendered:
    """What the template made of a row: the text and the tagged spans, in code points."""

    text: str
    spans: list[tuple[int, int]]


class _Clock(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> Self:  # noqa: ARG003 - the signature of datetime.now
        return cls.fromisoformat(NOW)


@contextmanager
def frozen_clock() -> Iterator[None]:
    """Stops the clock that ``strftime_now`` reads at ``NOW``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chat_template_utils, "datetime", _Clock)
        yield


class Reference:
    """A tokenizer folder with its own template, or another one."""

    def __init__(self, folder: Path, template: str | None = None) -> None:
        config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
        self.tokenizer = load_tokenizer(folder, config)
        self.template = template or config["chat_template"]
        self.tokens = {
            name: value if isinstance(value, str) else value["content"]
            for name in SPECIAL
            if (value := config.get(name)) is not None
        }

    def render(self, row: Row, *, spans: bool = False) -> Rendered | str:
        """The render, or the message of whatever transformers raises."""
        messages = [
            {key: value for key, value in message.items() if value is not None}
            for message in row.messages
        ]
        try:
            texts, found = chat_template_utils.render_jinja_template(
                conversations=[messages],
                tools=row.tools,
                chat_template=self.template,
                return_assistant_tokens_mask=spans,
                **self.tokens,
            )
        except Exception as error:  # noqa: BLE001 - templates raise anything
            return f"{type(error).__name__}: {error}"
        return Rendered(texts[0], [tuple(span) for span in found[0]] if spans else [])

    def encode(self, texts: list[str]) -> list[list[int]]:
        """The ids of rendered texts."""
        encodings = self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def mask(self, rendered: Rendered) -> tuple[list[int], list[list[int]]]:
        """The ids, and for each tagged span the positions that transformers marks."""
        encoding = self.tokenizer.encode(rendered.text, add_special_tokens=False)
        marked = []
        for start, end in rendered.spans:
            first, last = encoding.char_to_token(start), encoding.char_to_token(end - 1)
            assert first is not None
            assert last is not None
            marked.append(list(range(first, last + 1)))
        return encoding.ids, marked


def load_tokenizer(folder: Path, config: dict[str, Any]) -> Tokenizer:
    """The file as published, plus tokens that only the configuration names."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    known = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    for _, token in sorted(config.get("added_tokens_decoder", {}).items(), key=lambda i: int(i[0])):
        if token["content"] not in known:
            flags = ("single_word", "lstrip", "rstrip", "normalized", "special")
            added = AddedToken(token["content"], **{flag: token[flag] for flag in flags})
            (tokenizer.add_special_tokens if token["special"] else tokenizer.add_tokens)([added])
    return tokenizer


def sample_of(messages: list[dict[str, Any]]) -> list[dict[str, Any]] | Refused:
    """The messages up to the last assistant turn."""
    last = max((i for i, m in enumerate(messages) if m["role"] == "assistant"), default=None)
    if last is None or all(message["role"] == "assistant" for message in messages):
        return Refused("no-assistant-turn")
    return messages[: last + 1]


def alpaca(row: dict[str, Any]) -> Row | Refused:
    """Instruction and input as the question, output as the answer."""
    question = row["instruction"] + ("\n" + row["input"] if row.get("input") else "")
    return Row(
        [{"role": "user", "content": question}, {"role": "assistant", "content": row["output"]}]
    )


SHAREGPT_ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "assistant": "assistant",
    "system": "system",
    "observation": "tool",
    "tool": "tool",
}


def sharegpt(row: dict[str, Any]) -> Row | Refused:
    """Conversations of ``from`` and ``value``, with function calls as JSON."""
    messages: list[dict[str, Any]] = []
    for item in row["conversations"]:
        if item["from"] == "function_call":
            calls = json.loads(item["value"])
            calls = calls if isinstance(calls, list) else [calls]
            messages.append(
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [{"type": "function", "function": call} for call in calls],
                }
            )
        else:
            role = SHAREGPT_ROLES.get(item["from"])
            if role is None:
                return Refused("unknown-role")
            messages.append({"role": role, "content": item["value"]})
    kept = sample_of(messages)
    return kept if isinstance(kept, Refused) else Row(kept, tools_of(row))


def tools_of(row: dict[str, Any]) -> list[Any] | None:
    """Tools as a list or as JSON text of one."""
    tools = row.get("tools")
    if isinstance(tools, str):
        tools = json.loads(tools) if tools.strip() else None
    return tools


def messages(row: dict[str, Any], roles: dict[str, str] | None = None) -> Row | Refused:
    """Messages as they are, LLaMA-Factory's typed parts sorted into their fields."""
    read = []
    for item in row["messages"]:
        message = {**item, "role": (roles or {}).get(item["role"], item["role"])}
        parts = message["content"]
        if isinstance(parts, list):
            by_type: dict[str, list[str]] = {}
            for part in parts:
                by_type.setdefault(part["type"], []).append(part["value"])
            message["content"] = "".join(by_type.get("text", []))
            if "reasoning" in by_type:
                message["reasoning_content"] = "".join(by_type["reasoning"])
            if "tool_call" in by_type:
                message["tool_calls"] = [
                    {"type": "function", "function": json.loads(call)}
                    for call in by_type["tool_call"]
                ]
        read.append(message)
    kept = sample_of(read)
    if isinstance(kept, Refused):
        return kept
    weights = tuple(message.get("loss_weight") for message in kept)
    return Row(kept, tools_of(row), weights)


def smilechat(row: dict[str, Any]) -> Row | Refused:
    """Messages whose roles are client and counselor."""
    return messages(row, {"client": "user", "counselor": "assistant"})
