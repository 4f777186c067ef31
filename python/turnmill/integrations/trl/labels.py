"""What TRL's own preparation makes of rows: ids, and labels from its masks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from turnmill.errors import ArgumentError
from turnmill.integrations.chat_template import apply_chat_template
from turnmill.integrations.tokenizers import tokenizer_of
from turnmill.rules import IGNORED

_BATCH_ROWS = 2000


@dataclass(frozen=True)
class _Settings:
    tokenizer: Any
    assistant_only: bool
    completion_only: bool
    template: str | None
    text: str
    threads: int | None


def labelled(
    dataset: Any,
    tokenizer: Any,
    *,
    assistant_only: bool,
    completion_only: bool | None,
    template: str | None,
    text: str,
    threads: int | None,
) -> Any:
    """A data set with ``input_ids`` and ``labels``; see `as_trl_prepares`."""
    import datasets

    names = dataset.column_names
    if completion_only is None:
        completion_only = {"prompt", "completion"} <= set(names)
    settings = _Settings(tokenizer, assistant_only, completion_only, template, text, threads)
    batches = [
        _batch(dataset[start : start + _BATCH_ROWS], settings)
        for start in range(0, len(dataset), _BATCH_ROWS)
    ]
    return datasets.Dataset(pa.Table.from_batches(batches))


def _batch(columns: dict[str, list[Any]], settings: _Settings) -> pa.RecordBatch:
    if "prompt" in columns:
        samples = _answers(columns, settings)
    elif "messages" in columns:
        samples = _conversations(columns["messages"], columns, settings)
    else:
        samples = _texts(columns[settings.text], settings)
    ids, labels = zip(*samples, strict=True)
    return pa.record_batch({"input_ids": _lists(ids), "labels": _lists(labels)})


_Sample = tuple[npt.NDArray[Any], npt.NDArray[Any]]


def _texts(texts: list[str], settings: _Settings) -> Iterator[_Sample]:
    """Documents: an eos at the end of each that has none, everything trained."""
    end = settings.tokenizer.eos_token
    whole = [text if text.endswith(end) else text + end for text in texts]
    for ids in _encode(whole, settings):
        yield ids, ids


def _encode(texts: list[str], settings: _Settings) -> list[npt.NDArray[Any]]:
    ours = tokenizer_of(settings.tokenizer)
    ids, ends = ours.encode_batch(texts, add_special_tokens=True, threads=settings.threads)
    return np.split(ids.astype(np.int64), ends[1:-1])


def _conversations(
    chats: list[Any], columns: dict[str, list[Any]], settings: _Settings
) -> Iterator[_Sample]:
    for row in _rendered(chats, columns, settings, masked=settings.assistant_only):
        ids, mask = _masked(row)
        yield ids, np.where(mask, ids, IGNORED)


def _masked(row: dict[str, Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The ids of a row, and which are an assistant's; all, where that was not asked."""
    ids = np.array(row["input_ids"], np.int64)
    mask = np.array(row.get("assistant_masks", np.ones(len(ids))), bool)
    if not mask.any():
        raise ArgumentError(
            "a conversation has no token of an assistant",
            code="invalid-choice",
            hint="leave it out, or give a template that prints its answers",
        )
    return ids, mask


def _answers(columns: dict[str, list[Any]], settings: _Settings) -> Iterator[_Sample]:
    """Prompts and completions: what both renders begin with is the prompt."""
    prompts, completions = columns["prompt"], columns["completion"]
    if isinstance(prompts[0], str):
        end = settings.tokenizer.eos_token
        ended = [text if text.endswith(end) else text + end for text in completions]
        wholes = [prompt + answer for prompt, answer in zip(prompts, ended, strict=True)]
        pairs = zip(_encode(prompts, settings), _encode(wholes, settings), strict=True)
        samples = [(before, whole, np.ones(len(whole), bool)) for before, whole in pairs]
    else:
        chats = [prompt + answer for prompt, answer in zip(prompts, completions, strict=True)]
        asked = _rendered(prompts, columns, settings, prompted=True)
        rows = _rendered(chats, columns, settings, masked=settings.assistant_only)
        samples = [
            (np.array(before["input_ids"]), *_masked(row))
            for before, row in zip(asked, rows, strict=True)
        ]
    for before, ids, trained in samples:
        if settings.completion_only:
            trained[: _common(before, ids)] = False
        yield ids, np.where(trained, ids, IGNORED)


def _common(ids: npt.NDArray[Any], others: npt.NDArray[Any]) -> int:
    """How many ids both begin with."""
    shorter = min(len(ids), len(others))
    differing = np.flatnonzero(ids[:shorter] != others[:shorter])
    return int(differing[0]) if len(differing) else shorter


def _rendered(
    chats: list[Any],
    columns: dict[str, list[Any]],
    settings: _Settings,
    *,
    masked: bool = False,
    prompted: bool = False,
) -> Iterator[dict[str, Any]]:
    """One result for each conversation; rows with equal tools and variables go together."""
    keys = [_own(columns, number) for number in range(len(chats))]
    start = 0
    for number in range(1, len(chats) + 1):
        if number < len(chats) and keys[number] == keys[start]:
            continue
        result = apply_chat_template(
            settings.tokenizer,
            chats[start:number],
            chat_template=settings.template,
            add_generation_prompt=prompted,
            return_assistant_tokens_mask=masked,
            threads=settings.threads,
            **keys[start],
        )
        names = list(result)
        yield from (
            dict(zip(names, row, strict=True)) for row in zip(*result.values(), strict=True)
        )
        start = number


def _own(columns: dict[str, list[Any]], number: int) -> dict[str, Any]:
    """Tools and variables of a row."""
    tools = columns["tools"][number] if "tools" in columns else None
    kwargs = columns["chat_template_kwargs"][number] if "chat_template_kwargs" in columns else None
    return {"tools": json.loads(tools) if isinstance(tools, str) else tools, **(kwargs or {})}


def _lists(rows: Any) -> pa.Array:
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    values = np.concatenate(rows).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values))
