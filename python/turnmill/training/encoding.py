"""An iterable data set straight from the sources: rows are encoded while the model trains."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Unpack

from turnmill._arguments import MOST_SEED, whole_number
from turnmill._recipe_argument import recipe_of, takes_keys
from turnmill._recipe_keys import EncodingKeys
from turnmill.errors import DataError, RecipeError
from turnmill.recipe import Input, Recipe
from turnmill.training.share import Share, numbers_of, same_state

if TYPE_CHECKING:
    from turnmill.encoder.session import Session
    from turnmill.training.chunks import Chunk

_VERSION = 1
CHUNK_ROWS = 1024
_JUDGED_AFTER = 10_000
"""Rows after which the share of rejects counts."""


class EncodingDataset:
    """Encodes rows while they are read; no file is written.

    Rows are taken in chunks, one chunk by each rank in turn. Every rank reads the inputs,
    and encodes its own chunks only. Samples are the same as :func:`turnmill.prepare` writes, as
    dicts of numpy arrays: ``input_ids`` and ``labels``, int32[tokens], and ``weights``,
    float32[tokens], if they are asked for. Ranks may get different numbers of samples: count steps,
    not epochs.

    An iteration ends with the epoch. One that was left, or a state that was loaded, continues to
    the sample; the rows before are read again, not encoded. :meth:`torch` gives it to a
    ``DataLoader``.

    Args:
        inputs: What is read, as for :func:`turnmill.prepare`.
        recipe: How to make samples from the rows.
        tokenizer: The tokenizer, as in a recipe.
        shuffle: Shuffle the samples of each chunk; chunks stay in order.
        seed: Another seed gives other orders.
        rank: This process among those that share the rows, from 0.
        world_size: How many share them.
        weights: Whether samples have ``weights``.
        chunk_rows: Rows of a chunk. Where there are fewer chunks than ranks and workers, some get
            no sample.
        threads: Threads that encode; one by default, because workers run beside each other.
        **keys: Recipe keys, such as ``max_length=4096``; they win over the recipe.

    Raises:
        ArgumentError: An argument has a type or a value that it cannot have.
        RecipeError: The recipe chooses among rows, which only a written set can do; or it needs a
            decision.
        DataError: There are no rows; or, in an iteration, more rejects than ``max_rejects`` allows.
    """

    @takes_keys(EncodingKeys)
    def __init__(
        self,
        inputs: Any,
        recipe: Recipe | None = None,
        *,
        tokenizer: str | os.PathLike[str] | None = None,
        shuffle: bool = False,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        weights: bool = False,
        chunk_rows: int = CHUNK_ROWS,
        threads: int = 1,
        **keys: Unpack[EncodingKeys],
    ) -> None:
        from turnmill.inputs.find import repeatable

        columns = ("input_ids", "labels", *(["weights"] if weights else []))
        chosen = recipe_of(recipe, tokenizer, keys)
        _refuse_choices(chosen, inputs)
        self._recipe = dataclasses.replace(chosen, columns=columns)
        self._data = repeatable(inputs)
        self._shuffle = bool(shuffle)
        self._seed = whole_number(seed, "seed", 0, MOST_SEED)
        self._threads = whole_number(threads, "threads", 1, 1 << 16)
        self._chunk_rows = whole_number(chunk_rows, "chunk_rows", 1, 1 << 20)
        self._share = Share.of(rank, world_size)
        self._epoch = self._chunk = self._taken = 0
        self.counts: dict[str, int] = {}
        """How often each rule was counted in the chunks read so far, rejects included."""
        self.rows = self.rejected = 0
        """Rows read so far, and how many of them gave no sample."""
        self._open()

    def _open(self) -> None:
        from turnmill.encoder.inspect import inspect_input
        from turnmill.encoder.ready import ready

        self._session: Session
        self._session, inputs = ready(self._recipe, self._data)
        self._inputs = [(found, inspect_input(found, self._session).schema) for found in inputs]
        facts = self._session.facts()
        self.pad_id: int | None = (facts.get("pad") or {}).get("id")
        """The tokenizer's pad token, if it has one."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The samples of the rest of the epoch."""
        from turnmill.training.chunks import chunks

        empty = True
        for chunk in chunks(self._inputs, self._chunk_rows):
            empty = False
            if chunk.number >= self._chunk and self._is_mine(chunk.number):
                yield from self._samples(chunk)
        if empty:
            raise DataError("the inputs hold no rows", code="no-rows", hint="name other inputs")
        self._judge()
        self.set_epoch(self._epoch + 1)

    def _is_mine(self, number: int) -> bool:
        return number % self._share.step == self._share.first % self._share.step

    def _samples(self, chunk: Chunk) -> Iterator[dict[str, Any]]:
        from turnmill.training.chunks import encode_chunk
        from turnmill.training.order import shuffled

        if chunk.number > self._chunk:
            self._chunk, self._taken = chunk.number, 0
        encoded = encode_chunk(chunk, self._session, self._threads)
        self._count(encoded.rows, encoded.rejected, encoded.counts)
        order: Any = range(len(encoded))
        if self._shuffle:
            order = shuffled(len(encoded), self._seed, (self._epoch << 32) + chunk.number)
        while self._taken < len(encoded):
            self._taken += 1
            yield encoded.sample(int(order[self._taken - 1]))
        self._chunk, self._taken = chunk.number + 1, 0

    def _count(self, rows: int, rejected: int, counts: dict[str, int]) -> None:
        self.rows += rows
        self.rejected += rejected
        for rule, number in counts.items():
            self.counts[rule] = self.counts.get(rule, 0) + number
        if self.rows >= _JUDGED_AFTER:
            self._judge()

    def _judge(self) -> None:
        """Stops where too many rows are rejected: a model would train on the wrong ones."""
        if self.rejected <= self._recipe.max_rejects * self.rows:
            return
        common = sorted(self.counts.items(), key=lambda item: -item[1])[:3]
        told = ", ".join(f"{rule} {number:,}" for rule, number in common)
        raise DataError(
            f"{self.rejected:,} of {self.rows:,} rows are rejected: {told}",
            code="too-many-rejects",
            hint="`turnmill check` says where and why; max_rejects allows more",
        )

    def set_epoch(self, epoch: int) -> None:
        """Goes to the start of an epoch, from 0."""
        self._epoch = whole_number(epoch, "epoch", 0, (1 << 31) - 1)
        self._chunk = self._taken = 0

    def state_dict(self) -> dict[str, Any]:
        """Where the stream is: plain numbers and words, for a checkpoint."""
        place = {"epoch": self._epoch, "chunk": self._chunk, "taken": self._taken}
        return {**self._identity(), **place}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes to where another stream was, with as many ranks and workers.

        The inputs must not have changed; only their names are compared.

        Raises:
            ArgumentError: It is not a state.
            DataError: The state is of other inputs, another recipe, seed, or number of ranks.
        """
        same_state(state, self._identity())
        self._epoch, self._chunk, self._taken = numbers_of(state, "epoch", "chunk", "taken")

    def torch(self) -> Any:
        """This data set as a ``torch.utils.data.IterableDataset``, whose workers share the rows."""
        from turnmill.training.torch import TorchIterable

        return TorchIterable(self)

    def for_worker(self, worker: int, workers: int) -> None:
        """Takes the share of one worker of this rank."""
        self._share = dataclasses.replace(self._share, worker=worker, workers=workers)

    def _identity(self) -> dict[str, Any]:
        return {
            "version": _VERSION,
            "inputs": [found.name for found, _ in self._inputs],
            "recipe": self._fingerprint(),
            "shuffle": self._shuffle,
            "seed": self._seed,
            "chunk_rows": self._chunk_rows,
            **self._share.to_dict(),
        }

    def _fingerprint(self) -> str:
        """A hash of the recipe and the tokenizer."""
        import hashlib
        import json

        keys = {**self._recipe.to_dict(), "inputs": None, "tokenizer": None}
        told = json.dumps([keys, self._session.identity()], sort_keys=True, default=str)
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def __getstate__(self) -> dict[str, Any]:
        left = ("_session", "_inputs")
        return {name: value for name, value in vars(self).items() if name not in left}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._open()


def _refuse_choices(recipe: Recipe, inputs: Any) -> None:
    """Refuses keys that need all rows before the first sample."""
    defaults = Recipe()
    chosen = [
        name
        for name in ("dedup", "validation", "shuffle", "pack")
        if (value := getattr(recipe, name)) and value != getattr(defaults, name)
    ]
    given = inputs if isinstance(inputs, list | tuple) else [inputs]
    chosen += [
        name
        for name in ("weight", "cap")
        if any(isinstance(item, Input) and getattr(item, name, None) is not None for item in given)
    ]
    if chosen:
        raise RecipeError(
            f"{' and '.join(chosen)} cannot be applied while rows are read: they need all rows",
            code="needs-a-set",
            hint="write the set with turnmill.prepare, and read it with turnmill.IterableDataset",
        )
