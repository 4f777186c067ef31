"""The samples of the rows for which a run recorded that a rule was counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from turnmill.output.index import IndexFile, numbers
from turnmill.output.reader import Output, naming, sources_of


def counted_samples(output: Output, *, first_only: bool = False) -> Iterator[tuple[int, str]]:
    """Samples by their number in the whole output, each with a rule that was counted for its row.

    Only row groups are read that may hold such rows.

    Args:
        output: The output.
        first_only: Whether only the first row of each rule is wanted.
    """
    wanted = _recorded_places(output, 1 if first_only else None)
    before = 0
    for shard in output.record["shards"]:
        rows = _rows_in(shard, wanted)
        file = IndexFile(output.path / shard["index"])
        for group in file.groups if len(rows) else []:
            bounds = group.bounds("row")
            if bounds is None or np.any((rows >= bounds[0]) & (rows <= bounds[1])):
                table = file.read(group, naming(shard, ["row"]))
                yield from _counted(shard, table, wanted, before + group.first)
        before += shard["samples"]


def _recorded_places(output: Output, most: int | None) -> dict[str, dict[int, list[str]]]:
    """Rows that rules were counted for, by source, each with the rules."""
    found: dict[str, dict[int, list[str]]] = {}
    for rule, places in output.record.get("evidence", {}).items():
        for place in places[:most]:
            rows = found.setdefault(place["source"], {})
            rows.setdefault(place["row"], []).append(rule)
    return found


def _rows_in(shard: dict[str, Any], wanted: dict[str, dict[int, list[str]]]) -> np.ndarray:
    """The wanted rows of the inputs that a data file may hold."""
    sources = wanted if shard["source"] is None else [shard["source"]]
    return np.array([row for source in sources for row in wanted.get(source, {})], np.int64)


def _counted(
    shard: dict[str, Any], table: Any, wanted: dict[str, dict[int, list[str]]], first: int
) -> Iterator[tuple[int, str]]:
    every = numbers(table, "row")
    for source, here in sources_of(shard, table):
        rows = every[here]
        for place in np.flatnonzero(np.isin(rows, list(wanted.get(source, {})))).tolist():
            for rule in wanted[source][int(rows[place])]:
                yield first + int(here[place]), rule
