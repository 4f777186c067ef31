"""What turnmill wrote, against its own run record."""

from __future__ import annotations

from typing import Any

from turnmill.check.findings import Findings
from turnmill.storage.local import file_sha256, read_json
from turnmill.storage.remote import AnyPath
from turnmill.tokenizer import Tokenizer


def with_record(
    findings: Findings, directory: AnyPath, record: dict[str, Any], tokenizer: Tokenizer
) -> Findings:
    """Verifies a directory that turnmill wrote against its run record, from its files."""
    made_with = record.get("facts", {}).get("tokenizer", {}).get("hash")
    if made_with not in {None, tokenizer._core.fingerprint}:
        note = "the tokenizer's files are not those the data was made with"
        findings = findings.with_note("stale-cache", note)
    totals = record.get("totals", {})
    written = totals.get("samples")
    if written is not None and written != findings.rows:
        note = f"the run record counts {written:,} samples, the files hold {findings.rows:,}"
        findings = findings.with_note("broken-input", note)
    for shard in record.get("shards", []):
        findings = _with_shard(findings, directory, shard)
    return _with_serving_files(findings, directory / "serving", record.get("facts", {}))


def _with_serving_files(findings: Findings, directory: AnyPath, facts: dict[str, Any]) -> Findings:
    """The ``serving/`` of an output against the stop set and template that the run recorded."""
    recorded = [item["id"] for item in facts.get("stop") or findings.facts.get("stop", [])]
    config = read_json(directory / "generation_config.json")
    if config is None:
        findings = findings.with_note("broken-input", "serving/generation_config.json is missing")
    else:
        eos = config.get("eos_token_id") if isinstance(config, dict) else None
        stops = eos if isinstance(eos, list) else [eos]
        if not (all(id_ in stops for id_ in recorded) and all(id_ in recorded for id_ in stops)):
            note = f"serving/generation_config.json stops on {eos}, the data's turns on {recorded}"
            findings = findings.with_note("wrong-terminator", note)
    source = (facts.get("template") or {}).get("source")
    if source is None:
        return findings
    file = directory / "chat_template.jinja"
    if not file.is_file():
        return findings.with_note("broken-input", "serving/chat_template.jinja is missing")
    with file.open("rb") as opened:
        served = opened.read()
    if served == source.encode():
        return findings
    note = "serving/chat_template.jinja is not the template that the data was made with"
    return findings.with_note("prompt-parity", note)


def _with_shard(findings: Findings, directory: AnyPath, shard: dict[str, Any]) -> Findings:
    for key in ("data", "index"):
        name, expected = shard.get(key), shard.get("sha256", {}).get(key)
        if not name:
            continue
        path = directory / str(name)
        if not path.is_file():
            findings = findings.with_note("broken-input", f"{name} is missing")
        elif expected and file_sha256(path) != expected:
            findings = findings.with_note("stale-cache", f"{name} was changed after it was written")
    return findings
