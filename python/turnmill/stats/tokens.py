"""What stands in the samples: control tokens, and tokens by the role that speaks.

Some millions of tokens tell their frequencies; of a larger output every so many batches are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from turnmill.output.answers import answers, sequence
from turnmill.output.formats import format_of
from turnmill.output.reader import Output
from turnmill.rules import IGNORED
from turnmill.stats.roles import Roles, roles_of
from turnmill.storage.local import read_json
from turnmill.tokenizer import Tokenizer

SOME_TOKENS = 20_000_000
"""Tokens that are looked at, unless all are wanted."""


@dataclass(frozen=True)
class ControlToken:
    """How often a control token stands in the samples."""

    id: int
    token: str
    count: int
    trained: int
    stops: bool
    """Whether the serving side stops on it."""


@dataclass(frozen=True)
class RoleCount:
    """The tokens of one role, its headers included."""

    role: str
    tokens: int
    trained: int


@dataclass(frozen=True)
class TokenCounts:
    """What was counted of the samples that were looked at."""

    samples: int = 0
    tokens: int = 0
    whole: bool = False
    """Whether all samples were looked at."""
    control: list[ControlToken] = field(default_factory=list)
    """Those that occur, most frequent first; those that the server stops on in any case."""
    roles: list[RoleCount] = field(default_factory=list)


def count_tokens(output: Output, tokenizer: Tokenizer, *, whole: bool) -> TokenCounts:
    """Counts control tokens, and the tokens of each role.

    Args:
        output: The output.
        tokenizer: The one that it was written with.
        whole: Whether every sample is read, however many there are.
    """
    total = sum(shard["tokens"] for shard in output.record["shards"])
    step = 1 if whole else max(1, -(-total // SOME_TOKENS))
    roles = roles_of(output.record["facts"], tokenizer)
    counts = _Counts(tokenizer.vocab_size, roles)
    for batch in _batches(output, step):
        counts.add(batch)
    stops = {stop["id"] for stop in output.record["facts"]["stop"]}
    return TokenCounts(
        counts.samples,
        counts.tokens,
        step == 1,
        counts.control(control_tokens(tokenizer) | stops, stops, tokenizer),
        counts.by_role(),
    )


def _batches(output: Output, step: int) -> Iterator[pa.RecordBatch]:
    for shard in output.record["shards"]:
        data = output.path / shard["data"]
        yield from format_of(data).batches(data, step)


def control_tokens(tokenizer: Tokenizer) -> set[int]:
    """The ids of added tokens: they stand for themselves and not for a text."""
    place = Path(tokenizer.path)
    value = read_json(place / "tokenizer.json" if place.is_dir() else place) or {}
    named = (tokenizer.token_to_id(token) for token in tokenizer.special_tokens.values())
    added = {token["id"] for token in value.get("added_tokens", [])}
    return added | {id_ for id_ in named if id_ is not None}


class _Counts:
    """Counts that grow batch by batch."""

    def __init__(self, vocabulary: int, roles: Roles) -> None:
        self.samples = 0
        self.tokens = 0
        self._roles = roles
        self._ids = np.zeros(vocabulary, np.int64)
        self._trained = np.zeros(vocabulary, np.int64)
        self._by_role = np.zeros((2, len(roles.names)), np.int64)

    def add(self, batch: pa.RecordBatch) -> None:
        """Adds the samples of a batch, of judged rows each answer; rows without ids have none."""
        names = batch.schema.names
        judged = answers(names)
        if not judged and "input_ids" not in names:
            return
        self.samples += batch.num_rows
        for one in [sequence(answer, batch) for answer in judged] or [batch]:
            self._add(one)

    def _add(self, batch: pa.RecordBatch) -> None:
        ids, starts = _flat(batch.column("input_ids"))
        trained = self._is_trained(batch, ids)
        self.tokens += len(ids)
        self._ids += np.bincount(ids, minlength=len(self._ids))[: len(self._ids)]
        self._trained += np.bincount(ids[trained], minlength=len(self._ids))[: len(self._ids)]
        roles = self._roles.of_tokens(ids, starts)
        for i, of_role in enumerate((roles, roles[trained])):
            self._by_role[i] += np.bincount(of_role, minlength=self._by_role.shape[1])

    @staticmethod
    def _is_trained(batch: pa.RecordBatch, ids: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        if "labels" not in batch.schema.names:
            return np.ones(len(ids), np.bool_)
        trained: npt.NDArray[np.bool_] = _flat(batch.column("labels"))[0] != IGNORED
        return trained

    def control(self, ids: set[int], stops: set[int], tokenizer: Tokenizer) -> list[ControlToken]:
        shown = [id_ for id_ in sorted(ids) if id_ < len(self._ids)]
        shown = [id_ for id_ in shown if self._ids[id_] or id_ in stops]
        texts = [text.decode("utf-8", "replace") for text in tokenizer._token_bytes(shown)]
        found = [
            ControlToken(id_, text, int(self._ids[id_]), int(self._trained[id_]), id_ in stops)
            for id_, text in zip(shown, texts, strict=True)
        ]
        return sorted(found, key=lambda token: -token.count)

    def by_role(self) -> list[RoleCount]:
        """The roles that occur; none if the template does not tell them apart."""
        if len(self._roles.names) == 1:
            return []
        tokens, trained = self._by_role.tolist()
        named = zip(self._roles.names, tokens, trained, strict=True)
        return [RoleCount(*counts) for counts in named if counts[1]]


def _flat(lists: pa.ListArray) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """The values of lists one after another, and where each list starts."""
    offsets = np.from_dlpack(lists.offsets).astype(np.int64)
    values: npt.NDArray[Any] = np.from_dlpack(lists.values)[offsets[0] : offsets[-1]]
    return values, offsets[:-1] - offsets[0]
