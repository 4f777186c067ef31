"""Compares tokenizer, template and stop set with each other and with the serving side."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from turnmill import _core
from turnmill.check.findings import Findings
from turnmill.check.model_files import chat_template, directory_of, read_object
from turnmill.check.serving import Served
from turnmill.errors import TokenizerError
from turnmill.tokenizer import Tokenizer

Later = Callable[[Findings], Findings]
"""Adds findings from before there was a report."""


def stop_set(
    tokenizer: Tokenizer, served: Served | None, given: Iterable[str | int] | None
) -> tuple[list[int], Later]:
    """The ids that end a turn, and what is wrong with their settings.

    Raises:
        TokenizerError: A given stop token is not a token.
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
    """Whether ``add_eos_token`` is set but the tokenizer adds none."""
    config = read_object(directory_of(tokenizer) / "tokenizer_config.json")
    if not config.get("add_eos_token"):
        return None
    without, with_ = (tokenizer.encode("a", add_special_tokens=on).tolist() for on in (False, True))
    eos = tokenizer.token_to_id(dict(tokenizer._core.special_tokens()).get("eos_token", ""))
    if eos is None or (with_ and with_[-1] == eos):
        return None
    return f"add_eos_token is set, but 'a' gives {with_} with special tokens, {without} without"


def with_doubt(
    findings: Findings, tokenizer: Tokenizer, stops: list[int], ends: int | None
) -> Findings:
    """Says so if the stop set is a guess and something speaks against it.

    Args:
        findings: What was found with the guess.
        tokenizer: The tokenizer of the data.
        stops: The guess.
        ends: The token by which the template ends turns, if it has one.
    """
    if ends in stops or (ends is None and "wrong-terminator" not in findings.rules):
        return findings
    guess = ", ".join(_texts(tokenizer, stops)) or "nothing"
    why = "turns end in another"
    if ends is not None:
        why = f"the template ends turns in {_texts(tokenizer, [ends])[0]}"
    return findings.with_facts(
        doubt=f"the stop set is a guess ({guess}, the tokenizer's eos), and {why}: name what the"
        " server stops on with --stop or --serving"
    )


def with_untrained_stop(findings: Findings, tokenizer: Tokenizer, stops: list[int]) -> Findings:
    """Finds stop tokens that the model's own files lack: it may never have learned them."""
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
            f"the server has another chat template: {_short_hash(theirs)}, "
            f"the data's is {_short_hash(ours)}"
        )
        findings = findings.with_note("prompt-parity", note)
    return findings


def _short_hash(text: str) -> str:
    return "sha256 " + hashlib.sha256(text.encode()).hexdigest()[:12]
