"""Axolotl's own labels: where a turn's text differs from that of a placeholder, and its end.

A turn is what differs between the render and one with a placeholder in the place of its content.
Nothing is added to it; an end token that follows within three tokens is trained if the options say
so.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turnmill.integrations.axolotl.config import Entry
from turnmill.integrations.axolotl.turns import Part, Turn, tools_of, turns_of
from turnmill.integrations.chat_template import apply_chat_template
from turnmill.integrations.tokenizers import tokenizer_of
from turnmill.rules import IGNORED
from turnmill.tokenizer import Tokenizer

__all__ = ["Labeller", "dataset_of"]

_PLACEHOLDERS = ("[[dummy_message]]", "zzdummymessagezz")
"""Two, which share neither their first nor their last character: one of them shows each edge."""
_UNREAD = {
    "split_thinking": "give reasoning in a field of its own",
    "shards": "give fewer rows",
    "input_transform": "transform the rows before",
}
_REACH = 3
"""How far behind a turn its end token may stand."""
_NOWHERE = (-1, -1)
_Span = tuple[int, int]


def dataset_of(rows: Iterable[Mapping[str, Any]], tokenizer: Any, entry: Entry) -> Any:
    """See `as_axolotl_prepares`."""
    import datasets

    labeller = Labeller(tokenizer, entry)
    columns: dict[str, list[list[int]]] = {"input_ids": [], "attention_mask": [], "labels": []}
    for row in rows:
        ids, labels = labeller.sample(row)
        columns["input_ids"].append(ids)
        columns["attention_mask"].append([1] * len(ids))
        columns["labels"].append(labels)
    return datasets.Dataset.from_dict(columns)


@dataclass(frozen=True)
class _Placed:
    """A rendered conversation and the places of its tokens."""

    text: str
    ids: list[int]
    starts: list[int]
    ends: list[int]

    def tokens(self, start: int, end: int) -> _Span:
        """The tokens of a stretch of the text."""
        first, last = bisect_right(self.ends, start), bisect_left(self.starts, end)
        return (first, last) if last > first else _NOWHERE


class Labeller:
    """Labels rows with the options of one data set."""

    def __init__(self, tokenizer: Any, entry: Entry) -> None:
        entry.refuse(_UNREAD)
        self._theirs = tokenizer
        self._ours: Tokenizer = tokenizer_of(tokenizer)
        self._entry = entry
        self._template = _source(entry) or tokenizer.chat_template
        self._thinking = entry.get("template_thinking_key", "reasoning_content")
        self._variables = entry.config.get("chat_template_kwargs") or {}
        self._hides_system = "mistral" in tokenizer.name_or_path.lower()
        self._roles = set(entry.trained_roles)
        self._everything = bool(entry.config.get("train_on_inputs"))
        on_eos = entry.get("train_on_eos", "turn")
        self._ends = [
            (self._end_ids(), entry.get("train_on_eot", on_eos)),
            ({tokenizer.eos_token_id}, on_eos),
        ]

    def _end_ids(self) -> set[int | None]:
        """The tokens that end a turn; those that the template does not name are left out."""
        named = self._entry.config.get("eot_tokens")
        if named is None or named == [self._theirs.eos_token]:
            return {self._theirs.eos_token_id}
        found = [self._ours.encode(token) for token in named if token in self._template]
        return {int(ids[0]) for ids in found if len(ids) == 1}

    def sample(self, row: Mapping[str, Any]) -> tuple[list[int], list[int]]:
        """Ids and labels of a row."""
        name = self._entry.get("field_tools", "tools")
        return self.conversation(turns_of(row, self._entry), tools_of({"tools": row.get(name)}))

    def conversation(
        self, turns: list[Turn], tools: list[Any] | None
    ) -> tuple[list[int], list[int]]:
        """Ids and labels of turns."""
        placed = self._placed(turns, tools)
        labels = [IGNORED] * len(placed.ids)
        last = [-1] * len(self._ends)
        for number, turn in enumerate(turns):
            trained = self._trains(turn)
            if not trained and all(option != "all" for _, option in self._ends):
                continue
            text = self._content(turns, number, tools, placed)
            for token in self._trained(turns, number, tools, placed, text) if trained else ():
                labels[token] = placed.ids[token]
            for kind, (ids, option) in enumerate(self._ends):
                at = _first(placed.ids, ids, text[1])
                if at == -1 or abs(at - text[1]) > _REACH:
                    continue
                last[kind] = at
                if option == "all" or (option == "turn" and trained):
                    labels[at] = placed.ids[at]
        for at, (_, option) in zip(last, self._ends, strict=True):
            if option == "last" and at != -1:
                labels[at] = placed.ids[at]
        return placed.ids, labels

    def _trains(self, turn: Turn) -> bool:
        if turn.train is not None:
            return bool(turn.train)
        if turn.content_parts is not None or turn.reasoning_parts is not None:
            return bool(turn.content_parts or turn.reasoning_parts)
        return self._everything or turn.role in self._roles

    def _content(
        self, turns: list[Turn], number: int, tools: list[Any] | None, placed: _Placed
    ) -> _Span:
        """The tokens of a turn; of its content alone, where parts of it say whether they count."""
        turn = turns[number]
        if number == 0 and turn.role == "system" and self._hides_system:
            return _NOWHERE
        keeps = self._thinking in turn.message and bool(turn.content_parts or turn.reasoning_parts)
        kept = {self._thinking: turn.message[self._thinking]} if keeps else {}
        return self._differs(turns, number, tools, placed, "content", kept)

    def _trained(
        self,
        turns: list[Turn],
        number: int,
        tools: list[Any] | None,
        placed: _Placed,
        text: _Span,
    ) -> Iterable[int]:
        """The tokens that are trained, without the end."""
        turn, found = turns[number], []
        if text != _NOWHERE and not turn.content_parts and not turn.reasoning_parts:
            return range(*text)
        if text != _NOWHERE and turn.content_parts:
            found += self._of_parts(turn.message["content"], turn.content_parts, text[0])
        if turn.reasoning_parts and self._thinking in turn.message:
            content = {"content": turn.message.get("content", "")}
            span = self._differs(turns, number, tools, placed, self._thinking, content)
            if span != _NOWHERE:
                reasoning = turn.message[self._thinking]
                found += self._of_parts(reasoning, turn.reasoning_parts, span[0])
        return [token for token in found if token < len(placed.ids)]

    def _of_parts(self, text: str, parts: Sequence[Part], first: int) -> list[int]:
        """The trained tokens of a text that is tokenized alone, counted from its first one."""
        _, _, places = self._ours.encode_batch([text], offsets=True)
        return [first + number for number in _inside(places.tolist(), len(text), parts)]

    def _differs(
        self,
        turns: list[Turn],
        number: int,
        tools: list[Any] | None,
        placed: _Placed,
        field: str,
        kept: dict[str, Any],
    ) -> _Span:
        """The tokens that differ if a field of a turn is something else, and it has no others."""
        chats = []
        for placeholder in _PLACEHOLDERS:
            stand_in = {"role": turns[number].role, **kept, field: placeholder}
            chat = [turn.message for turn in turns]
            chat[number] = stand_in
            chats.append(chat)
        spans = [_difference(placed.text, text) for text in self._render(chats, tools)]
        start, end = min(span[0] for span in spans), max(span[1] for span in spans)
        return placed.tokens(start, end) if end > start else _NOWHERE

    def _placed(self, turns: list[Turn], tools: list[Any] | None) -> _Placed:
        (text,) = self._render([[turn.message for turn in turns]], tools)
        ids, _, places = self._ours.encode_batch([text], offsets=True)
        return _Placed(text, ids.tolist(), places[:, 0].tolist(), places[:, 1].tolist())

    def _render(self, chats: list[Any], tools: list[Any] | None) -> list[str]:
        texts: list[str] = apply_chat_template(
            self._theirs,
            chats,
            tools=tools,
            chat_template=self._template,
            tokenize=False,
            **self._variables,
        )
        return texts


def _source(entry: Entry) -> str | None:
    """The source of a template that is given, or is in a file."""
    template = entry.chat_template()
    if template is None or "{" in template:
        return template
    try:
        return Path(template).read_text("utf-8")
    except OSError as error:
        hint = "give the file of the template, or its text"
        raise entry.refusal(f"chat_template_jinja: {template}: {error.strerror}", hint) from None


def _difference(text: str, other: str) -> _Span:
    """The stretch of ``text`` between what both begin with and what both end with."""
    start = _common(text, other, min(len(text), len(other)))
    ending = _common(text[::-1], other[::-1], min(len(text), len(other)) - start)
    return start, len(text) - ending


def _common(text: str, other: str, limit: int) -> int:
    """How many characters both begin with, at most so many; in few comparisons of long pieces."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if text[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _first(ids: list[int], wanted: set[int | None], start: int) -> int:
    """The first of these ids. Axolotl counts from the end where a turn was not found."""
    return next((at for at in range(start, len(ids)) if ids[at] in wanted), -1)


def _inside(places: list[list[int]], length: int, parts: Sequence[Part]) -> Iterable[int]:
    """The tokens that lie inside trained parts.

    A token reaches to the next one. Parts grow to whole tokens first, but a token that two parts
    share lies in both then, and is trained if one of them is.
    """
    starts = [start for start, _ in places]
    ends = [start - 1 for start in starts[1:]] + [length - 1]
    grown = [_grown(part, starts, ends) for part in parts if part.train]
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if any(part and start >= part[0] and end <= part[1] for part in grown):
            yield number


def _grown(part: Part, starts: list[int], ends: list[int]) -> _Span | None:
    """The part up to the edges of the tokens that it cuts through."""
    first = next((at for at, start in enumerate(starts) if start >= part.start), len(starts))
    if first > 0 and ends[first - 1] > part.start:
        first -= 1
    last = next((at for at in range(len(ends) - 1, -1, -1) if ends[at] <= part.end), -1)
    if last < len(ends) - 1 and starts[last + 1] < part.end:
        last += 1
    return (starts[first], ends[last]) if first <= last else None
