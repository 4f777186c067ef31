"""What a report shows, gathered from an output."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from turnmill.errors import TokenizerError
from turnmill.output.formats import FORMATS, format_of
from turnmill.output.reader import Output
from turnmill.output.trainers import NextStep, next_steps, usable_length
from turnmill.packing.result import Pack
from turnmill.recipe import Recipe
from turnmill.report.pick import first_rejects, pick_samples
from turnmill.rules import OUT_OF_SET, Rule, rule, rules
from turnmill.show.origin import Origin
from turnmill.show.view import RowView, sample_views
from turnmill.show.written import written_view
from turnmill.stats.measure import measure
from turnmill.stats.result import Stats
from turnmill.stats.roles import Roles, roles_of
from turnmill.storage.local import read_json
from turnmill.storage.remote import AnyPath
from turnmill.tokenizer import Tokenizer


@dataclass(frozen=True)
class FoundRule:
    """A rule that was counted."""

    rule: Rule
    count: int
    rejected: int
    """How many rows it left out."""
    named: dict[str, int]
    """What it was counted for, such as columns."""
    places: list[dict[str, Any]]
    """The first rows: source, row, line, message."""


@dataclass(frozen=True)
class ShownRow:
    """A row, and why it is shown."""

    why: str
    """``random``, ``longest``, ``shortest``, ``finding`` or ``reject``."""
    rule: str
    row: RowView


@dataclass(frozen=True)
class Contents:
    """What a report shows."""

    record: dict[str, Any]
    circumstances: dict[str, Any]
    """``run.json``: when, where and how fast; empty if it is gone."""
    stats: Stats
    found: list[FoundRule]
    """Those that left rows out, most frequent first; then errors, warnings and others."""
    packs: list[Pack]
    steps: list[NextStep]
    """Settings for trainers."""
    rows: list[ShownRow]
    roles: Roles
    seed: int
    drawn: int
    """How many rows were to be drawn at random."""

    @property
    def chooses(self) -> bool:
        """Whether rows were left out after their rules were counted."""
        return bool(OUT_OF_SET & self.record["totals"]["rejected"].keys())


def gather(
    output: Output,
    tokenizer: str | os.PathLike[str] | None = None,
    *,
    samples: int = 6,
    seed: int = 0,
) -> Contents:
    """Gathers what a report on an output shows.

    Args:
        output: The output.
        tokenizer: Where its tokenizer is now, if that is not where the run found it.
        samples: How many samples are drawn at random.
        seed: Another seed draws others.

    Raises:
        TokenizerError: A tokenizer is named that is not the output's.
    """
    loaded = _tokenizer(output, tokenizer)
    roles = Roles() if loaded is None else roles_of(output.record["facts"], loaded)
    return Contents(
        record=output.record,
        circumstances=read_json(output.path / "run.json") or {},
        stats=measure(output, tokenizer),
        found=_found(output.record),
        packs=list(_packs(output)),
        steps=_steps(output),
        rows=[*_written(output, loaded, samples, seed), *_rejected(output)],
        roles=roles,
        seed=seed,
        drawn=samples,
    )


def _tokenizer(output: Output, given: str | os.PathLike[str] | None) -> Tokenizer | None:
    try:
        return output.load_tokenizer(given)
    except TokenizerError:
        if given is not None:
            raise
        return None


def _found(record: dict[str, Any]) -> list[FoundRule]:
    totals = record["totals"]
    found = [
        FoundRule(
            rule(name),
            totals["rules"].get(name, 0),
            totals["rejected"].get(name, 0),
            totals.get("named", {}).get(name, {}),
            record.get("evidence", {}).get(name, []),
        )
        for name in rules()
        if name in totals["rules"] or name in totals["rejected"]
    ]
    badness = ("error", "warning", "info")
    return sorted(found, key=lambda one: (-one.rejected, badness.index(one.rule.severity)))


def _packs(output: Output) -> Iterator[Pack]:
    found: list[AnyPath] = [*output.path.glob("pack-*")]
    for directory in sorted(found, key=str):
        record = read_json(directory / "pack.json")
        if record is not None:
            yield Pack(directory, record)


def _steps(output: Output) -> list[NextStep]:
    first = output.training[0]
    data = output.path / first["data"]
    lengths = {int(k): n for k, n in output.record["totals"]["length_percentiles"].items()}
    format_ = format_of(data)
    return next_steps(
        str(output.path),
        FORMATS[format_.name],
        usable_length(lengths),
        format_.column_names(data),
        apart="split" in first,
    )


def _written(
    output: Output, tokenizer: Tokenizer | None, samples: int, seed: int
) -> Iterator[ShownRow]:
    if tokenizer is None:
        return
    stops = frozenset(stop["id"] for stop in output.record["facts"]["stop"])
    origin = Origin(output, str(tokenizer.path))
    seen: dict[int, RowView] = {}
    for pick in pick_samples(output, samples, seed):
        if pick.number not in seen:
            row = output.sample(pick.number)
            view = written_view(row, stops, tokenizer._token_bytes, origin)
            if len(row.samples) > 1:
                alone = [output.sample_alone(pick.number)]
                view = replace(view, samples=sample_views(alone, stops, tokenizer._token_bytes))
            seen[pick.number] = view
        yield ShownRow(pick.why, pick.rule, seen[pick.number])


def _rejected(output: Output) -> Iterator[ShownRow]:
    origin = Origin(output)
    for reject in first_rejects(output):
        source, row, line = reject["source"], reject["row"], reject["line"]
        reason = (reject["code"], reject["reason"], reject["message"])
        raw = origin.raw(source, row, line)
        yield ShownRow("reject", reject["code"], RowView(source, row, line, (), reason, raw))


def changed_keys(record: dict[str, Any]) -> list[tuple[str, Any, bool]]:
    """The recipe of a run: key, value and whether it differs from the default; those first."""
    defaults = Recipe().to_dict()
    keys = [
        (name, value, name in defaults and value != defaults[name])
        for name, value in record["recipe"].items()
    ]
    return sorted(keys, key=lambda key: not key[2])


def short_names(names: list[str]) -> dict[str, str]:
    """Names of inputs without the directories that all of them are in."""
    split = [name.split("/") for name in names]
    shared = 0
    while all(len(parts) > shared + 1 for parts in split):
        if len({parts[shared] for parts in split}) > 1:
            break
        shared += 1
    return {name: "/".join(parts[shared:]) for name, parts in zip(names, split, strict=True)}
