"""Prints what a chat template does, as `Template.study` learned it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from turnmill import _core
from turnmill._terminal import Terminal, wrap
from turnmill.tokenizer import Tokenizer

_LABEL_WIDTH = 24


def draw_study(name: str, study: dict[str, Any], out: Terminal) -> str:
    """Prints what a template does, one fact per line.

    Args:
        name: The template's name.
        study: What `Template.study` returned.
        out: The terminal it is for.
    """
    lines = [out.style(f"template {name}", "bold")]
    for label, text in _facts(study):
        folded = wrap(text, out.width - _LABEL_WIDTH)
        head, *rest = folded or [""]
        lines.append(out.style(label.ljust(_LABEL_WIDTH), "cyan") + head)
        lines.extend(" " * _LABEL_WIDTH + line for line in rest)
    return "\n".join(lines)


def stop_set(tokenizer: str) -> list[dict[str, Any]]:
    """What a server that loads a tokenizer directory stops on: `id` and `token`."""
    loaded = Tokenizer(tokenizer)
    ids = _core.stop_set(loaded._core)
    texts = (token.decode("utf-8", "replace") for token in loaded._token_bytes(ids))
    return [{"id": id_, "token": text} for id_, text in zip(ids, texts, strict=True)]


def _facts(study: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for role in study["roles"]:
        yield f"role {role['role']}", _role(role)
    if study["part_roles"]:
        yield "text as parts", f"{', '.join(study['part_roles'])}: only lists of parts are printed"
    for before, text in study["generation_prompts"].items():
        yield f"prompt after {before}", _quoted(text) or "nothing is added"
    yield "ends a turn with", _quoted(study["terminator"]) or "nothing"
    if study["final_terminator"] != study["terminator"]:
        yield "ends the last with", _quoted(study["final_terminator"]) or "nothing"
    if "stop_set" in study:
        stops = ", ".join(_quoted(stop["token"]) for stop in study["stop_set"])
        yield "a server stops on", stops or "nothing: the tokenizer names no eos"
    if study["next_role_ends_turn"]:
        markers = ", ".join(_quoted(text) for text in study["role_markers"].values())
        yield "next role ends it", f"the marker of the message after a turn is its end: {markers}"
    yield "finds turns by", _spans(study)
    yield "history", _history(study)
    yield "tools", "printed" if study["reads_tools"] else "ignored"
    yield "reasoning", _reasoning(study)
    yield "date", "the text depends on it: fix it with --now" if study["reads_date"] else "not read"


def _role(role: dict[str, Any]) -> str:
    if not role["accepted"]:
        return f"refused: {role['refusal'] or 'the template raises'}"
    if not role["header"] and not role["footer"]:
        return "nothing around the content"
    return f"{_quoted(role['header'])} … {_quoted(role['footer'])}"


def _spans(study: dict[str, Any]) -> str:
    if study["spans_refused"]:
        return f"nothing: {study['spans_refused']}"
    if study["has_generation_tags"]:
        return "its {% generation %} tags"
    return "the messages it loops over (it has no {% generation %} tags)"


def _history(study: dict[str, Any]) -> str:
    if study["rewrites_history"]:
        return "rewritten: a longer conversation prints earlier turns differently; see `history`"
    return "kept: earlier turns stay as they were at inference"


def _reasoning(study: dict[str, Any]) -> str:
    if not study["reads_reasoning"]:
        return "ignored: reasoning of a row would be lost"
    opening, closing = study["reasoning_markers"] or ("", "")
    return f"printed between {_quoted(opening)} and {_quoted(closing)}" if opening else "printed"


def _quoted(text: str) -> str:
    """The text with its line ends visible, or nothing."""
    return text.replace("\r", "\\r").replace("\n", "\\n").replace("\t", "\\t")
