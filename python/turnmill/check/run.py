"""One check from its arguments to its findings."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from turnmill.check.conversations import check_conversations
from turnmill.check.files import compare_files
from turnmill.check.findings import OF_TRAINING, Findings
from turnmill.check.settings import Settings
from turnmill.check.sources import Source, find_sources
from turnmill.check.tokenized import Asked, check_tokenized
from turnmill.check.verify import Verified, verify
from turnmill.check.written import counted, file_notes, miscounted, written_notes
from turnmill.errors import DataError
from turnmill.output.reader import Output
from turnmill.storage.local import read_json
from turnmill.storage.remote import AnyPath, output_path

_NO_ROWS = {"invalid-json", "lone-surrogate", "schema-mismatch"}
"""Rules on what is not a row."""
_AGAIN = "prepare it again, into another directory or with --overwrite"


def run(data: Any, settings: Settings) -> Findings:
    """Checks data by every rule.

    Raises:
        DataError: The data cannot be read, or mixes tokenized rows and conversations.
        TokenizerError: No tokenizer is named, or it cannot be loaded.
    """
    record = _run_record(data)
    if record is None:
        return _check_sources(find_sources(data, settings.recipe.split), data, settings)
    return _check_output(data, record, _with_record(settings, output_path(data), record))


def _check_output(data: Any, record: dict[str, Any], settings: Settings) -> Findings:
    """Checks an output of turnmill: its files, and what its sources give when they are read again.

    Raises:
        DataError: A file is damaged.
    """
    directory = output_path(data)
    tokenizer = settings.loaded_tokenizer()
    files = compare_files(data, settings.threads)
    notes = written_notes(directory, record, tokenizer)
    again: Verified | str | None = None
    if not files.damages_samples and "stale-cache" not in {name for name, _ in notes}:
        path, threads, keep = str(tokenizer.path), settings.threads, settings.evidence
        again = verify(directory, record, path, threads, keep)
    notes = [*file_notes(files), *notes]
    try:
        sources = _written_sources(data)
        replays = not isinstance(again, Verified)
        findings = check_tokenized(sources, settings, replays=replays, asked=_asked(record))
    except DataError as error:
        if error.code not in {"broken-input", "unknown-format"}:
            raise
        message = f"the output is damaged: {error}"
        raise DataError(message, code="broken-input", path=error.path, hint=_AGAIN) from error
    if record.get("recipe", {}).get("train_on") == "none":
        findings = findings.without(OF_TRAINING)
    if files.foreign:
        findings = findings.with_facts(notes=[*findings.facts["notes"], files.note()])
    sides = len({source.answer for source in sources})
    for name, note in [*notes, *miscounted(findings.rows // sides, record)]:
        findings = findings.with_note(name, note)
    if isinstance(again, Verified):
        findings = again.added_to(findings)
    for name, times, places in counted(record):
        findings = findings.with_places(name, times, places)
    if isinstance(again, Verified) or again is None:
        return findings
    note = (
        f"the samples are not compared with their sources: {again}; prompts are replayed from ids"
    )
    return findings.with_facts(notes=[*findings.facts["notes"], note])


def _asked(record: dict[str, Any]) -> Asked:
    """What the run was asked for; `prepare` has counted what it left out."""
    train_on = record.get("recipe", {}).get("train_on", "assistant")
    return Asked(untrained=True, outside=train_on not in ("assistant", "last-turn"))


def _written_sources(data: Any) -> list[Source]:
    """The data files of an output, which turnmill wrote tokenized."""
    sources = find_sources(data)
    if not sources:
        message = "none of the data files that the run record names is there"
        raise DataError(message, code="broken-input", path=os.fspath(data))
    for source in sources:
        if not source.tokenized:
            message = "the file does not hold tokenized rows"
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
        findings = check_conversations(data, settings)
    if not findings.rows and not findings.rules.keys() & _NO_ROWS:
        raise DataError("there are no rows to check", code="no-input", path=sources[0].name)
    return findings


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


def _with_record(settings: Settings, directory: AnyPath, record: dict[str, Any]) -> Settings:
    """Takes arguments that are not given from the run record."""
    recipe = record.get("recipe", {})
    facts = record.get("facts", record)
    stops = [item["id"] for item in facts.get("stop", []) if isinstance(item, dict)]
    template = facts.get("template") or {}
    return replace(
        settings,
        tokenizer=settings.tokenizer or Output(directory, record).tokenizer,
        stop=settings.stop or (None if settings.serving else stops or None),
        template=settings.template or template.get("source"),
        max_length=settings.max_length or recipe.get("max_length"),
    )
