"""Where the processor time of one run goes: start-up, threads, and raw tokenization beside it.

Usage::

    python benches/path.py FILE TOKENIZER [--template FILE] [--cores N] [--rounds 5] [--json]

Every round is a fresh process bound to the given cores. ``prepare`` runs over the first rows of
FILE first, which is start-up: modules, tokenizer, the probes of the template. Then over the whole
file: that less start-up is the steady part. The rows are then rendered and their texts tokenized
alone, for the share of the path that is not tokenization. All times are processor time (user and
system, all threads) but for the wall time of the run, which says how well the cores were used.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from itertools import islice
from pathlib import Path
from typing import Any

FIRST_ROWS = 20


class Clock:
    """Processor time of the process, of the thread it is used on and of Python's other threads."""

    def __init__(self) -> None:
        self.threads: dict[str, float] = {}
        run = threading.Thread.run

        def timed(thread: threading.Thread) -> None:
            start = time.thread_time()
            try:
                run(thread)
            finally:
                name = thread.name.removeprefix("turnmill-").split("_")[0].split("-")[0]
                used = time.thread_time() - start
                self.threads[name] = self.threads.get(name, 0.0) + used

        threading.Thread.run = timed  # type: ignore[assignment, method-assign]

    def measure(self, work: Any) -> dict[str, float]:
        """Seconds that ``work`` took, in all and by thread; ``pool`` is what no other names."""
        self.threads.clear()
        before, own, wall = resource.getrusage(0), time.thread_time(), time.perf_counter()
        faults = before.ru_minflt
        work()
        after = resource.getrusage(0)
        own = time.thread_time() - own
        user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
        others = sum(self.threads.values())
        return {
            "wall": time.perf_counter() - wall,
            "cpu": user + system,
            "system": system,
            "main": own,
            **self.threads,
            "pool": user + system - own - others,
            "faults": float(after.ru_minflt - faults),
        }


def first_rows(path: Path, folder: Path) -> Path:
    """The first rows of a file as a file of its own."""
    target = folder / f"first{path.suffix}"
    if path.suffix == ".json":
        rows = json.loads(path.read_text("utf-8"))[:FIRST_ROWS]
        target.write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    else:
        with path.open("rb") as file:
            target.write_bytes(b"".join(islice(file, FIRST_ROWS)))
    return target


def texts_of(output: Path, tokenizer: Any) -> Any:
    """The rendered texts of a written data set, from its ids."""
    import numpy as np
    import pyarrow as pa

    vocabulary = tokenizer._token_bytes(range(tokenizer.vocab_size))
    texts = []
    for path in sorted(output.glob("data-*.arrow")):
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as reader:
            for batch in reader:
                for ids in batch["input_ids"]:
                    row = np.asarray(ids.values)
                    texts.append(b"".join([vocabulary[i] for i in row]).decode("utf-8", "replace"))
    return pa.array(texts, pa.large_string())


def work(options: argparse.Namespace) -> None:
    """The body of a measuring process."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    clock = Clock()
    data = Path(options.file)

    def prepare(path: Path, output: Path) -> None:
        import turnmill

        recipe = turnmill.Recipe(tokenizer=options.tokenizer, template=options.template)
        turnmill.prepare([str(path)], output, recipe, threads=options.cores)

    with tempfile.TemporaryDirectory() as folder:
        first = first_rows(data, Path(folder))
        output = Path(folder, "out")
        cold = clock.measure(lambda: prepare(first, Path(folder, "cold")))
        warm = clock.measure(lambda: prepare(first, Path(folder, "warm")))
        whole = clock.measure(lambda: prepare(data, output))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

        from turnmill import Tokenizer

        tokenizer = Tokenizer(options.tokenizer)
        texts = texts_of(output, tokenizer)
        raw = clock.measure(lambda: tokenizer.encode_batch(texts, threads=options.cores))
        raw["bytes"] = float(texts.nbytes)
    print(
        json.dumps({"cold": cold, "warm": warm, "whole": whole, "raw": raw, "peak": {"MB": peak}})
    )


def content_megabytes(path: Path) -> float:
    """MB (10^6 bytes of UTF-8) of message content."""
    text = path.read_text("utf-8")
    lines = filter(None, text.split("\n"))
    rows = json.loads(text) if path.suffix == ".json" else map(json.loads, lines)
    return sum(_content(row) for row in rows) / 1e6


def _content(row: dict[str, Any]) -> int:
    if "instruction" in row:
        return sum(len(row[key].encode()) for key in ("instruction", "input", "output"))
    messages = row.get("messages") or row["conversations"]
    return sum(len((m.get("content") or m.get("value") or "").encode()) for m in messages)


def report(rounds: list[dict[str, dict[str, float]]], size: float) -> str:
    """Medians as text."""

    def median(part: str, key: str) -> float:
        return statistics.median(done[part].get(key, 0.0) for done in rounds)

    start, warm, whole = (median(part, "cpu") for part in ("cold", "warm", "whole"))
    steady, raw = whole - warm, median("raw", "cpu")
    wall = median("whole", "wall") - median("warm", "wall")
    threads = [key for key in rounds[0]["whole"] if key not in {"wall", "cpu", "faults"}]
    lines = [
        f"{size:.1f} MB of message content, {median('raw', 'bytes') / 1e6:.1f} MB rendered",
        f"start-up, modules included          {start:8.3f} s",
        f"start-up of a second run            {warm:8.3f} s",
        f"the run                             {whole:8.3f} s {size / whole:8.1f} MB/s",
        *(f"  {name:<34}{median('whole', name):8.3f} s" for name in threads),
        f"steady: the run less start-up       {steady:8.3f} s {size / steady:8.1f} MB/s",
        f"raw tokenization of the same text   {raw:8.3f} s {size / raw:8.1f} MB/s",
        f"steady less raw tokenization        {steady - raw:8.3f} s"
        f" {size / (steady - raw):8.1f} MB/s",
        f"whole path against raw tokenization {100 * raw / steady:8.0f} %",
        f"wall time of the steady part        {wall:8.3f} s {size / wall:8.1f} MB/s",
        f"cores in use (processor / wall)     {steady / wall:8.2f}",
        f"page faults {median('whole', 'faults'):.0f}, peak memory {median('peak', 'MB'):.0f} MB",
    ]
    return "\n".join(lines)


def main() -> None:
    """Runs the rounds and prints the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file")
    parser.add_argument("tokenizer")
    parser.add_argument("--template")
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options)
        return
    rounds = []
    for _ in range(options.rounds):
        command = [sys.executable, __file__, *sys.argv[1:], "--work"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr)
        rounds.append(json.loads(done.stdout.splitlines()[-1]))
    print(report(rounds, content_megabytes(Path(options.file))))


if __name__ == "__main__":
    main()
