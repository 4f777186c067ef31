"""Checks conversations: what encoding them finds, and the contract on the result."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pyarrow as pa

from turnmill import _core
from turnmill.check.finding import Finding
from turnmill.check.findings import Findings
from turnmill.check.replay import Replay
from turnmill.check.rules import rule
from turnmill.check.serving import Served, served_by
from turnmill.check.settings import Settings
from turnmill.check.setup import with_serving
from turnmill.encoder.feed import outputs
from turnmill.encoder.inspect import inspect_input
from turnmill.encoder.ready import ready
from turnmill.encoder.session import Session, ShardOptions
from turnmill.inputs.find import Input
from turnmill.recipe import Recipe


def check_conversations(data: Any, settings: Settings) -> Findings:
    """Encodes every row as ``turnmill prepare`` would and lists what that finds.

    Raises:
        RecipeError: Tokenizer, template and stop set disagree, or the rows need a decision.
    """
    served = None if settings.serving is None else served_by(settings.serving)
    session, inputs = ready(_recipe(settings, served), data)
    seen = _Seen(session, settings)
    for found in inputs:
        seen.add(found)
    findings = seen.findings()
    if served is None:
        return findings
    source = (session.facts().get("template") or {}).get("source")
    return with_serving(findings, session.tokenizer(), served, source)


def _recipe(settings: Settings, served: Served | None) -> Recipe:
    recipe = settings.recipe
    if served is not None and recipe.stop == "auto":
        recipe = replace(recipe, stop=served.stops)
    # The audit reads ids and labels; an unfinished run must not stop it.
    return replace(recipe, columns=("input_ids", "labels"), max_rejects=1.0)


class _Seen:
    """Counts, evidence and samples of the inputs so far."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._threads = settings.threads
        self._keep = settings.evidence
        facts = session.facts()
        self._stops = facts.get("stop", [])
        self._notes = facts.get("notes", [])
        stops = [item["id"] for item in self._stops]
        source = (facts.get("template") or {}).get("source")
        self._audit = _core.Audit(
            session.tokenizer()._core,
            stops,
            source,
            settings.threads,
            settings.evidence,
            session.recipe.max_length,
            None,
            [],
        )
        self._rows = 0
        self._rejected = 0
        self._counts: dict[str, int] = {}
        self._rows_of: dict[str, int] = {}
        self._replay = Replay("rendered")
        self._different = 0
        self._differences: list[dict[str, Any]] = []
        self._places: dict[str, list[dict[str, Any]]] = {}
        self._sample_rows: list[tuple[str, int]] = []
        """The input of each sample and its row there."""

    def add(self, found: Input) -> None:
        """Encodes one input."""
        schema = inspect_input(found, self._session).schema
        options = ShardOptions.of(
            found, schema, found.whole, threads=self._threads, evidence=self._keep
        )
        shard = self._session.open_shard(options)
        for output in outputs(shard, found, found.whole):
            self._take(output, found.name)
        for name, count in shard.counts().items():
            self._counts[name] = self._counts.get(name, 0) + count
        checked = json.loads(shard.checked())
        for name, rows in checked["rows"].items():
            self._rows_of[name] = self._rows_of.get(name, 0) + rows
        for place in checked["evidence"]:
            self._place(place.pop("rule"), {**place, "file": found.name})
        replay = checked["replay"]
        self._replay.add(replay["positions"], replay["switched"], replay["turns"])
        self._different += replay["different"]
        self._differences += [{**place, "file": found.name} for place in replay["differences"]]

    def _take(self, output: Any, path: str) -> None:
        samples = [pa.record_batch(batch) for batch in output.samples]
        if samples:
            self._audit.add(pa.Table.from_batches(samples))
        for batch in map(pa.record_batch, output.index):
            self._sample_rows += [(path, row) for row in batch["row"].to_pylist()]
        self._rows += output.rows
        self._rejected += output.rejected

    def _place(self, name: str, place: dict[str, Any]) -> None:
        places = self._places.setdefault(name, [])
        where = (place["file"], place["row"])
        if any((old["file"], old["row"]) == where for old in places):
            return
        if len(places) < self._keep:
            places.append(place)

    def findings(self) -> Findings:
        """The findings."""
        audited = Findings.of_report(json.loads(self._audit.finish()))
        counted = {
            name: Finding(
                name,
                rule(name).severity,
                count,
                self._rows_of.get(name, 0) / self._rows if self._rows else 0.0,
                self._places.get(name, []),
            )
            for name, count in self._counts.items()
            if count
        }
        facts = {
            **audited.facts,
            "samples": audited.rows,
            "rejected": self._rejected,
            "stop": self._stops,
            "notes": [*self._notes, *self._replay.notes],
            "replay": self._replay.to_dict(),
        }
        found = Findings(self._rows, counted, facts).merged(self._by_row(audited), self._keep)
        if not self._different:
            return found
        places = self._differences[: self._keep]
        return found.with_places("prompt-parity", self._different, places)

    def _by_row(self, audited: Findings) -> Findings:
        """The audit's findings, with rows of the input instead of samples."""
        for finding in audited.rules.values():
            for place in finding.evidence:
                if place["row"] is not None:
                    place["file"], place["row"] = self._sample_rows[place["row"]]
        return audited
