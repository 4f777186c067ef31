"""What an engine costs over the run on one machine, for each core, with shards of 64 MB.

Usage::

    python benches/engines.py FILE TOKENIZER [--engines ray spark] [--shards 4] [--rounds 3]

FILE is JSON Lines; it is repeated until it has the shards. An engine gets one processor and one
thread. It is started and makes a small output and then the whole one, unmeasured: modules,
processes, tokenizer and what a JVM compiles are start-up and told apart. Then rounds of this
process alone and of the engine take turns, each with a new output, so that other work on the
machine meets both. What counts is the processor time of this process and all below it. What the
engine's own processes take while nothing is done is measured before, told, and subtracted; it
does not depend on the work.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import turnmill
from turnmill.inputs.files import PART_BYTES
from turnmill.prepare.engines import Engine, Local, opened

_IDLE_SECONDS = 10
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("tokenizer")
    parser.add_argument("--engines", nargs="+", default=["ray", "spark"])
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        repeat(given.file, place / "data.jsonl", given.shards * PART_BYTES)
        repeat(given.file, place / "small.jsonl", 0)
        size = (place / "data.jsonl").stat().st_size
        print(f"{given.shards} shards, {size / 1e6:.0f} MB, medians of {given.rounds} rounds")
        print("| engine | start-up, CPU s (wall s) | idle | alone, CPU s | CPU s | cost |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        for name in given.engines:
            print(measured(name, place, given.tokenizer, given.rounds), flush=True)


def repeat(file: Path, target: Path, size: int) -> None:
    """Writes a file that is at least so large, and no shard larger; without a size its start."""
    text = file.read_bytes()
    lines = text[: text.rindex(b"\n") + 1] if size else b"".join(text.splitlines(True)[:50])
    with target.open("wb") as out:
        out.write(lines)
        while out.tell() + len(lines) <= size:
            out.write(lines)


def measured(name: str, place: Path, tokenizer: str, rounds: int) -> str:
    """A line of the table."""
    before, clock = processor_seconds(), time.monotonic()
    with started(name) as engine:
        prepare(place / "small.jsonl", place / "out", tokenizer, engine)
        prepare(place / "data.jsonl", place / "out", tokenizer, engine)
        start = f"{since(before):.1f} ({time.monotonic() - clock:.1f})"
        prepare(place / "small.jsonl", place / "out", tokenizer, Local(threads=1))
        idle = idle_rate()
        alone, with_engine = [], []
        for _ in range(rounds):
            alone.append(cost(place, tokenizer, Local(threads=1), idle))
            with_engine.append(cost(place, tokenizer, engine, idle))
    ratios = [one / other - 1 for one, other in zip(with_engine, alone, strict=True)]
    times = f"{statistics.median(alone):.2f} | {statistics.median(with_engine):.2f}"
    percent = f"{100 * statistics.median(ratios):+.1f} %"
    return f"| {name} | {start} | {100 * idle:.1f} % of a core | {times} | {percent} |"


def idle_rate() -> float:
    """The share of a core that is taken while nothing is done."""
    before, clock = processor_seconds(), time.monotonic()
    time.sleep(_IDLE_SECONDS)
    return since(before) / (time.monotonic() - clock)


def cost(place: Path, tokenizer: str, engine: Engine, idle: float) -> float:
    """Processor seconds of one output, without those of an idle engine."""
    before, clock = processor_seconds(), time.monotonic()
    prepare(place / "data.jsonl", place / "out", tokenizer, engine)
    wall = time.monotonic() - clock
    taken = since(before) - idle * wall
    print(f"{type(engine).__name__}: {taken:.2f} s, wall {wall:.1f} s", file=sys.stderr, flush=True)
    return taken


@contextlib.contextmanager
def started(name: str) -> Iterator[Engine]:
    """An engine with one processor."""
    if name == "ray":
        import ray

        quiet: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False}
        ray.init(num_cpus=1, object_store_memory=100_000_000, logging_level="ERROR", **quiet)
    # A JVM goes on compiling for minutes what a long run has compiled at its start.
    os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")
    with opened(name, "local[1]" if name == "spark" else None, None) as engine:
        yield engine
    if name == "ray":
        ray.shutdown()


def prepare(data: Path, output: Path, tokenizer: str, engine: Engine) -> None:
    """Makes a new output."""
    shutil.rmtree(output, ignore_errors=True)
    recipe = turnmill.Recipe(tokenizer=tokenizer, max_rejects=1.0)
    turnmill.prepare(data, output, recipe, engine=engine)


Process = tuple[int, int]
"""A process by its number and start: numbers are used again."""


def since(before: dict[Process, float]) -> float:
    """Processor seconds since then. A process that ended and nobody waited for is not counted."""
    now = processor_seconds()
    return sum(seconds - before.get(process, 0.0) for process, seconds in now.items())


def processor_seconds() -> dict[Process, float]:
    """Processor time of this process and each below it, with those that they waited for."""
    parents, times, starts = {}, {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)] = int(fields[1])
                times[int(entry.name)] = sum(map(int, fields[11:15]))
                starts[int(entry.name)] = int(fields[19])
    ours = {os.getpid()}
    while more := {child for child, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return {(one, starts[one]): times[one] / _TICKS for one in ours if one in times}


if __name__ == "__main__":
    main()
