"""The plan: the shards of a run. It depends only on the inputs' bytes and the recipe."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any

from turnmill.encoder.inspect import inspect_all, require_one_form
from turnmill.encoder.session import Session
from turnmill.inputs.files import InputPart
from turnmill.inputs.find import Input
from turnmill.prepare.history_cost import HistoryCost

_KEY_LENGTH = 16

Surveys = AbstractContextManager[Iterator[tuple[str, list[InputPart]]]]


@dataclass(frozen=True)
class ShardSpec:
    """One shard: a range of one input, and the name of the files made from it."""

    key: str
    """The input key: the start of the SHA-256 of its bytes."""
    number: int
    schema: str
    part: InputPart
    input: Input
    mixed: bool = False
    """Whether the run also has inputs of other schemas; documents then get every column."""

    @property
    def name(self) -> str:
        """The shard's name in file names: ``<input key>-<n>``."""
        return f"{self.key}-{self.number:05}"

    def identity(self) -> dict[str, Any]:
        """What a receipt must match for the shard to count as done."""
        part = self.part
        return {
            "shard": self.name,
            "source": self.input.name,
            "schema": self.schema,
            "own_keys": self.input.overrides,
            "mixed": self.mixed,
            "part": [part.start, part.stop, part.first_row, part.first_line],
            "content": part.content and part.content.sha256,
        }

    def has_changed(self) -> bool:
        """Whether the input can be read and is not what it was when the run was planned."""
        try:
            return not self.input.sha256().startswith(self.key.partition(".")[0])
        except OSError:
            return False


@dataclass(frozen=True)
class PlannedInput:
    """One input with its key, schema and shards."""

    input: Input
    key: str
    schema: str
    shards: tuple[ShardSpec, ...]
    history: HistoryCost | None = None
    """What each choice of ``history`` costs on the first rows, if the recipe leaves it open."""

    def to_dict(self) -> dict[str, Any]:
        """For the run record."""
        history = {} if self.history is None else {"history": self.history}
        return {
            "name": self.input.name,
            "key": self.key,
            "format": self.input.format,
            "compression": self.input.compression,
            "schema": self.schema,
            **self._own_names(),
            **self._quota(),
            "shards": len(self.shards),
            **history,
        }

    def _own_names(self) -> dict[str, Any]:
        """Fields, roles and ignored columns of this input only, if it has any."""
        own = json.loads(self.input.overrides)
        return {key: own[key] for key in ("fields", "roles", "ignore", "carry") if key in own}

    def _quota(self) -> dict[str, Any]:
        """How many rows of this input are written, if it says so."""
        quota = asdict(self.input.quota)
        return {key: value for key, value in quota.items() if value is not None}


@dataclass(frozen=True)
class Plan:
    """Every input of a run, in order."""

    inputs: tuple[PlannedInput, ...]

    @property
    def shards(self) -> list[ShardSpec]:
        """Every shard, in the order of the rows."""
        return list(itertools.chain.from_iterable(planned.shards for planned in self.inputs))


def make_plan(inputs: list[Input], session: Session, surveys: Surveys) -> Plan:
    """Plans a run: hashes the inputs, detects their schemas and cuts them into shards.

    Args:
        inputs: What to read, in order.
        session: Detects schemas, and refuses inputs that need a decision first.
        surveys: The hash and the parts of each input, once they are known.
    """
    # On this machine the inputs are hashed while their first rows are inspected.
    with surveys as found:
        inspections = inspect_all(inputs, session)
        surveyed = list(found)
    schemas = [inspection.schema for inspection in inspections]
    recipe = session.recipe
    prompts = recipe.train_on == "none"
    require_one_form(schemas, recipe.pack, strategy=recipe.pack_strategy, prompts=prompts)
    known = [schema for schema in schemas if schema != "auto"]
    mixed = len(set(known)) > 1
    planned: list[PlannedInput] = []
    seen: dict[str, int] = {}
    for input_, inspection, (digest, parts) in zip(inputs, inspections, surveyed, strict=True):
        schema = inspection.schema
        key = _unique(digest[:_KEY_LENGTH], seen)
        # An input without rows gets the columns of the others, because they become one data set.
        read_as = schema if schema != "auto" or not known else known[0]
        shards = tuple(
            ShardSpec(key, number, read_as, part, input_, mixed)
            for number, part in enumerate(parts)
        )
        planned.append(PlannedInput(input_, key, schema, shards, inspection.history))
    return Plan(tuple(planned))


@contextlib.contextmanager
def surveyed_here(
    inputs: list[Input], threads: int | None
) -> Iterator[Iterator[tuple[str, list[InputPart]]]]:
    """The survey of each input, up to 8 at a time. An error or an interrupt stops all of them."""
    stopped = threading.Event()
    with ThreadPoolExecutor(max_workers=min(threads or os.cpu_count() or 1, 8)) as pool:
        try:
            yield pool.map(lambda input_: input_.survey(stopped), inputs)
        finally:
            stopped.set()


def _unique(key: str, seen: dict[str, int]) -> str:
    """The key, made unique: the same bytes given twice are two inputs."""
    seen[key] = seen.get(key, 0) + 1
    return key if seen[key] == 1 else f"{key}.{seen[key]}"
