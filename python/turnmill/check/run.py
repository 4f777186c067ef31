"""One check from its arguments to its findings."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from turnmill import _core
from turnmill._locate import locate_tokenizer
from turnmill._terminal import count
from turnmill.check import compare
from turnmill.check.findings import Findings
from turnmill.check.replay import Replay
from turnmill.check.serving import served_by
from turnmill.check.sources import (
    Source,
    Twins,
    batches,
    broken_rows,
    feeds,
    find_sources,
)
from turnmill.errors import DataError, TokenizerError
from turnmill.recipe import Recipe
from turnmill.storage.local import read_json
from turnmill.storage.remote import AnyPath, output_path
from turnmill.tokenizer import Tokenizer

_AGAIN = "prepare it again, into another directory or with --overwrite"


@dataclass(frozen=True)
class Settings:
    """The arguments of a check; see `turnmill.check.check`."""

    tokenizer: Any = None
    stop: list[str | int] | None = None
    serving: str | os.PathLike[str] | None = None
    template: str | None = None
    max_length: int | None = None
    response_marker: str | None = None
    ignore_label: int | None = None
    recipe: Recipe | None = None
    evidence: int = 5
    threads: int | None = None


def run(data: Any, settings: Settings) -> Findings:
    """Checks data by every rule.

    Raises:
        DataError: The data cannot be read, or mixes tokenized rows and conversations.
        TokenizerError: No tokenizer is named, or it cannot be loaded.
    """
    record = _run_record(data)
    if record is None:
        return _check_sources(find_sources(data), data, settings)
    settings = _with_record(settings, record)
    try:
        findings = _check_sources(_written_sources(data), data, settings)
    except DataError as error:
        if error.code not in {"broken-input", "unknown-format"}:
            raise
        message = f"the output is damaged: {error}"
        raise DataError(message, code="broken-input", path=error.path, hint=_AGAIN) from error
    return _with_sources(findings, output_path(data), record, settings)


def _written_sources(data: Any) -> list[Source]:
    """The data files of an output, which turnmill wrote tokenized."""
    sources = find_sources(data)
    if not sources:
        message = "none of the data files that the run record names is there"
        raise DataError(message, code="broken-input", path=os.fspath(data))
    for source in sources:
        if not source.tokenized:
            message = "the file holds no tokenized rows"
            raise DataError(message, code="broken-input", path=source.input.name)
    return sources


def _check_sources(sources: list[Source], data: Any, settings: Settings) -> Findings:
    kinds = {source.tokenized for source in sources}
    if len(kinds) > 1:
        message = "some inputs are tokenized and some are conversations"
        raise DataError(message, code="schema-mismatch", hint="check them one after the other")
    if kinds.pop():
        findings = check_tokenized(sources, settings)
    else:
        from turnmill.check.conversations import check_conversations

        findings = check_conversations(data, settings)
    if not findings.rows and not findings.rules.keys() & {"invalid-json", "schema-mismatch"}:
        raise DataError("there are no rows to check", code="no-input", path=sources[0].name)
    return findings


def _with_sources(
    findings: Findings, directory: AnyPath, record: dict[str, Any], settings: Settings
) -> Findings:
    """What turnmill wrote, against its run record and against the sources it was made of."""
    from turnmill.check.verify import verify

    tokenizer = _tokenizer(settings)
    findings = compare.with_record(findings, directory, record, tokenizer)
    if not findings.ok or {"stale-cache", "broken-input"} & findings.rules.keys():
        return findings
    verified = verify(directory, record, str(tokenizer.path), settings.threads, settings.evidence)
    notes = findings.facts["notes"]
    if isinstance(verified, str):
        note = f"prompts are replayed from the ids, not rendered from the sources: {verified}"
        return findings.with_facts(notes=[*notes, note])
    findings = findings.with_facts(
        replay=verified.replay.to_dict(), notes=[*notes, *verified.replay.notes]
    )
    return verified.added_to(findings, settings.evidence)


def _run_record(data: Any) -> dict[str, Any] | None:
    """The run record of a directory that turnmill wrote.

    Raises:
        DataError: The record is damaged.
    """
    if not isinstance(data, str | os.PathLike):
        return None
    path = output_path(data) / "turnmill.json"
    record: Any = read_json(path)
    if record is None:
        return None
    if isinstance(record, dict) and isinstance(record.get("shards"), list):
        return record
    message = "the output is damaged: its run record names no shards"
    raise DataError(message, code="broken-output", path=str(path), hint=_AGAIN)


def _with_record(settings: Settings, record: dict[str, Any]) -> Settings:
    """What is not given is taken from the run record."""
    recipe = record.get("recipe", {})
    facts = record.get("facts", record)
    stops = [item["id"] for item in facts.get("stop", []) if isinstance(item, dict)]
    template = facts.get("template") or {}
    return replace(
        settings,
        tokenizer=settings.tokenizer or recipe.get("tokenizer"),
        stop=settings.stop or (None if settings.serving else stops or None),
        template=settings.template or template.get("source"),
        max_length=settings.max_length or recipe.get("max_length"),
    )


def _tokenizer(settings: Settings) -> Tokenizer:
    given = settings.tokenizer
    if isinstance(given, Tokenizer):
        return given
    if given is None or given == "":
        raise TokenizerError(
            "no tokenizer is named",
            code="tokenizer-not-found",
            hint="add --tokenizer DIR: it says which ids stop a turn",
        )
    return Tokenizer(locate_tokenizer(given))


def check_tokenized(sources: list[Source], settings: Settings) -> Findings:
    """Checks tokenized inputs as one data set."""
    tokenizer = _tokenizer(settings)
    served = None if settings.serving is None else served_by(settings.serving)
    stops, findings_of = compare.stop_set(tokenizer, served, settings.stop)
    audit = _core.Audit(
        tokenizer._core,
        stops,
        settings.template,
        settings.threads,
        settings.evidence,
        settings.max_length,
        settings.ignore_label,
        _ids(tokenizer, settings.response_marker),
    )
    twins = Twins()
    columns: dict[str, None] = {}
    rows_of: dict[str, int] = {}
    for source in sources:
        rows_of.setdefault(source.name, 0)
        for number, table in enumerate(feeds(batches(source.input))):
            columns.update(dict.fromkeys(table.column_names))
            rows_of[source.name] += len(table)
            audit.add(table)
            if number == 0 and len(sources) > 1:
                twins.see(source.input.name, table)
    report = json.loads(audit.finish())
    replay = Replay("decoded")
    replay.add(report["replay"], {}, report["turns"])
    findings = Findings.of_report(report).with_facts(
        columns=list(columns),
        stop=[{"id": stop, "token": _text(tokenizer, stop)} for stop in stops],
        replay=replay.to_dict(),
        notes=_notes(tokenizer, settings, audit.note, report),
    )
    if len(rows_of) > 1:
        findings = findings.by_source(rows_of)
    findings = _with_broken_rows(findings, sources, settings.evidence)
    for note in twins.notes:
        findings = findings.with_note("cache-key-collision", note)
    findings = findings_of(findings)
    if settings.stop is not None:
        findings = compare.with_untrained_stop(findings, tokenizer, stops)
    if served is not None:
        findings = compare.with_serving(findings, tokenizer, served, settings.template)
    return findings


def _with_broken_rows(findings: Findings, sources: list[Source], keep: int) -> Findings:
    """What is no row at all."""
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
    """What the report depends on."""
    notes = []
    rows, first = report["contradicted"]
    if rows:
        notes.append(
            "what is trained is read from `labels`, and the mask beside them says otherwise in"
            f" {count(rows)} rows, first in row {first}: a trainer that reads the mask trains"
            " other tokens"
        )
    if not report["labelled"]:
        notes.append(
            "no column says what is trained (labels, loss_mask, completion_mask, assistant_masks):"
            " every token is taken as trained"
        )
    if no_headers:
        notes.append(f"turns are told by their labels alone: {no_headers}")
    if settings.stop is None and settings.serving is None and not compare.names_stops(tokenizer):
        notes.append(
            "there is no generation_config.json: the stop set is the tokenizer's eos alone;"
            " --serving DIR or --stop names the server's"
        )
    return notes


def _ids(tokenizer: Tokenizer, text: str | None) -> list[int]:
    return [] if text is None else [int(id_) for id_ in tokenizer.encode(text)]


def _text(tokenizer: Tokenizer, id_: int) -> str:
    return tokenizer._token_bytes([id_])[0].decode("utf-8", "replace")
