"""Small data for tests of whole sets, and what two outputs are compared by."""

from __future__ import annotations

import filecmp
import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from killed_runs import KilledRuns

Row = dict[str, Any]

RUN_FACTS = {"run.json", "lock"}
"""Files that may differ between two runs: times, host, threads."""


def talk(question: str, answer: str, **more: Any) -> Row:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": messages, **more}


def numbered(count: int, first: int = 0, lengths: int = 1) -> list[Row]:
    """Conversations with an ``id``; their answers have so many lengths in turn."""
    return [
        talk(f"What is {n}?", f"It is {n}." * (n % lengths + 1), id=n)
        for n in range(first, first + count)
    ]


def write(path: Path, rows: list[Row]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(path)


def record(output: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((output / "turnmill.json").read_text("utf-8"))
    return found


def entries(output: Path, split: str | None = None) -> list[dict[str, Any]]:
    """The index of an output, in order."""
    return [
        entry
        for shard in record(output)["shards"]
        if split in (None, shard.get("split"))
        for entry in pq.read_table(output / shard["index"]).to_pylist()
    ]


def places(output: Path, split: str | None = None) -> list[tuple[str, int]]:
    """Source and row of every sample, in order."""
    return [(entry["source"], entry["row"]) for entry in entries(output, split)]


def files_of(folder: Path) -> list[str]:
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in paths if path.name not in RUN_FACTS)


def assert_same_bytes(first: Path, second: Path) -> None:
    assert files_of(first) == files_of(second)
    assert not [n for n in files_of(first) if not filecmp.cmp(first / n, second / n, False)]


def defined_on(page: Path) -> dict[str, Any]:
    """What the code on a page of the documentation defines."""
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(# .*?)```", page.read_text("utf-8"), re.DOTALL):
        exec(block, names)
    return names


def assert_killed_runs_end_with_the_same_bytes(run: str, point: str, every: int) -> None:
    """Runs into ``out``, each killed later, until one ends, and compares it with ``whole``.

    Args:
        run: A program for :class:`KilledRuns`, which makes two splits.
        point: The name of the function of ``os`` at which the runs die.
        every: Calls between two kills.
    """
    kills = 0
    with KilledRuns(run) as runs:
        assert runs.run("whole") == 0
        for _ in runs.kills("out", point, every=every):
            kills += 1
            if Path("out/dataset_dict.json").exists():
                written = {*files_of(Path("out")), "manifest.json"}
                assert written >= set(files_of(Path("whole"))), "all but what is written last"
    assert kills > 3
    assert_same_bytes(Path("out"), Path("whole"))
