"""Verifies an output against its sources: makes it again, compares it, and replays it.

The rows of every shard are read from the sources once more and encoded with the recipe of the run
record. The ids and labels in the written files have to be the same, and every turn is replayed
against the prompt that the template renders.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from turnmill.check.finding import Finding
from turnmill.check.findings import Findings
from turnmill.check.origins import lost_sources
from turnmill.check.written_samples import WrittenSamples, digests, keys_of
from turnmill.encoder.feed import outputs
from turnmill.encoder.session import Session, ShardOptions
from turnmill.errors import TurnmillError
from turnmill.inputs.find import find_inputs
from turnmill.output.columns import int64s
from turnmill.output.reader import Output, recorded_recipe
from turnmill.prepare.plan import ShardSpec, make_plan, surveyed_here
from turnmill.storage.local import read_table
from turnmill.storage.remote import AnyPath


@dataclass(frozen=True)
class Verified:
    """The result of a second run over the sources."""

    replay: dict[str, Any]
    """The replayed turns, as in the facts of the findings."""
    notes: list[str]
    """Settings that the server needs."""
    different: Finding | None
    """Turns whose prompt is not the server's, by sample."""
    changed: list[str]
    """Places where the written samples differ from what the sources give."""

    def added_to(self, findings: Findings) -> Findings:
        """Adds the result to the findings."""
        notes = [*findings.facts["notes"], *self.notes]
        findings = findings.with_facts(replay=self.replay, notes=notes)
        for note in self.changed:
            findings = findings.with_note("stale-cache", note)
        if self.different is None:
            return findings
        found = self.different
        return findings.with_places("prompt-parity", found.count, found.evidence)


def verify(
    directory: AnyPath, record: dict[str, Any], tokenizer: str, threads: int | None, keep: int
) -> Verified | str:
    """Makes the samples of an output again, or says why that is not possible."""
    output = Output(directory, record)
    if not output.sources:
        return "no source is recorded"
    try:
        session = Session(recorded_recipe(record, tokenizer))
        inputs = find_inputs([output.input(source) for source in output.sources])
        plan = make_plan(inputs, session, surveyed_here(inputs, threads))
    except (TurnmillError, OSError) as error:
        return _why(output, str(error))
    if [planned.key for planned in plan.inputs] != [item["key"] for item in record["inputs"]]:
        return _why(output, "they are different now")
    second = _SecondRun(session, threads, keep, WrittenSamples(directory, record))
    rejects = read_table(directory / "rejects.parquet", ["source", "row"])
    for planned, source in zip(plan.inputs, output.sources, strict=True):
        left_out = int64s(rejects.filter(pc.field("source") == source)["row"])
        for spec in planned.shards:
            second.add(spec, source, left_out)
    return second.verified()


def _why(output: Output, otherwise: str) -> str:
    """Why the sources are of no use: each that is gone or different is named."""
    return ", ".join(lost_sources(output)) or otherwise


class _SecondRun:
    """The shards that were made again so far."""

    def __init__(
        self, session: Session, threads: int | None, keep: int, written: WrittenSamples
    ) -> None:
        self._session = session
        self._threads = threads
        self._check = session.open_check(keep)
        self._written = written
        self._lost: dict[str, int] = {}
        """Samples that are in no file, by their input."""

    def add(self, spec: ShardSpec, source: str, left_out: npt.NDArray[np.int64]) -> None:
        """Makes a shard again and compares it with what was written.

        Args:
            spec: The shard.
            source: What the output calls the input.
            left_out: Rows of it that were not written.
        """
        options = ShardOptions.of(
            spec.input, spec.schema, spec.part, threads=self._threads, mixed=spec.mixed
        )
        shard = self._session.open_shard(options, self._check)
        for output in outputs(shard, spec.input, spec.part):
            for index, samples in zip(output.index, output.samples, strict=True):
                found = pa.record_batch(index)
                rows = np.from_dlpack(found["row"])
                keys = keys_of(rows, np.from_dlpack(found["sample"]))
                there = self._written.compare(source, keys, digests(samples))
                if lost := int((~there & ~np.isin(rows, left_out)).sum()):
                    self._lost[spec.input.name] = self._lost.get(spec.input.name, 0) + lost
        self._check.add(shard)

    def verified(self) -> Verified:
        """The result."""
        findings = Findings.of_report(json.loads(self._check.finish()))
        different = findings.rules.get("prompt-parity")
        if different is not None:
            places = [self._by_sample(place) for place in different.evidence]
            different = replace(different, evidence=places)
        facts = findings.facts
        changed = [*self._written.changes()]
        changed += [f"{lost} samples of {name} are in no file" for name, lost in self._lost.items()]
        return Verified(facts["replay"], facts["notes"], different, changed)

    def _by_sample(self, place: dict[str, Any]) -> dict[str, Any]:
        """A place in a row of a source, as one in a sample of the output."""
        line, row, file = place.pop("line", None), place["row"], place.pop("file")
        where = f"row {row}" if line is None else f"line {line}"
        note = f"{place['note']}; made from {where} of {file}"
        return {**place, "row": self._written.number_of(file, row), "note": note}
