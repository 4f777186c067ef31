"""What turnmill wrote, against its own run record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from turnmill.check.files import AGAIN, MISSING, FileCheck
from turnmill.storage.local import read_json
from turnmill.storage.remote import AnyPath
from turnmill.tokenizer import Tokenizer

Note = tuple[str, str]
"""The name of a rule, and what was found."""


def written_notes(directory: AnyPath, record: dict[str, Any], tokenizer: Tokenizer) -> list[Note]:
    """Compares the files of a directory that turnmill wrote with its run record."""
    notes = []
    facts = record.get("facts", {})
    made_with = facts.get("tokenizer", {}).get("hash")
    if made_with not in {None, tokenizer._core.fingerprint}:
        notes.append(("stale-cache", "the tokenizer's files are not those the data was made with"))
    return [*notes, *_serving(directory / "serving", facts)]


def file_notes(files: FileCheck) -> list[Note]:
    """The files that are not what was written, and last what is left that can be trusted."""
    if files.ok:
        return []
    rules = {True: "broken-input", False: "stale-cache"}
    notes = [
        (rules[what.startswith(MISSING)], f"{name} {what}") for name, what in files.damaged.items()
    ]
    (last, note) = notes[-1]
    return [*notes[:-1], (last, f"{note}; {files.trusted()}; {AGAIN}")]


def counted(record: dict[str, Any]) -> Iterator[tuple[str, int, list[dict[str, Any]]]]:
    """What the run counted in the conversations, which ids alone do not show.

    Yields:
        A rule, how often it fired, and the places in the sources that the record keeps.
    """
    rejected = record.get("totals", {}).get("rejected", {})
    for rule, times in record.get("totals", {}).get("rules", {}).items():
        if rule not in rejected:
            places = record.get("evidence", {}).get(rule, [])
            yield rule, times, [{**place, "file": place["source"]} for place in places]


def miscounted(samples: int, record: dict[str, Any]) -> list[Note]:
    """Compares the number of samples in the files with the run record's."""
    written = record.get("totals", {}).get("samples")
    if written in {None, samples}:
        return []
    note = f"the run record counts {written:,} samples, the files hold {samples:,}"
    return [("broken-input", note)]


def _serving(directory: AnyPath, facts: dict[str, Any]) -> Iterator[Note]:
    """The ``serving/`` of an output against the stop set and template that the run recorded.

    A file that is missing is named with the other files of the output, by the manifest.
    """
    recorded = [item["id"] for item in facts.get("stop", [])]
    config = read_json(directory / "generation_config.json")
    if config is not None:
        eos = config.get("eos_token_id") if isinstance(config, dict) else None
        stops = eos if isinstance(eos, list) else [eos]
        if not (all(id_ in stops for id_ in recorded) and all(id_ in recorded for id_ in stops)):
            note = f"serving/generation_config.json stops on {eos}, the data's turns on {recorded}"
            yield "wrong-terminator", note
    source = (facts.get("template") or {}).get("source")
    if source is None:
        return
    file = directory / "chat_template.jinja"
    if not file.is_file():
        return
    with file.open("rb") as opened:
        served = opened.read()
    if served != source.encode():
        note = "serving/chat_template.jinja is not the template that the data was made with"
        yield "prompt-parity", note
