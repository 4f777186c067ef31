"""Prompts for the test: what stands before a trained turn, and that turn as the reference."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from turnmill.errors import DataError
from turnmill.inputs.find import find_inputs
from turnmill.inputs.rows import rows_of
from turnmill.inputs.splits import ALL
from turnmill.inputs.tokenized import documents_of, ids_of, labels_of, row_of
from turnmill.output import answers
from turnmill.output.files import VALIDATION
from turnmill.output.reader import Output, is_output
from turnmill.rules import IGNORED
from turnmill.show.tokenized import is_tokenized

_ROOM = 64
"""New tokens that every answer may have beyond the multiple of its reference."""
_TRIES = 4
"""Rows that are looked at for each prompt wanted: some have no prompt."""


@dataclass(frozen=True)
class Prompt:
    """A prompt as ids, and the answer that the data has for it."""

    ids: list[int]
    reference: list[int]
    """The trained turn, with its stop token if it has one."""
    source: str
    row: int
    line: int | None

    def room(self, budget: float) -> int:
        """How many new tokens the answer may have."""
        return math.ceil(budget * len(self.reference)) + _ROOM

    @property
    def place(self) -> str:
        """As ``turnmill show --source`` takes it."""
        return f"{self.source}:{self.row if self.line is None else self.line}"


@dataclass(frozen=True)
class _Labelled:
    ids: list[int]
    labels: list[int]
    source: str
    row: int
    line: int | None


@dataclass(frozen=True)
class Drawn:
    """The prompts of a test."""

    prompts: list[Prompt]
    held_out: bool
    """Whether they come from a validation set."""


def draw_prompts(data: Any, stops: frozenset[int], count: int, seed: int) -> Drawn:
    """Draws prompts at random: rows first, then a trained turn of each.

    Args:
        data: A directory that `prepare` wrote, whose validation set is taken if it has one, or
            any rows with ids and labels.
        stops: The stop set, by which turns end.
        count: How many; fewer if the data has fewer.
        seed: Another seed draws others.

    Raises:
        DataError: No row has a prompt before a trained turn.
    """
    source = random.Random(seed)
    held_out = False
    if is_written(data):
        output = Output.open(data)
        _refuse_prompts(output)
        held_out = any(shard.get("split") == VALIDATION for shard in output.record["shards"])
        rows = _written(output, source, _TRIES * count, held_out=held_out)
    else:
        rows = _tokenized(data, source, _TRIES * count)
    every = (_prompt(row, stops, source) for row in rows)
    prompts = list(islice((prompt for prompt in every if prompt), count))
    if prompts:
        return Drawn(prompts, held_out)
    raise DataError(
        "no row has a prompt before a trained turn",
        code="no-prompt",
        path=os.fspath(data) if isinstance(data, str | os.PathLike) else None,
        hint="give conversations that were tokenized: rows with input_ids and labels, -100 in the "
        "prompt",
    )


def _refuse_prompts(output: Output) -> None:
    """Raises an error for an output of prompts alone, which has no references as ids."""
    if output.record["recipe"].get("train_on") == "none":
        raise DataError(
            "these are prompts (`train_on = none`), and nothing in them is trained",
            code="no-prompt",
            path=str(output.path),
            hint="prepare the same rows without --train-on none and test on that: prompts and "
            "reference answers are taken from the turns",
        )


def is_written(data: Any) -> bool:
    """Whether the data is an output of `prepare`; other data has to be tokenized.

    Raises:
        DataError: It is not, or the output is not finished.
    """
    if isinstance(data, str | os.PathLike) and is_output(data):
        return True
    find_inputs(data, ALL)  # names a file that does not exist
    if is_tokenized(data):
        return False
    raise DataError(
        "the rows are not tokenized: they have no input_ids",
        code="not-tokenized",
        path=os.fspath(data) if isinstance(data, str | os.PathLike) else None,
        hint="prepare them first, and name the directory that `turnmill prepare` wrote",
    )


def _written(
    output: Output, source: random.Random, count: int, *, held_out: bool
) -> list[_Labelled]:
    """Samples of an output, in the order in which they were drawn."""
    shards = [
        shard
        for shard in output.record["shards"]
        if not held_out or shard.get("split") == VALIDATION
    ]
    total = sum(shard["samples"] for shard in shards)
    numbers = source.sample(range(total), min(count, total))
    found: dict[int, _Labelled] = {}
    first = 0
    for shard in shards:
        here = [number for number in numbers if first <= number < first + shard["samples"]]
        samples = output.samples(shard, [number - first for number in here]) if here else []
        for number, (written, index) in zip(here, samples, strict=True):
            # Both answers of a pair have the same prompt.
            _, sample = answers.samples(written)[0]
            labels = labels_of(sample, sample["input_ids"])
            place = (index["source"], index["row"], index["line"])
            found[number] = _Labelled(sample["input_ids"], labels, *place)
        first += shard["samples"]
    return [found[number] for number in numbers]


def _tokenized(data: Any, source: random.Random, count: int) -> list[_Labelled]:
    """Rows of other data, drawn in one pass; packed rows fall into their documents."""
    kept: list[_Labelled] = []
    for place, row in enumerate(_documents(data)):
        if len(kept) < count:
            kept.append(row)
        elif (chosen := source.randrange(place + 1)) < count:
            kept[chosen] = row
    source.shuffle(kept)
    return kept


def _documents(data: Any) -> Iterator[_Labelled]:
    for input_ in find_inputs(data, ALL):
        for picked in rows_of(input_):
            row = row_of(picked)
            ids = ids_of(row)
            if ids is None:
                continue
            labels = labels_of(row, ids)
            for start, end in documents_of(row, len(ids)):
                piece = (ids[start:end], labels[start:end])
                yield _Labelled(*piece, input_.name, picked.row, picked.line)


def _prompt(row: _Labelled, stops: frozenset[int], source: random.Random) -> Prompt | None:
    turns = [turn for turn in trained_turns(row.ids, row.labels, stops) if turn[0] > 0]
    if not turns:
        return None
    start, end = source.choice(turns)
    return Prompt(row.ids[:start], row.ids[start:end], row.source, row.row, row.line)


def trained_turns(
    ids: Sequence[int], labels: Sequence[int], stops: Iterable[int]
) -> list[tuple[int, int]]:
    """The trained turns of a row as half-open ranges of its ids.

    A turn ends after its first trained stop token. Without one it ends where untrained tokens
    begin, if there is a stop token among them: those of the user's turn have one, and a masked
    terminator is one. Untrained tokens without one, such as masked reasoning, are a part of it.

    >>> trained_turns([7, 1, 2, 7, 3, 2], [-100, 1, 2, -100, 3, 2], {2})
    [(1, 3), (4, 6)]
    """
    stops = set(stops)
    turns: list[tuple[int, int]] = []
    start, last = None, 0
    for place, (id_, label) in enumerate(zip(ids, labels, strict=True)):
        if label == IGNORED:
            if start is not None and id_ in stops:
                turns.append((start, last))
                start = None
            continue
        start, last = place if start is None else start, place + 1
        if id_ in stops:
            turns.append((start, last))
            start = None
    return turns if start is None else [*turns, (start, last)]
