"""Verifies an output against its sources: makes it again, compares it, and replays it.

The rows of every shard are read from the sources once more and encoded with the recipe of the run
record. The ids and labels in the written files have to be the same, and every turn is replayed
against the prompt that the template renders.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from turnmill.check.finding import Finding
from turnmill.check.findings import Findings
from turnmill.encoder.feed import outputs
from turnmill.encoder.session import Session, ShardOptions
from turnmill.errors import TurnmillError
from turnmill.inputs.find import find_inputs
from turnmill.output.formats import format_of
from turnmill.output.reader import Output, recorded_recipe
from turnmill.prepare.plan import ShardSpec, make_plan
from turnmill.storage.remote import AnyPath

_COMPARED = ("input_ids", "labels")


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
    names = [output.located(item["name"]) for item in record.get("inputs", [])]
    missing = [name for name in names if "://" not in name and not Path(name).exists()]
    if missing or not names:
        return f"the source {missing[0]} is not there" if missing else "no source is recorded"
    try:
        session = Session(recorded_recipe(record, tokenizer))
        inputs = [output.input(source) for source in output.sources]
        plan = make_plan(find_inputs(inputs), session, threads=threads)
    except (TurnmillError, OSError) as error:
        return str(error)
    written = {_shard_name(shard): shard for shard in record["shards"]}
    if [spec.name for spec in plan.shards] != list(written):
        return "the sources have changed since"
    second = _SecondRun(session, threads, keep)
    for spec in plan.shards:
        second.add(spec, directory / written[spec.name]["data"])
    return second.verified()


def _shard_name(shard: dict[str, Any]) -> str:
    return str(shard["data"]).removeprefix("data-").rsplit(".", 1)[0]


class _SecondRun:
    """The shards that were made again so far."""

    def __init__(self, session: Session, threads: int | None, keep: int) -> None:
        self._session = session
        self._threads = threads
        self._check = session.open_check(keep)
        self._changed: list[str] = []
        self._samples: dict[tuple[str, int], int] = {}
        """The first sample of each row of an input."""
        self._written = 0
        """Samples of the shards so far."""

    def add(self, spec: ShardSpec, path: AnyPath) -> None:
        """Makes a shard again and compares it with the written file."""
        options = ShardOptions.of(
            spec.input, spec.schema, spec.part, threads=self._threads, mixed=spec.mixed
        )
        shard = self._session.open_shard(options, self._check)
        written = _compared(format_of(path).read(path))
        at = indexed = 0
        differs: int | None = None
        for output in outputs(shard, spec.input, spec.part):
            for batch in map(pa.record_batch, output.index):
                rows = batch["row"].to_pylist()
                for number, row in enumerate(rows, self._written + indexed):
                    self._samples.setdefault((spec.input.name, row), number)
                indexed += len(batch)
            for batch in map(pa.record_batch, output.samples):
                made = _compared(pa.Table.from_batches([batch]))
                same = written.slice(at, len(made))
                if differs is None and not made.equals(same):
                    differs = self._written + at + _first_difference(made, same)
                at += len(made)
        if differs is not None or at != len(written):
            where = "" if differs is None else f", from sample {differs} on"
            self._changed.append(
                f"{path.name} is not what {spec.input.name} gives with the recorded recipe{where}"
            )
        self._check.add(shard)
        self._written += at

    def verified(self) -> Verified:
        """The result."""
        findings = Findings.of_report(json.loads(self._check.finish()))
        different = findings.rules.get("prompt-parity")
        if different is not None:
            places = [self._by_sample(place) for place in different.evidence]
            different = replace(different, evidence=places)
        facts = findings.facts
        return Verified(facts["replay"], facts["notes"], different, self._changed)

    def _by_sample(self, place: dict[str, Any]) -> dict[str, Any]:
        """A place in a row of a source, as one in a sample of the output."""
        line, row, file = place.pop("line", None), place["row"], place.pop("file")
        where = f"row {row}" if line is None else f"line {line}"
        note = f"{place['note']}; made from {where} of {file}"
        return {**place, "row": self._samples.get((file, row)), "note": note}


def _first_difference(made: pa.Table, written: pa.Table) -> int:
    rows = range(min(len(made), len(written)))
    differing = (row for row in rows if not made.slice(row, 1).equals(written.slice(row, 1)))
    return next(differing, len(rows))


def _compared(table: pa.Table) -> pa.Table:
    """The columns that are compared, without the metadata that a container adds."""
    names = [name for name in _COMPARED if name in table.column_names]
    kept = table.select(names)
    return pa.table({name: kept[name].cast(pa.list_(pa.int32())) for name in names})
