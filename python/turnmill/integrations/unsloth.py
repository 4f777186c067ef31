"""`train_on_responses_only` of Unsloth: labels by the markers around answers.

from turnmill.integrations.unsloth import train_on_responses_only
trainer = train_on_responses_only(trainer, instruction_part="...", response_part="...")
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from turnmill.errors import ArgumentError

__all__ = ["train_on_responses_only"]

_log = logging.getLogger(__name__)
_IGNORED = -100
_BATCH_ROWS = 1000
_PROBES = ("\\", "{", "a", "A", "1", "(", ".", "<", "}", ">")
"""What may stand beside a marker and merge with its edge."""


def train_on_responses_only(
    trainer: Any,
    instruction_part: str,
    response_part: str,
    force_match: bool = True,
    tokenizer: Any = None,
    return_function: bool = False,
    num_proc: int | None = None,
    last_response_only: bool = False,
    *,
    check: bool = True,
) -> Any:
    """Sets the labels of a trainer's data sets to -100 outside answers, as Unsloth does.

    An answer begins after a response marker. It ends with the eos, or before the next marker, the
    next message or the next document. Whether each answer then ends in a stop token is said in a
    warning: Unsloth trains those that do not anyway.

    Args:
        trainer: A trainer whose data sets have ``input_ids``; None with `return_function`.
        instruction_part: The text before each question.
        response_part: The text before each answer.
        force_match: As in Unsloth; only true, which matches the markers as they are given.
        tokenizer: The trainer's tokenizer, if it does not have it.
        return_function: Return the function for `datasets.map` and change no trainer.
        num_proc: Accepted and not needed.
        last_response_only: Train only the last answer of each row.
        check: Whether to look for answers that do not end.

    Raises:
        ArgumentError: A marker has no tokens, or `force_match` is false.
    """
    del num_proc
    if not force_match:
        message = "markers are matched as they are given: force_match cannot be false"
        raise ArgumentError(message, code="invalid-choice", hint="use Unsloth's own function")
    tokenizer = tokenizer or getattr(trainer, "processing_class", None) or trainer.tokenizer
    labels = _Labels.of(tokenizer, instruction_part, response_part, last=last_response_only)
    if return_function:
        return labels
    for name in ("train_dataset", "eval_dataset"):
        found = getattr(trainer, name, None)
        if isinstance(found, Mapping):
            setattr(trainer, name, {key: labels.mapped(data) for key, data in found.items()})
        elif found is not None:
            setattr(trainer, name, labels.mapped(found))
    if check and getattr(trainer, "train_dataset", None) is not None:
        _warn(trainer.train_dataset, tokenizer)
    return trainer


def _warn(data: Any, tokenizer: Any) -> None:
    """Says which rules the labels break."""
    from turnmill.check import check
    from turnmill.integrations.tokenizers import tokenizer_of

    table = data.with_format("arrow")[:].select(["input_ids", "labels"])
    found = check(table, tokenizer=tokenizer_of(tokenizer))
    rules = [item for item in found.rules.values() if item.severity == "error"]
    if rules:
        told = ", ".join(f"{item.rule} ({item.count})" for item in rules)
        _log.warning("not every answer ends: %s", told)


@dataclass(frozen=True)
class _Marker:
    """The ids of a marker that stay whatever stands beside it, and those at its edges."""

    core: list[int]
    left: list[int]
    right: list[int]

    @classmethod
    def of(cls, text: str, tokenizer: Any) -> _Marker:
        def encode(text: str) -> list[int]:
            return list(tokenizer(text, add_special_tokens=False)["input_ids"])

        ids = encode(text)
        if not ids:
            message = f"the marker {text!r} has no tokens"
            raise ArgumentError(message, code="invalid-choice", hint="give another marker")
        start = max(len(ids) - _common(encode(c + text)[::-1], ids[::-1]) for c in _PROBES)
        end = min(_common(encode(text + c), ids) for c in _PROBES)
        core = ids[start:end]
        added = tokenizer.added_tokens_decoder
        if not any(str(added.get(id_, "")).strip() for id_ in core):
            return cls(ids, [], [])
        return cls(core, ids[:start], ids[end:])

    def at(self, ids: list[int], place: int) -> bool:
        return ids[place : place + len(self.core)] == self.core

    def after(self, ids: list[int], place: int) -> int:
        """Where what follows the marker begins."""
        place += len(self.core)
        for id_ in self.right:
            if place >= len(ids) or ids[place] != id_:
                break
            place += 1
        return place

    def before(self, ids: list[int], place: int) -> int:
        """Where the marker begins with its left edge."""
        for id_ in reversed(self.left):
            if place < 1 or ids[place - 1] != id_:
                break
            place -= 1
        return place

    def whole(self, other: _Marker) -> _Marker:
        """With its right edge, if without it it would begin the other."""
        if self.right and self.core == other.core[: len(self.core)]:
            return _Marker(self.core + self.right, self.left, [])
        return self


def _common(ids: list[int], others: list[int]) -> int:
    count = 0
    while count < min(len(ids), len(others)) and ids[count] == others[count]:
        count += 1
    return count


@dataclass(frozen=True)
class _Labels:
    """What `datasets.map` calls with a batch."""

    question: _Marker
    answer: _Marker
    opener: list[int]
    """What every message begins with, if that is a control token."""
    bos: int | None
    eos: int | None
    last: bool

    @classmethod
    def of(cls, tokenizer: Any, instruction: str, response: str, *, last: bool) -> _Labels:
        question, answer = (_Marker.of(text, tokenizer) for text in (instruction, response))
        answer = answer.whole(question)
        question = question.whole(answer)
        opener = question.core[: _common(question.core, answer.core)]
        if not _is_control(opener, tokenizer):
            opener = []
        ends = (tokenizer.bos_token_id, tokenizer.eos_token_id)
        return cls(question, answer, opener, *ends, last)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[list[int]]]:
        """The labels of a batch; those it has are kept inside answers."""
        rows = [_plain(row) for row in batch["input_ids"]]
        olds = [_plain(row) for row in batch["labels"]] if "labels" in batch else rows
        return {"labels": [self._row(*pair) for pair in zip(rows, olds, strict=True)]}

    def mapped(self, data: Any) -> Any:
        """The data set with these labels."""
        return data.map(self, batched=True, batch_size=_BATCH_ROWS)

    def _row(self, ids: list[int], old: list[int]) -> list[int]:
        labels = [_IGNORED] * len(ids)
        spans = list(self._spans(ids))
        for start, end in spans[-1:] if self.last else spans:
            labels[start:end] = old[start:end]
        return labels

    def _spans(self, ids: list[int]) -> Iterator[tuple[int, int]]:
        place = self._next(ids, 0)
        while place is not None:
            start = self.answer.after(ids, place)
            end, place = self._end(ids, start)
            if end > start:
                yield start, end
            place = self._next(ids, place)

    def _next(self, ids: list[int], place: int) -> int | None:
        """Where the next response marker begins."""
        first = self.answer.core[0]
        with contextlib.suppress(ValueError):
            while not self.answer.at(ids, place := ids.index(first, place)):
                place += 1
            return place
        return None

    def _end(self, ids: list[int], start: int) -> tuple[int, int]:
        """Where an answer ends, and where the search for the next one goes on."""
        firsts = {self.eos, self.bos, self.question.core[0], self.answer.core[0], *self.opener[:1]}
        for place in range(start, len(ids)):
            if ids[place] not in firsts:
                continue
            if ids[place] == self.eos:
                return place + 1, place + 1
            if ids[place] == self.bos or self._begins(ids, place):
                return place, place
            if self.question.at(ids, place):
                return self.question.before(ids, place), self.question.after(ids, place)
        return len(ids), len(ids)

    def _begins(self, ids: list[int], place: int) -> bool:
        """Another message begins there."""
        opened = self.opener and ids[place : place + len(self.opener)] == self.opener
        return bool(opened) or self.answer.at(ids, place)


def _is_control(ids: list[int], tokenizer: Any) -> bool:
    added = tokenizer.added_tokens_decoder
    special = {id_ for id_, token in added.items() if token.special} | {*tokenizer.all_special_ids}
    return all(id_ in special for id_ in ids) and any(
        str(getattr(added.get(id_), "content", "")).strip() for id_ in ids
    )


def _plain(row: Any) -> list[int]:
    return list(row.tolist() if hasattr(row, "tolist") else row)
