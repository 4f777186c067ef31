"""What every engine relies on, with processes of this machine as the workers."""

from __future__ import annotations

import multiprocessing
import pickle
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import turnmill
from engine_runs import EVERYTHING, assert_same_bytes, prepare, write_inputs
from small_rows import TOKENIZER
from turnmill.inputs import files
from turnmill.inputs.files import FileInput
from turnmill.prepare.engines import Task, installed, opened
from turnmill.prepare.engines.installed import library
from turnmill.prepare.progress import Progress


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(files, "PART_BYTES", 2000)
    write_inputs(5, 60)


class Processes:
    """An engine as another package could write it."""

    threads = 1

    def __init__(self, address: str | None = None, threads: int | None = None) -> None:
        assert (address, threads) == (None, None)

    def run(self, task: Task, items: Sequence[Any]) -> Iterator[Any]:
        """Calls them in two processes that share nothing with this one."""
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
            for future in as_completed([pool.submit(task, item) for item in reversed(items)]):
                yield future.result()

    def close(self) -> None:
        """Does nothing."""


class Posted:
    """Everything travels as bytes, and comes back last first, and twice."""

    threads = 1

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def run(self, task: Task, items: Sequence[Any]) -> Iterator[Any]:
        """Calls them here, as a worker would."""
        for item in [*reversed(items), *items]:
            content = pickle.dumps((task, item))
            self.sizes.append(len(content))
            there, what = pickle.loads(content)
            yield pickle.loads(pickle.dumps(there(what)))

    def close(self) -> None:
        """Does nothing."""


@pytest.mark.slow
def test_other_processes_write_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    # What is set here is not set there.
    monkeypatch.setattr(files, "PART_BYTES", 64 << 20)
    prepare("whole", weight="1.5 epochs", **EVERYTHING)
    prepare("out", Processes(), weight="1.5 epochs", **EVERYTHING)
    assert_same_bytes()


@pytest.mark.parametrize("keys", [{}, EVERYTHING, {"template": "chatml", "stop": ["<|im_end|>"]}])
def test_any_order_and_copies_change_nothing(keys: dict[str, Any]) -> None:
    alone = prepare("whole", **keys)
    engine = Posted()
    made = prepare("out", engine, **keys)
    assert_same_bytes()
    assert (made.rows, made.shards, made.shards_reused) == (alone.rows, 10, 0)
    assert prepare("out", Posted(), **keys).shards_reused == 10
    # The tokenizer alone has more.
    assert max(engine.sizes) < 2000


def test_a_call_in_this_process_leaves_the_threads_of_pyarrow() -> None:
    before = pa.cpu_count()
    seen: list[int] = []

    class Watching(Posted):
        threads = 3

        def run(self, task: Task, items: Sequence[Any]) -> Iterator[Any]:
            """Notes the threads after each call."""
            for made in super().run(task, items):
                seen.append(pa.cpu_count())
                yield made

    pa.set_cpu_count(5)
    try:
        prepare("out", Watching())
        assert set(seen) == {5}
    finally:
        pa.set_cpu_count(before)


def test_the_progress_counts_shards_as_they_come() -> None:
    told: list[Progress] = []
    inputs = sorted(map(str, Path().glob("a*")))
    turnmill.prepare(inputs, "out", tokenizer=TOKENIZER, engine=Posted(), progress=told.append)
    assert [one.shards_done for one in told] == list(range(1, 11))
    assert told[-1].done == 1.0
    assert told[-1].rows == 305
    shares = [one.done for one in told]
    assert shares == sorted(shares)


def test_an_engine_that_loses_a_shard_ends_in_an_error() -> None:
    class Losing(Posted):
        def run(self, task: Task, items: Sequence[Any]) -> Iterator[Any]:
            """Leaves the last out."""
            return super().run(task, items[:-1] if task.name == lost else items)

    for lost in ("survey", "shard"):
        with pytest.raises(
            turnmill.TurnmillError, match=f"of the task {lost} 1 of the results"
        ) as caught:
            prepare("out", Losing())
    assert caught.value.code == "engine-failed"
    assert not Path("out/turnmill.json").exists()
    prepare("whole")
    assert prepare("out", Posted()).shards_reused == 9
    assert_same_bytes()


