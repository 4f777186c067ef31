"""Checks tokenized rows from any tool."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from turnmill import _core
from turnmill._terminal import count
from turnmill.check import setup
from turnmill.check.findings import Findings
from turnmill.check.model_files import names_stops
from turnmill.check.serving import served_by
from turnmill.check.settings import Settings
from turnmill.check.sources import Source, Twins, broken_rows, feeds
from turnmill.tokenizer import Tokenizer


@dataclass(frozen=True)
class Asked:
    """What the makers of the data asked for: then it is no finding."""

    untrained: bool = False
    """Turns may be left untrained, and the rows were compared with inference."""
    outside: bool = False
    """Text outside the assistant's turns is trained."""


NOT_KNOWN = Asked()


def check_tokenized(
    sources: list[Source], settings: Settings, *, replays: bool = True, asked: Asked = NOT_KNOWN
) -> Findings:
    """Checks tokenized inputs as one data set.

    Args:
        sources: The inputs.
        settings: The arguments of the check.
        replays: Whether turns are replayed from their ids.
        asked: What the makers of the data asked for.
    """
    tokenizer = settings.loaded_tokenizer()
    template = settings.template_source()
    served = None if settings.serving is None else served_by(settings.serving)
    stops, findings_of = setup.stop_set(tokenizer, served, settings.stop)
    audit = _core.Audit(
        tokenizer._core,
        stops,
        template,
        settings.threads,
        settings.evidence,
        settings.max_length,
        settings.ignore_label,
        _ids(tokenizer, settings.response_marker),
        replays,
        (asked.untrained, asked.outside),
    )
    twins = Twins()
    columns: dict[str, None] = {}
    rows_of: dict[str, int] = {}
    for source in sources:
        rows_of.setdefault(source.name, 0)
        for number, table in enumerate(feeds(source.batches())):
            columns.update(dict.fromkeys(table.column_names))
            rows_of[source.name] += len(table)
            audit.add(table)
            if number == 0 and len(sources) > 1:
                twins.see(source.input.name if source.answer is None else source.name, table)
    report = json.loads(audit.finish())
    findings = Findings.of_report(report).with_facts(
        columns=list(columns),
        stop=[{"id": stop, "token": _text(tokenizer, stop)} for stop in stops],
        notes=_notes(tokenizer, settings, audit.note, report),
    )
    if len(rows_of) > 1:
        findings = findings.by_source(rows_of)
    findings = _with_broken_rows(findings, sources, settings.evidence)
    for note in twins.notes:
        findings = findings.with_note("cache-key-collision", note)
    findings = findings_of(findings)
    if _is_guess(tokenizer, settings):
        findings = setup.with_doubt(findings, tokenizer, stops, audit.ends)
    if settings.stop is not None:
        findings = setup.with_untrained_stop(findings, tokenizer, stops)
    if served is not None:
        findings = setup.with_serving(findings, tokenizer, served, template)
    return findings


def _with_broken_rows(findings: Findings, sources: list[Source], keep: int) -> Findings:
    """Values that are not rows."""
    broken: dict[str, list[dict[str, Any]]] = {}
    for source in sources:
        for place in broken_rows(source.input):
            broken.setdefault(place.pop("rule"), []).append(place)
    for name, places in broken.items():
        findings = findings.with_places(name, len(places), places[:keep])
    return findings


def _notes(
    tokenizer: Tokenizer, settings: Settings, no_headers: str | None, report: Mapping[str, Any]
) -> list[str]:
    """Notes on what the report depends on."""
    notes = []
    rows, first = report["contradicted"]
    if rows:
        notes.append(
            "what is trained is read from `labels`, and the mask beside them differs in"
            f" {count(rows)} rows, first in row {first}: a trainer that reads the mask trains"
            " other tokens"
        )
    if not report["labelled"]:
        notes.append(
            "no column says what is trained (labels, loss_mask, completion_mask, assistant_masks):"
            " every token is taken as trained"
        )
    if no_headers:
        notes.append(f"turns are found only by their labels: {no_headers}")
    if _is_guess(tokenizer, settings):
        notes.append(
            "there is no generation_config.json: the stop set is the tokenizer's eos alone;"
            " --serving DIR or --stop names the server's"
        )
    return notes


def _is_guess(tokenizer: Tokenizer, settings: Settings) -> bool:
    """Whether nothing says what the server stops on."""
    return settings.stop is None and settings.serving is None and not names_stops(tokenizer)


def _ids(tokenizer: Tokenizer, text: str | None) -> list[int]:
    return [] if text is None else [int(id_) for id_ in tokenizer.encode(text)]


def _text(tokenizer: Tokenizer, id_: int) -> str:
    return tokenizer._token_bytes([id_])[0].decode("utf-8", "replace")
