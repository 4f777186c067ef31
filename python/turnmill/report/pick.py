"""Which samples of an output a report shows."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from turnmill.output.places import counted_samples
from turnmill.output.reader import Output
from turnmill.stats.index import extremes
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


def _first_counted(output: Output) -> dict[str, int]:
    """The first sample for which each rule was counted."""
    found: dict[str, int] = {}
    for sample, rule in counted_samples(output, first_only=True):
        found.setdefault(rule, sample)
    return found
