"""What it adds to a run to make a set: shuffled, deduplicated, with a validation split.

Usage::

    python benches/training_set.py [--rows 400000] [--data alpaca-en] [--rounds 3]

The rows are those of a shared data set, over and over, each told apart by its number. In every
round the same file is prepared without and with the keys, each in a process of its own on one
core, in turn. The table has the processor time (user and system, all threads), start-up included,
and the peak of the resident memory.
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
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from compare import SETS, TEMPLATE, TOKENIZER, conversations

RECIPES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "shuffled": {"shuffle": True},
    "all three": {"shuffle": True, "dedup": "exact", "validation": 0.01},
}


def write_rows(data: str, count: int, path: Path) -> None:
    """Writes so many different rows."""
    given = list(conversations(data))
    with path.open("w", encoding="utf-8") as file:
        for number, messages in enumerate(islice(cycle(given), count)):
            first = {**messages[0], "content": f"{number}. {messages[0]['content']}"}
            file.write(json.dumps({"messages": [first, *messages[1:]]}, ensure_ascii=False) + "\n")


def work(path: str, keys: dict[str, Any]) -> None:
    """The body of a measuring process."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    import turnmill

    recipe = turnmill.Recipe(tokenizer=str(TOKENIZER), template=str(TEMPLATE), **keys)
    with tempfile.TemporaryDirectory(dir=Path(path).parent) as output:
        turnmill.prepare([path], output, recipe, threads=1)
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = used.ru_utime + used.ru_stime
    print(json.dumps({"seconds": seconds, "megabytes": used.ru_maxrss / 1024}))


def measure(path: Path, keys: dict[str, Any]) -> dict[str, float]:
    """One run in a process of its own."""
    command = [sys.executable, __file__, "--work", str(path), json.dumps(keys)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def report(rounds: list[dict[str, dict[str, float]]]) -> str:
    """The table."""
    lines = ["| run | seconds | added, by round | peak MB |", "| --- | ---: | ---: | ---: |"]
    for name in RECIPES:
        runs = [each[name] for each in rounds]
        base = [each["as it is"]["seconds"] for each in rounds]
        seconds = [run["seconds"] for run in runs]
        added = sorted(s / b - 1 for s, b in zip(seconds, base, strict=True))
        lines.append(
            f"| {name} | {statistics.median(seconds):.2f} ({min(seconds):.2f} to "
            f"{max(seconds):.2f}) | {statistics.median(added):+.0%} ({added[0]:+.0%} to "
            f"{added[-1]:+.0%}) | {max(run['megabytes'] for run in runs):.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Runs the rounds and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--data", choices=sorted(SETS), default="alpaca-en")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", help="where files are written; a temporary place otherwise")
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work[0], json.loads(options.work[1]))
        return
    rounds = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder, "rows.jsonl")
        write_rows(options.data, options.rows, path)
        for _ in range(options.rounds):
            rounds.append({name: measure(path, keys) for name, keys in RECIPES.items()})
            print({n: round(r["seconds"], 2) for n, r in rounds[-1].items()}, file=sys.stderr)
    print(report(rounds))


if __name__ == "__main__":
    main()
