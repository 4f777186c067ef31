"""Which samples of an output a report shows."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from turnmill.output.reader import Output
from turnmill.stats.index import column, index_batches
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
    looked = _Looked(_wanted(output))
    for source, lengths, rows, first in _lengths(output):
        looked.add(source, lengths, rows, first)
    picks = [Pick("random", sample) for sample in drawn]
    picks += [Pick("longest", sample) for sample in looked.longest]
    picks += [Pick("shortest", sample) for sample in looked.shortest]
    rejected = output.record["totals"]["rejected"]
    counted = {rule: sample for rule, sample in looked.found.items() if rule not in rejected}
    return picks + [Pick("finding", sample, rule) for rule, sample in counted.items()]


def first_rejects(output: Output) -> list[dict[str, Any]]:
    """The first rejected row of each rule, as `rejects.parquet` has it."""
    rejects = read_table(output.path / "rejects.parquet")
    rules = output.record["totals"]["rejected"]
    places = [pc.index(rejects["code"], rule).as_py() for rule in rules]
    rows: list[dict[str, Any]] = rejects.take([place for place in places if place >= 0]).to_pylist()
    return rows


def _wanted(output: Output) -> dict[str, dict[int, list[str]]]:
    """Rows for which rules were first counted, by source; each with these rules."""
    found: dict[str, dict[int, list[str]]] = {}
    for rule, places in output.record.get("evidence", {}).items():
        for place in places[:1]:
            rows = found.setdefault(place["source"], {})
            rows.setdefault(place["row"], []).append(rule)
    return found


def _lengths(
    output: Output,
) -> Iterator[tuple[str, npt.NDArray[Any], npt.NDArray[Any], int]]:
    """Source, lengths and rows of the samples, and the number of the first of them."""
    first = 0
    for shard in output.record["shards"]:
        for batch in index_batches(output.path / shard["index"], ["row", "length"]):
            yield shard["source"], column(batch, "length"), column(batch, "row"), first
            first += batch.num_rows


class _Looked:
    """What a pass over the index has found so far."""

    def __init__(self, wanted: dict[str, dict[int, list[str]]]) -> None:
        self.found: dict[str, int] = {}
        self._wanted = wanted
        self._longest: list[tuple[int, int]] = []
        self._shortest: list[tuple[int, int]] = []

    @property
    def longest(self) -> list[int]:
        return [-number for _, number in self._longest]

    @property
    def shortest(self) -> list[int]:
        return [number for _, number in self._shortest]

    def add(
        self, source: str, lengths: npt.NDArray[Any], rows: npt.NDArray[Any], first: int
    ) -> None:
        """Adds samples, the first of which has the number `first`."""
        order = np.argsort(lengths, kind="stable")
        shortest = [(int(lengths[i]), first + int(i)) for i in order[:_EXTREMES]]
        longest = [(int(lengths[i]), -(first + int(i))) for i in order[-_EXTREMES:]]
        self._shortest = sorted([*self._shortest, *shortest])[:_EXTREMES]
        self._longest = sorted([*self._longest, *longest], reverse=True)[:_EXTREMES]
        wanted = self._wanted.get(source, {})
        for place in np.flatnonzero(np.isin(rows, list(wanted))).tolist():
            for rule in wanted[int(rows[place])]:
                self.found.setdefault(rule, first + place)
