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

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from turnmill.check.finding import Finding
from turnmill.check.findings import Findings
from turnmill.check.origins import lost_sources
from turnmill.encoder.feed import outputs
from turnmill.encoder.session import Session, ShardOptions
from turnmill.errors import TurnmillError
from turnmill.inputs.find import find_inputs
from turnmill.output.formats import format_of
from turnmill.output.reader import Output, recorded_recipe
from turnmill.prepare.plan import ShardSpec, make_plan
from turnmill.storage.local import read_table
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
    if not output.sources:
        return "no source is recorded"
    try:
        session = Session(recorded_recipe(record, tokenizer))
        inputs = [output.input(source) for source in output.sources]
        plan = make_plan(find_inputs(inputs), session, threads=threads)
    except (TurnmillError, OSError) as error:
        return _why(output, str(error))
    if [planned.key for planned in plan.inputs] != [item["key"] for item in record["inputs"]]:
        return _why(output, "they are different now")
    second = _SecondRun(session, threads, keep)
    entries = _entries(record)
    rejects = read_table(directory / "rejects.parquet", ["source", "row"])
    for planned, source in zip(plan.inputs, output.sources, strict=True):
        left_out = _numbers(rejects.filter(pc.field("source") == source)["row"])
        for spec in planned.shards:
            files = [_File(directory, entry, first) for entry, first in entries.get(spec.name, [])]
            second.add(spec, files, left_out)
    return second.verified()


def _why(output: Output, otherwise: str) -> str:
    """Why the sources are of no use: each that is gone or different is named."""
    return ", ".join(lost_sources(output)) or otherwise


class _File:
    """A data file with rows of one shard, in their order; perhaps not all of them."""

    def __init__(self, directory: AnyPath, entry: dict[str, Any], first: int) -> None:
        self.path = directory / entry["data"]
        self.first = first
        """The number of its first sample in the whole output."""
        self._rows = _numbers(read_table(directory / entry["index"], ["row"])["row"])
        self._written = _compared(format_of(self.path).read(self.path))
        self._at = 0
        self._differs: int | None = None

    def holds(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which of the rows it has."""
        if not len(self._rows):
            return np.zeros(len(rows), bool)
        places = np.minimum(np.searchsorted(self._rows, rows), len(self._rows) - 1)
        held: npt.NDArray[np.bool_] = self._rows[places] == rows
        return held

    def numbers(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The number in the whole output of the first sample of each of these rows."""
        return self.first + np.searchsorted(self._rows, rows)

    def compare(self, made: pa.Table) -> None:
        """Compares the next samples with what the source gives."""
        written = self._written.slice(self._at, len(made))
        if self._differs is None and not made.equals(written):
            self._differs = self.first + self._at + _first_difference(made, written)
        self._at += len(made)

    def change(self, source: str) -> str | None:
        """What is wrong, if anything is."""
        if self._differs is None and self._at == len(self._written):
            return None
        where = "" if self._differs is None else f", from sample {self._differs} on"
        return f"{self.path.name} is not what {source} gives with the recorded recipe{where}"


def _entries(record: dict[str, Any]) -> dict[str, list[tuple[dict[str, Any], int]]]:
    """For each shard its data files in the run record, each with the number of its first sample."""
    entries: dict[str, list[tuple[dict[str, Any], int]]] = {}
    first = 0
    for entry in record["shards"]:
        name = Path(entry["data"]).stem.removeprefix("data-")
        entries.setdefault(name, []).append((entry, first))
        first += entry["samples"]
    return entries


class _SecondRun:
    """The shards that were made again so far."""

    def __init__(self, session: Session, threads: int | None, keep: int) -> None:
        self._session = session
        self._threads = threads
        self._check = session.open_check(keep)
        self._changed: list[str] = []
        self._samples: dict[tuple[str, int], int] = {}
        """The first sample of each row of an input."""

    def add(self, spec: ShardSpec, files: list[_File], left_out: npt.NDArray[np.int64]) -> None:
        """Makes a shard again and compares it with the files that hold its samples.

        Args:
            spec: The shard.
            files: The files.
            left_out: Rows that are in none.
        """
        options = ShardOptions.of(
            spec.input, spec.schema, spec.part, threads=self._threads, mixed=spec.mixed
        )
        shard = self._session.open_shard(options, self._check)
        lost = 0
        for output in outputs(shard, spec.input, spec.part):
            for index, samples in zip(output.index, output.samples, strict=True):
                rows = _numbers(pa.chunked_array([pa.record_batch(index)["row"]]))
                made = _compared(pa.Table.from_batches([pa.record_batch(samples)]))
                seen = np.isin(rows, left_out)
                for file in files:
                    held = file.holds(rows)
                    seen |= held
                    file.compare(made.filter(pa.array(held)))
                    self._number(spec.input.name, rows[held], file)
                lost += int((~seen).sum())
        self._changed += [change for file in files if (change := file.change(spec.input.name))]
        if lost:
            self._changed.append(f"{lost} samples of {spec.input.name} are in no file")
        self._check.add(shard)

    def _number(self, source: str, rows: npt.NDArray[np.int64], file: _File) -> None:
        for row, number in zip(rows.tolist(), file.numbers(rows).tolist(), strict=True):
            self._samples.setdefault((source, row), number)

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


def _numbers(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    chunks = [np.from_dlpack(chunk) for chunk in column.chunks]
    return np.concatenate([np.zeros(0, np.int64), *chunks])


def _first_difference(made: pa.Table, written: pa.Table) -> int:
    rows = range(min(len(made), len(written)))
    differing = (row for row in rows if not made.slice(row, 1).equals(written.slice(row, 1)))
    return next(differing, len(rows))


def _compared(table: pa.Table) -> pa.Table:
    """The columns that are compared, without the metadata that a container adds."""
    names = [name for name in _COMPARED if name in table.column_names]
    kept = table.select(names)
    return pa.table({name: kept[name].cast(pa.list_(pa.int32())) for name in names})
