"""The test from prompts to rates."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from turnmill import _core
from turnmill.errors import ArgumentError
from turnmill.inputs.find import repeatable
from turnmill.output.reader import Output
from turnmill.stop_test.generation import Generate, Generation, Progress, generations
from turnmill.stop_test.markers import Markers, markers_of
from turnmill.stop_test.measures import MEASURES, Decode, Outcome, outcome
from turnmill.stop_test.models import generator
from turnmill.stop_test.prompts import Prompt, draw_prompts, is_written
from turnmill.stop_test.rates import Rate
from turnmill.stop_test.result import Failure, StopTest
from turnmill.tokenizer import Tokenizer

_SHOWN = 200
"""Characters of the end of an answer that are kept as an example."""


@dataclass(frozen=True)
class Settings:
    """The arguments of `turnmill.stop_test`, checked."""

    tokenizer: str | os.PathLike[str] | Tokenizer | None
    stop: list[str | int] | None
    prompts: int
    seed: int
    budget: float
    min_stop: float
    batch: int
    examples: int
    model_name: str | None


@dataclass(frozen=True)
class _Model:
    """What is known about the model that is tested."""

    tokenizer: Tokenizer | None
    stops: dict[int, str]
    """The stop set with its texts."""
    markers: Markers

    @property
    def decode(self) -> Decode | None:
        return self._decode if self.tokenizer else None

    def _decode(self, ids: Sequence[int]) -> str:
        assert self.tokenizer is not None
        known = [id_ for id_ in ids if 0 <= id_ < self.tokenizer.vocab_size]
        return b"".join(self.tokenizer._token_bytes(known)).decode("utf-8", "replace")


def run(
    rows: Any,
    generate: Generate | str | os.PathLike[str],
    settings: Settings,
    baseline: StopTest | str | os.PathLike[str] | None,
    progress: Progress | None,
) -> StopTest:
    """Draws the prompts, asks for the answers and measures them."""
    before, rows = _baseline(baseline), repeatable(rows)
    model = _model(rows, settings)
    stops = frozenset(model.stops)
    drawn = draw_prompts(rows, stops, settings.prompts, settings.seed)
    if not callable(generate):
        generate = generator(generate, model.tokenizer, settings.model_name)
    answers = generations(generate, drawn.prompts, settings.budget, settings.batch, progress)
    pairs = list(zip(drawn.prompts, answers, strict=True))
    outcomes = [_outcome(prompt, answer, model) for prompt, answer in pairs]
    ideal = [_outcome(prompt, Generation(prompt.reference), model) for prompt in drawn.prompts]
    return StopTest(
        prompts=len(pairs),
        held_out=drawn.held_out,
        stop=[{"id": id_, "token": token} for id_, token in model.stops.items()],
        rates=_rates(outcomes),
        references=_rates(ideal),
        duplicates=(_mean(outcomes), _mean(ideal)),
        by_length=_grouped(_lengths(drawn.prompts), outcomes),
        by_source=_grouped([prompt.source for prompt in drawn.prompts], outcomes),
        failures=_failures(pairs, outcomes, model, settings.examples),
        min_stop=settings.min_stop,
        fingerprint=_fingerprint(drawn.prompts),
        baseline=before,
    )


def _baseline(given: StopTest | str | os.PathLike[str] | None) -> StopTest | None:
    if given is None or isinstance(given, StopTest):
        return given
    return StopTest.load(given)


def _model(rows: Any, settings: Settings) -> _Model:
    """Tokenizer, stop set and markers: those of the output, unless others are given."""
    output = Output.open(rows) if is_written(rows) else None
    named = output.tokenizer if output else None
    tokenizer = _tokenizer(settings.tokenizer if settings.tokenizer is not None else named)
    if settings.stop is not None:
        ids = [_stop_id(stop, tokenizer) for stop in settings.stop]
    elif output:
        ids = [stop["id"] for stop in output.record["facts"]["stop"]]
    else:
        ids = _core.stop_set(tokenizer._core) if tokenizer else []
    if not ids:
        raise ArgumentError(
            "it is not known what answers should end in",
            code="no-stop-set",
            hint="give the stop set (--stop), or a tokenizer that has one (--tokenizer)",
        )
    texts = _texts(ids, tokenizer)
    if tokenizer is None:
        return _Model(None, texts, Markers())
    source = ((output.record["facts"].get("template") or {}) if output else {}).get("source")
    return _Model(tokenizer, texts, markers_of(tokenizer, source, texts.values()))


def _tokenizer(given: str | os.PathLike[str] | Tokenizer | None) -> Tokenizer | None:
    return given if given is None or isinstance(given, Tokenizer) else Tokenizer(given)


def _stop_id(stop: str | int, tokenizer: Tokenizer | None) -> int:
    if not isinstance(stop, str):
        return int(stop)
    found = tokenizer.token_to_id(stop) if tokenizer else None
    if found is not None:
        return found
    what = "the tokenizer has no such token" if tokenizer else "no tokenizer is named"
    message = f"the stop token {stop!r} has no id: {what}"
    raise ArgumentError(message, code="unknown-stop", hint="give a token of it, or an id")


def _texts(ids: list[int], tokenizer: Tokenizer | None) -> dict[int, str]:
    if tokenizer is None:
        return {id_: str(id_) for id_ in ids}
    texts = tokenizer._token_bytes(ids)
    return {id_: text.decode("utf-8", "replace") for id_, text in zip(ids, texts, strict=True)}


def _outcome(prompt: Prompt, answer: Generation, model: _Model) -> Outcome:
    return outcome(prompt, answer, frozenset(model.stops), model.markers, model.decode)


def _rates(outcomes: list[Outcome]) -> dict[str, Rate]:
    return {name: Rate.among(getattr(each, name) for each in outcomes) for name in MEASURES}


def _mean(outcomes: list[Outcome]) -> float:
    return sum(each.duplicates for each in outcomes) / len(outcomes)


def _lengths(prompts: list[Prompt]) -> list[str]:
    """For each prompt the quarter of the lengths into which its reference falls."""
    ordered = sorted(len(prompt.reference) for prompt in prompts)
    limits = sorted({ordered[(len(ordered) - 1) * part // 4] for part in (1, 2, 3, 4)})
    names = {
        high: f"{low + 1} to {high}" if low + 1 < high else str(high)
        for low, high in zip([ordered[0] - 1, *limits], limits, strict=False)
    }
    return [
        names[next(limit for limit in limits if len(prompt.reference) <= limit)]
        for prompt in prompts
    ]


def _grouped(names: list[str], outcomes: list[Outcome]) -> dict[str, Rate]:
    """The stop rate of each group, in the order of their sizes or lengths."""
    groups: dict[str, list[bool]] = {}
    for name, each in zip(names, outcomes, strict=True):
        groups.setdefault(name, []).append(each.stop)
    ordered = sorted(groups, key=_number_first)
    return {name: Rate.among(groups[name]) for name in ordered}


def _number_first(name: str) -> tuple[int, str]:
    first = name.partition(" ")[0]
    return (int(first), "") if first.isdecimal() else (0, name)


def _failures(
    pairs: list[tuple[Prompt, Generation]], outcomes: list[Outcome], model: _Model, most: int
) -> list[Failure]:
    found: list[Failure] = []
    for (prompt, answer), each in zip(pairs, outcomes, strict=True):
        if each.failures and len(found) < most:
            decode = model.decode
            text = decode(answer.ids) if decode else " ".join(map(str, answer.ids))
            found.append(
                Failure(
                    prompt.place, each.failures, each.length, len(prompt.reference), text[-_SHOWN:]
                )
            )
    return found


def _fingerprint(prompts: list[Prompt]) -> str:
    """Two tests with the same one asked for the same."""
    asked = json.dumps([(prompt.ids, prompt.reference) for prompt in prompts])
    return hashlib.sha256(asked.encode()).hexdigest()[:16]
