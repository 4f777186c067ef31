"""Which samples of an output a report shows."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from turnmill.output.reader import Output, sources_of
from turnmill.stats.index import column, extremes, index_batches
from turnmill.storage.local import read_table

_EXTREMES = 2
"""How many of the longest and of the shortest samples are shown."""


@dataclass(frozen=True)
class Pick:
    """One sample, and why it is shown."""

    why: str
    """``random``, ``longest``, ``shortest`` or ``finding``."""
    number: int
    """The sample's number in the whole output."""
    rule: str = ""
    """The rule that was counted, of a finding."""


def pick_samples(output: Output, number: int, seed: int) -> list[Pick]:
    """Samples at random, the longest, the shortest, and one for each rule that was counted.

    Args:
        output: The output.
        number: How many are drawn at random.
        seed: Another seed draws others.
    """
    total = output.record["totals"]["samples"]
    drawn = sorted(random.Random(seed).sample(range(total), min(number, total)))
    picks = [Pick("random", sample) for sample in drawn]
    for why in ("longest", "shortest"):
        found = extremes(output, _EXTREMES, longest=why == "longest")
        picks += [Pick(why, sample) for sample in found]
    rejected = output.record["totals"]["rejected"]
    counted = _first_counted(output).items()
    return picks + [
        Pick("finding", sample, rule) for rule, sample in counted if rule not in rejected
    ]


def first_rejects(output: Output) -> list[dict[str, Any]]:
    """The first rejected row of each rule, as `rejects.parquet` has it."""
    rejects = read_table(output.path / "rejects.parquet")
    rules = output.record["totals"]["rejected"]
    places = [pc.index(rejects["code"], rule).as_py() for rule in rules]
    some = pa.array([place for place in places if place >= 0], pa.int64())
    rows: list[dict[str, Any]] = rejects.take(some).to_pylist()
    return rows


def _wanted(output: Output) -> dict[str, dict[int, list[str]]]:
    """Rows for which rules were first counted, by source; each with these rules."""
    found: dict[str, dict[int, list[str]]] = {}
    for rule, places in output.record.get("evidence", {}).items():
        for place in places[:1]:
            rows = found.setdefault(place["source"], {})
            rows.setdefault(place["row"], []).append(rule)
    return found


def _first_counted(output: Output) -> dict[str, int]:
    """The first sample for which each rule was counted."""
    wanted, found, first = _wanted(output), dict[str, int](), 0
    for shard in output.record["shards"]:
        for batch in index_batches(output.path / shard["index"], ["source", "row"]):
            for source, here in sources_of(shard, batch):
                rows, rows_wanted = column(batch, "row")[here], wanted.get(source, {})
                for place in np.flatnonzero(np.isin(rows, list(rows_wanted))).tolist():
                    for rule in rows_wanted[int(rows[place])]:
                        found.setdefault(rule, first + int(here[place]))
            first += batch.num_rows
    return found
