"""Shards as tasks of Spark: one partition for each, and nothing is moved between machines."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from turnmill.errors import ArgumentError, TurnmillError
from turnmill.prepare.engines.engine import Task
from turnmill.prepare.engines.installed import first_line, in_use, library

_LOOK_SECONDS = 0.1
_COUNTS = ("rows", "rejects", "bytes")


class Spark:
    """Calls tasks in a session of Spark: the one in use, or one that is started.

    ``counts`` holds accumulators of what was done.
    """

    def __init__(self, address: str | None = None, threads: int | None = None) -> None:
        pyspark = library("pyspark", "pyspark", (4, 0), 5)
        session = pyspark.sql.SparkSession
        active = session.getActiveSession()
        # A session is active in one thread; its context is that of the process.
        self._is_ours = pyspark.SparkContext._active_spark_context is None
        if address is not None and not self._is_ours:
            raise in_use("Spark", "stop it first")
        self._spark = active or _started(session.builder, address, threads)
        self._context = _context(self._spark)
        self.threads = int(self._context.getConf().get("spark.task.cpus", "1"))
        if threads not in {None, self.threads}:
            message = f"a task of this session has {self.threads} processors, not {threads}"
            hint = "set spark.task.cpus where the session is made: it is the threads of each shard"
            raise ArgumentError(message, code="invalid-threads", hint=hint)
        self.counts = {name: self._context.accumulator(0) for name in _COUNTS}

    def run(self, task: Task, items: Sequence[Any]) -> Iterator[Any]:
        """Calls them in one job. Results come as accumulators do: once for each task that ends."""
        if not items:
            return
        context = self._context
        group = f"turnmill-{secrets.token_hex(4)}"
        arrived = context.accumulator(_Arrivals(), _joining())
        call = _calling(task, arrived, self.counts)

        def work() -> None:
            context.setJobGroup(group, f"turnmill: {task.name}, {len(items):,} times", True)
            context.parallelize(items, len(items)).foreach(call)

        with ThreadPoolExecutor(1) as pool:
            job = pool.submit(work)
            try:
                yield from _as_they_come(arrived, job)
            finally:
                if not job.done():
                    context.cancelJobGroup(group)

    def close(self) -> None:
        """Ends the session, if it was not in use before."""
        if self._is_ours:
            self._spark.stop()


def _started(builder: Any, address: str | None, threads: int | None) -> Any:
    # Workers run the Python of this process unless the cluster has one of its own.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = builder.appName("turnmill").config("spark.ui.showConsoleProgress", "false")
    if address is not None:
        builder = builder.master(address)
    if threads is not None:
        builder = builder.config("spark.task.cpus", str(threads))
    try:
        return builder.getOrCreate()
    except Exception as error:
        raise TurnmillError(
            f"Spark does not start: {first_line(error)}",
            code="engine-unreachable",
            path=address,
            hint="it needs Java, and a master that can be reached",
        ) from error


def _context(session: Any) -> Any:
    try:
        return session.sparkContext
    except Exception as error:
        raise ArgumentError(
            "this is a session of Spark Connect, which has no tasks of Python",
            code="invalid-engine",
            hint="use a classic session: a master such as spark://head:7077, or local[*]",
        ) from error


class _Arrivals(list[Any]):
    """Results in the order in which they came."""


def _joining() -> Any:
    from pyspark.accumulators import AccumulatorParam

    class Joining(AccumulatorParam):  # type: ignore[misc]
        """Adds lists of results up."""

        def zero(self, value: _Arrivals) -> _Arrivals:  # noqa: ARG002 - as Spark calls it
            return _Arrivals()

        def addInPlace(self, value1: _Arrivals, value2: _Arrivals) -> _Arrivals:  # noqa: N802
            value1.extend(value2)
            return value1

    return Joining()


def _calling(task: Task, arrived: Any, counts: dict[str, Any]) -> Callable[[Any], None]:
    def call(item: Any) -> None:
        result = task(item)
        arrived.add(_Arrivals([result]))
        for name, count in getattr(result, "counts", {}).items():
            counts[name].add(count)

    return call


def _as_they_come(arrived: Any, job: Future[None]) -> Iterator[Any]:
    """The results so far, again and again until the job ends."""
    seen, is_over = 0, False
    while not is_over:
        is_over = bool(wait([job], _LOOK_SECONDS).done)
        results = arrived.value[seen:]
        yield from results
        seen += len(results)
    if error := job.exception():
        raise TurnmillError(
            f"Spark gave a task up: {first_line(error)}",
            code="engine-failed",
            hint="every machine of the cluster needs turnmill; the log of Spark says more. Run "
            "the same command again to go on: finished shards are kept",
        ) from error
