"""What tests of engines share: inputs of several shards, and engines that misbehave."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import turnmill
from file_hashes import hashes
from small_rows import TOKENIZER, rows
from turnmill.prepare.engines import Engine, Task, opened
from turnmill.prepare.result import Run

EVERYTHING: dict[str, Any] = {
    "dedup": "exact",
    "validation": 0.2,
    "shuffle": True,
    "seed": 3,
    "carry": ["id"],
}


def write_inputs(count: int = 10, each: int = 30) -> None:
    """Files with some rows in common, each with one that is rejected."""
    for number in range(count):
        found = [{**row, "id": n} for n, row in enumerate(rows(each, start=number * each * 2 // 3))]
        text = "".join(json.dumps(row) + "\n" for row in found)
        Path(f"a{number}.jsonl").write_text(text + "no JSON\n", "utf-8")


def prepare(output: str, engine: Any = "local", weight: str | None = None, **keys: Any) -> Run:
    """A run over the inputs; ``weight`` makes it draw from one of them."""
    inputs = [turnmill.Input("a0.jsonl", weight=weight), *sorted(map(str, Path().glob("a[1-9]*")))]
    recipe = turnmill.Recipe(tokenizer=TOKENIZER, **keys)
    return turnmill.prepare(inputs, output, recipe, engine=engine)


def assert_same_bytes() -> None:
    """``out`` has the files of ``whole``, byte for byte, and no others."""
    assert hashes("out") == hashes("whole")


@dataclass(frozen=True)
class Mortal:
    """A task whose process dies in the middle of one of its calls, once."""

    task: Task
    mark: str
    name: str = "shard"

    def __call__(self, item: Any) -> Any:
        """Dies after the first file of a shard has its name, if nothing has died yet."""
        real = os.replace

        def replace(*arguments: Any) -> None:
            real(*arguments)
            with contextlib.suppress(FileExistsError), Path(self.mark).open("x"):
                os.kill(os.getpid(), signal.SIGKILL)

        if not Path(self.mark).exists():
            setattr(os, "replace", replace)  # noqa: B010
        try:
            return self.task(item)
        finally:
            setattr(os, "replace", real)  # noqa: B010


@dataclass(frozen=True)
class Deadly:
    """An engine, one of whose workers dies in the middle."""

    engine: Engine
    mark: str

    @property
    def threads(self) -> int | None:
        """Those of the engine."""
        return self.engine.threads

    def run(self, task: Task, items: Sequence[Any]) -> Iterator[Any]:
        """Calls a mortal task."""
        return self.engine.run(Mortal(task, self.mark), items)

    def close(self) -> None:
        """Does nothing: the engine is shared."""


@dataclass(frozen=True)
class Twice:
    """An engine that starts every call twice, at about the same time."""

    engine: Engine

    @property
    def threads(self) -> int | None:
        """Those of the engine."""
        return self.engine.threads

    def run(self, task: Task, items: Sequence[Any]) -> Iterator[Any]:
        """Calls the task on each item and on its copy."""
        return self.engine.run(task, [item for item in items for _ in range(2)])

    def close(self) -> None:
        """Does nothing: the engine is shared."""


@dataclass(frozen=True)
class Slow:
    """A task whose first call takes as long as no test does."""

    task: Task
    mark: str
    name: str = "shard"

    def __call__(self, item: Any) -> Any:
        """Waits, if nobody has waited yet."""
        with contextlib.suppress(FileExistsError):
            Path(self.mark).touch(exist_ok=False)
            time.sleep(3600)
        return self.task(item)


@dataclass(frozen=True)
class Slowed:
    """An engine, one of whose calls hangs."""

    engine: Engine
    mark: str

    @property
    def threads(self) -> int | None:
        """Those of the engine."""
        return self.engine.threads

    def run(self, task: Task, items: Sequence[Any]) -> Iterator[Any]:
        """Calls a slow task for the shards."""
        return self.engine.run(Slow(task, self.mark) if task.name == "shard" else task, items)

    def close(self) -> None:
        """Does nothing: the engine is shared."""


@contextlib.contextmanager
def started_ray() -> Iterator[Engine]:
    """Ray on this machine, as small as it gets."""
    ray = pytest.importorskip("ray", reason="the extra `engines` is not installed")
    os.environ["RAY_AUTH_MODE"] = "disabled"
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=100_000_000,
        log_to_driver=False,
        logging_level="ERROR",
    )
    try:
        with opened("ray", None, None) as found:
            yield found
    finally:
        ray.shutdown()
