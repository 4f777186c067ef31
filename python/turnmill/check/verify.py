"""Verifies an output against its sources: makes it again, compares it, and replays it.

The rows of every shard are read from the sources once more and encoded with the recipe of the run
record. The ids and labels in the written files have to be the same, and every turn is replayed
against the prompt that the template renders.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from turnmill.check.findings import Findings
from turnmill.check.replay import Replay
from turnmill.encoder.feed import outputs
from turnmill.encoder.session import Session, ShardOptions
from turnmill.errors import TurnmillError
from turnmill.inputs.find import find_inputs
from turnmill.output.formats import format_of
from turnmill.prepare.plan import ShardSpec, make_plan
from turnmill.recipe import Input, Recipe
from turnmill.storage.remote import AnyPath

_COMPARED = ("input_ids", "labels")


@dataclass
class Verified:
    """The result of a second run over the sources."""

    replay: Replay = field(default_factory=lambda: Replay("rendered"))
    places: list[dict[str, Any]] = field(default_factory=list)
    """Turns whose prompt is not the server's."""
    different: int = 0
    """Samples that hold such a turn."""
    changed: list[str] = field(default_factory=list)
    """Places where the written samples differ from what the sources give."""

    def added_to(self, findings: Findings, keep: int) -> Findings:
        """Adds the result to the findings."""
        for note in self.changed:
            findings = findings.with_note("stale-cache", note)
        if self.different:
            findings = findings.with_places("prompt-parity", self.different, self.places[:keep])
        return findings


def verify(
    directory: AnyPath, record: dict[str, Any], tokenizer: str, threads: int | None, keep: int
) -> Verified | str:
    """Makes the samples of an output again, or says why that is not possible."""
    names = [item["name"] for item in record.get("inputs", [])]
    missing = [name for name in names if "://" not in name and not Path(name).exists()]
    if missing or not names:
        return f"the source {missing[0]} is not there" if missing else "no source is recorded"
    try:
        session = Session(_recipe(record, tokenizer))
        inputs = [_input(item) for item in record["inputs"]]
        plan = make_plan(find_inputs(inputs), session, threads=threads)
    except (TurnmillError, OSError) as error:
        return str(error)
    written = {_shard_name(shard): shard for shard in record["shards"]}
    if [spec.name for spec in plan.shards] != list(written):
        return "the sources have changed since"
    verified = Verified()
    first = 0
    for spec in plan.shards:
        path = directory / written[spec.name]["data"]
        first = _verify_shard(verified, spec, session, path, first, threads, keep)
    return verified


def _recipe(record: dict[str, Any], tokenizer: str) -> Recipe:
    keys = {key: value for key, value in record["recipe"].items() if value is not None}
    facts = record.get("facts", {})
    keys.update(tokenizer=tokenizer, now=facts.get("now") or keys.get("now"))
    if (facts.get("template") or {}).get("source"):
        keys["template"] = facts["template"]["source"] if keys.get("template") else None
    return Recipe(**keys)


def _input(item: dict[str, Any]) -> Input:
    """An input as the run read it, with its own keys."""
    own = {key: item[key] for key in ("fields", "roles") if key in item}
    schema = {} if item["schema"] == "auto" else {"schema": item["schema"]}
    return Input(item["name"], **schema, **own)


def _shard_name(shard: dict[str, Any]) -> str:
    return str(shard["data"]).removeprefix("data-").rsplit(".", 1)[0]


def _verify_shard(
    verified: Verified,
    spec: ShardSpec,
    session: Session,
    path: AnyPath,
    first: int,
    threads: int | None,
    keep: int,
) -> int:
    """Verifies one shard; ``first`` is the number of its first sample. Returns that of the next."""
    options = ShardOptions.of(
        spec.input, spec.schema, spec.part, threads=threads, mixed=spec.mixed, evidence=keep
    )
    shard = session.open_shard(options)
    written = _compared(format_of(path).read(path))
    samples: dict[int, int] = {}
    at = indexed = 0
    differs: int | None = None
    for output in outputs(shard, spec.input, spec.part):
        for batch in map(pa.record_batch, output.index):
            for number, row in enumerate(batch["row"].to_pylist(), first + indexed):
                samples.setdefault(row, number)
            indexed += len(batch)
        for batch in map(pa.record_batch, output.samples):
            made = _compared(pa.Table.from_batches([batch]))
            if differs is None and not made.equals(written.slice(at, len(made))):
                differs = first + at + _first_difference(made, written.slice(at, len(made)))
            at += len(made)
    if differs is not None or at != len(written):
        where = "" if differs is None else f", from sample {differs} on"
        verified.changed.append(
            f"{path.name} is not what {spec.input.name} gives with the recorded recipe{where}"
        )
    replay = json.loads(shard.checked())["replay"]
    verified.replay.add(replay["positions"], replay["switched"], replay["turns"])
    verified.different += replay["different"]
    for found in replay["differences"]:
        at_line = f"line {found['line']}" if found["line"] else f"row {found['row']}"
        note = f"{found['note']}; made from {at_line} of {spec.input.name}"
        place = {key: found[key] for key in ("message", "turn", "tokens")}
        verified.places.append({**place, "row": samples.get(found["row"]), "note": note})
    return first + at


def _first_difference(made: pa.Table, written: pa.Table) -> int:
    rows = range(min(len(made), len(written)))
    differing = (row for row in rows if not made.slice(row, 1).equals(written.slice(row, 1)))
    return next(differing, len(rows))


def _compared(table: pa.Table) -> pa.Table:
    """The columns that are compared, without the metadata that a container adds."""
    names = [name for name in _COMPARED if name in table.column_names]
    kept = table.select(names)
    return pa.table({name: kept[name].cast(pa.list_(pa.int32())) for name in names})