def test_the_order_is_gone_after_a_run_and_after_a_failure() -> None:
    class Failing(Posted):
        def run(self, task: Task, items: Sequence[Any]) -> Iterator[Any]:
            """Does the first shard and fails."""
            if task.name == "survey":
                yield from super().run(task, items)
                return
            yield from super().run(task, items[:1])
            raise RuntimeError("the cluster is gone")

    with pytest.raises(RuntimeError, match="the cluster is gone"):
        prepare("out", Failing())
    assert not list(Path("out/.turnmill").glob(".tmp-*"))
    prepare("out", Posted())
    assert not list(Path("out").rglob(".tmp-*"))


def test_an_order_that_was_changed_is_not_loaded() -> None:
    class Changed(Posted):
        def run(self, task: Task, items: Sequence[Any]) -> Iterator[Any]:
            """Replaces what workers would load."""
            for order in Path("out/.turnmill").glob(".tmp-order-*"):
                order.write_bytes(pickle.dumps("something else"))
            return super().run(task, items)

    with pytest.raises(turnmill.DataError, match="the order of the run was changed"):
        prepare("out", Changed())


def test_an_input_that_changes_during_the_run() -> None:
    class Changing(Posted):
        def run(self, task: Task, items: Sequence[Any]) -> Iterator[Any]:
            """Changes a letter in each part of an input, once it is planned."""
            if task.name == "survey":
                return super().run(task, items)
            path = Path("a0.jsonl")
            text = path.read_text("utf-8").replace('question 5"', 'question 6"')
            path.write_text(text.replace('question 55"', 'question 56"'), "utf-8")
            return super().run(task, items)

    with pytest.raises(turnmill.DataError, match="not what it was when the run began") as caught:
        prepare("out", Changing())
    assert caught.value.code == "source-changed"


def test_a_part_that_is_sent_is_vouched_for_by_itself() -> None:
    input_ = FileInput("a0.jsonl", "lines")
    _, here = input_.survey(threading.Event())
    _, sent = input_.survey(threading.Event(), sent=True)
    assert here == sent
    assert len(sent) == 2
    for part in pickle.loads(pickle.dumps(sent)):
        assert b"".join(block for block, _ in input_.blocks(part)).count(b"\n") > 10
    text = Path("a0.jsonl").read_text("utf-8")
    Path("a0.jsonl").write_text(text.replace("question 59", "question 58"), "utf-8")
    first, second = pickle.loads(pickle.dumps(sent))
    assert list(input_.blocks(first))
    with pytest.raises(turnmill.DataError, match="not what it was"):
        list(input_.blocks(second))


def test_an_engine_of_another_package(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint

    def entry_points(*, group: str, name: str | None = None) -> list[EntryPoint]:
        found = EntryPoint("processes", "test_engines:Processes", group)
        monkeypatch.setattr(EntryPoint, "load", lambda _: Processes)
        return [found] if group == "turnmill.engines" and name in {None, "processes"} else []

    monkeypatch.setattr(sys.modules[opened.__module__], "entry_points", entry_points)
    with opened("processes", None, None) as engine:
        assert isinstance(engine, Processes)
    for wrong in ("slurm", 3):
        with pytest.raises(turnmill.ArgumentError, match="engine cannot be") as caught:
            prepare("out", wrong)
        assert caught.value.hint == "engines: local, processes, ray, spark"


def test_a_library_that_is_missing_or_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(turnmill.TurnmillError, match="needs the package nosuch") as caught:
        library("nosuch", "nosuch", (1, 0), 2)
    assert caught.value.code == "no-engine"
    for found, known in (("2.8.1", False), ("2.9.0", True), ("2.60.0", True), ("3.0.0rc1", False)):
        monkeypatch.setattr(installed, "version", lambda _, v=found: v)
        if known:
            assert library("json", "ray", (2, 9), 3).dumps(1) == "1"
            continue
        with pytest.raises(turnmill.TurnmillError, match=f"does not know ray {found}") as caught:
            library("json", "ray", (2, 9), 3)
        assert caught.value.code == "unknown-engine-version"


def test_a_part_and_an_engine_are_not_both_asked_for() -> None:
    with pytest.raises(turnmill.ArgumentError, match="a part is made by one machine"):
        turnmill.prepare("a0.jsonl", "out", tokenizer=TOKENIZER, engine="ray", shard=(1, 2))
    with pytest.raises(turnmill.ArgumentError, match="the engine local has no address"):
        turnmill.prepare("a0.jsonl", "out", tokenizer=TOKENIZER, engine_address="auto")
