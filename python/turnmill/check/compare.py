"""Tokenizer, template and stop set against each other and against the serving side."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from turnmill import _core
from turnmill.check.findings import Findings
from turnmill.errors import TokenizerError
from turnmill.storage import local
from turnmill.storage.local import file_sha256
from turnmill.storage.remote import AnyPath
from turnmill.tokenizer import Tokenizer

if TYPE_CHECKING:
    from turnmill.check.serving import Served

Later = Callable[[Findings], Findings]
"""Adds findings that were made before there was a report."""
REPAIR = "repair the file, or remove it and do without what it says"
"""What to do about a broken file of a model's directory."""


def stop_set(
    tokenizer: Tokenizer, served: Served | None, given: Iterable[str | int] | None
) -> tuple[list[int], Later]:
    """The ids that end a turn, and what is wrong with how they are set.

    Raises:
        TokenizerError: A stop token that was given is no token at all.
    """
    notes: list[tuple[str, str]] = []
    if given is None:
        stops = list(served.stops if served else _core.stop_set(tokenizer._core))
    else:
        stops = [id_ for word in given for id_ in _stop_id(tokenizer, word, notes)]
    nameless = [
        stop for stop, text in zip(stops, _texts(tokenizer, stops), strict=True) if not text
    ]
    if nameless:
        notes.append(
            ("unset-terminator", f"the tokenizer has no token of the stop id {nameless[0]}")
        )
    unknown = dict(tokenizer._core.special_tokens()).get("unk_token")
    unknown_id = tokenizer.token_to_id(unknown) if unknown else None
    if unknown_id is not None and stops == [unknown_id]:
        notes.append(("unset-terminator", f"the stop token is the unknown token {unknown}"))
    flag = _ignored_flag(tokenizer)
    if flag:
        notes.append(("eos-flag-ignored", flag))

    def add(findings: Findings) -> Findings:
        for name, note in notes:
            findings = findings.with_note(name, note)
        return findings

    return stops, add


def _stop_id(tokenizer: Tokenizer, word: str | int, notes: list[tuple[str, str]]) -> list[int]:
    if isinstance(word, int):
        return [word]
    if word.isdecimal() and tokenizer.token_to_id(word) is None:
        return [int(word)]
    id_ = tokenizer.token_to_id(word)
    if id_ is not None:
        return [id_]
    pieces = [int(piece) for piece in tokenizer.encode(word)]
    if len(pieces) == 1:
        return pieces
    if not pieces:
        raise TokenizerError(f"the stop token {word!r} is empty", code="unset-terminator")
    texts = _texts(tokenizer, pieces)
    notes.append(("terminator-not-atomic", f"{word!r} is {len(pieces)} tokens: {texts}"))
    return []


def _texts(tokenizer: Tokenizer, ids: list[int]) -> list[str]:
    return [text.decode("utf-8", "replace") for text in tokenizer._token_bytes(ids)]


def _ignored_flag(tokenizer: Tokenizer) -> str | None:
    """``add_eos_token`` is set and the tokenizer adds none."""
    config = read_json(_directory(tokenizer) / "tokenizer_config.json")
    if not config.get("add_eos_token"):
        return None
    without, with_ = (tokenizer.encode("a", add_special_tokens=on).tolist() for on in (False, True))
    eos = tokenizer.token_to_id(dict(tokenizer._core.special_tokens()).get("eos_token", ""))
    if eos is None or (with_ and with_[-1] == eos):
        return None
    return f"add_eos_token is set, but 'a' gives {with_} with special tokens, {without} without"


def names_stops(tokenizer: Tokenizer) -> bool:
    """A ``generation_config.json`` says what the model stops on."""
    config = read_json(_directory(tokenizer) / "generation_config.json")
    return config.get("eos_token_id") is not None


def _directory(tokenizer: Tokenizer) -> Path:
    path = Path(tokenizer.path)
    return path if path.is_dir() else path.parent


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file; an empty one where there is no such file.

    Raises:
        TokenizerError: The file is no JSON.
    """
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        message = f"{path.name} is not JSON: {error}"
        raise TokenizerError(message, code="invalid-config", path=path, hint=REPAIR) from error
    return value if isinstance(value, dict) else {}


def with_untrained_stop(findings: Findings, tokenizer: Tokenizer, stops: list[int]) -> Findings:
    """A stop token that the model's own files do not stop on may be one it never learned."""
    own = set(_core.stop_set(tokenizer._core))
    ends = {id_ for id_, _ in findings.facts.get("terminators", [])}
    added = [stop for stop in stops if stop not in own and stop in ends]
    if not own or not added:
        return findings
    names = ", ".join(_texts(tokenizer, added))
    note = (
        f"the model's files stop on {sorted(own)}, not on {names} {added}: if it never"
        " learned that, train embeddings and head too"
        ' (LoRA: modules_to_save = ["embed_tokens", "lm_head"])'
    )
    return findings.with_note("untrained-terminator-embedding", note)


def with_serving(
    findings: Findings, tokenizer: Tokenizer, served: Served, template: str | None
) -> Findings:
    """Compares what ends turns, and the template, with those of the model that will be served."""
    findings = findings.with_facts(serving_stop=served.stops)
    ends = [id_ for id_, _ in findings.facts.get("terminators", [])]
    missing = [id_ for id_ in ends if id_ not in served.stops]
    if missing:
        names = ", ".join(_texts(tokenizer, missing))
        note = f"turns end in {names} {missing}, the server stops on {served.stops} only"
        findings = findings.with_note("wrong-terminator", note)
    ours, theirs = template or chat_template(tokenizer), served.template
    if ours is not None and theirs is not None and ours != theirs:
        note = (
            f"the server's chat template is another one: {_short_hash(theirs)}, "
            f"the data's is {_short_hash(ours)}"
        )
        findings = findings.with_note("prompt-parity", note)
    return findings


def chat_template(tokenizer: Tokenizer) -> str | None:
    """The chat template of a tokenizer's directory, as source."""
    return template_in(_directory(tokenizer))


def template_in(directory: Path) -> str | None:
    """The chat template of a directory, as source."""
    file = directory / "chat_template.jinja"
    if file.is_file():
        return file.read_text("utf-8")
    value = read_json(directory / "tokenizer_config.json").get("chat_template")
    if isinstance(value, list):
        named = {item.get("name"): item.get("template") for item in value}
        value = named.get("default")
    return value if isinstance(value, str) else None


def _short_hash(text: str) -> str:
    return "sha256 " + hashlib.sha256(text.encode()).hexdigest()[:12]


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
    config = local.read_json(directory / "generation_config.json")
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
