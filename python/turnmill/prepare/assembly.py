"""The set: from the samples of all shards to the files of the output.

Where every sample is written, the files of the shards are those of the output. Else the samples
wait in the staging directory until all shards are there; then it is chosen which are written, and
they are moved.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from turnmill.encoder.session import Session
from turnmill.prepare.choice import Choice, choose, splits_of
from turnmill.prepare.chosen import Chosen, DataFile, finished_choice, write_choice
from turnmill.prepare.commit import merge_counts, unmark
from turnmill.prepare.left_out import LeftOut
from turnmill.prepare.plan import Plan
from turnmill.prepare.restore import restore
from turnmill.prepare.shard import EVIDENCE_ROWS, Receipt, ShardSettings
from turnmill.prepare.shuffle import Waiting
from turnmill.prepare.shuffled import Shuffle


@dataclass(frozen=True)
class Assembled:
    """The files of the output, and what was left out for them."""

    written: list[DataFile]
    files: set[str]
    """Every file that the output or a later run needs, relative to the output."""
    sources: list[str] = field(default_factory=list)
    """The input of each shard."""
    left_out: list[LeftOut] = field(default_factory=list)
    """For each shard the rows that were left out."""
    rows: list[int] = field(default_factory=list)
    """For each shard the rows to train on, repeated ones counted as often."""

    split_rows: dict[str | None, int] = field(default_factory=dict)
    """The different rows of each data set."""

    def counts(self) -> dict[str, int]:
        """Rows that were left out, by rule."""
        counts: dict[str, int] = {}
        for left_out in self.left_out:
            merge_counts(counts, {rule: len(rows) for rule, rows in left_out.by_rule().items()})
        return counts

    def rejects(self) -> Iterator[pa.Table]:
        """For each shard the rows that were left out, as the table of rejects lists them."""
        for found, source in zip(self.left_out, self.sources, strict=True):
            yield found.rejects(source, self.sources)

    def evidence(self) -> dict[str, list[dict[str, Any]]]:
        """The first rows that were left out, by rule, as the run record lists them."""
        evidence: dict[str, list[dict[str, Any]]] = {}
        for left_out, source in zip(self.left_out, self.sources, strict=True):
            for rule, rows in left_out.by_rule().items():
                room = EVIDENCE_ROWS - len(evidence.get(rule, []))
                if room and len(rows):
                    evidence.setdefault(rule, []).extend(rows.places(source, room))
        return evidence


def assemble(
    plan: Plan,
    receipts: Sequence[Receipt],
    session: Session,
    settings: ShardSettings,
    made: set[str],
) -> Assembled:
    """Makes the files of the output from the shards.

    Args:
        plan: The plan.
        receipts: One for each shard, in its order.
        session: For shards that have to be made again, because their samples are gone.
        settings: Where the files are, and with how many threads.
        made: Shards that this run made, whose samples must be there.
    """
    if not settings.chooses:
        return _as_they_are(plan, receipts, settings)
    names = [spec.name for spec in plan.shards]
    stored = [settings.output / settings.files(name).index for name in names]
    inputs = [spec.input for spec in plan.shards]
    samples = sum(receipt.tally.samples for receipt in receipts)
    choices = list(choose(session.recipe, stored, samples, inputs))
    splits = splits_of(session.recipe)
    if session.recipe.shuffle:
        shuffle = Shuffle(plan, session, settings, made)
        waiting = [waiting_for(split, names, receipts, choices) for split in splits]
        written, files = shuffle.write(waiting)
    else:
        parts = _parts(names, receipts, choices, splits)
        written = _write(parts, plan, session, settings, made)
        files = {name for part in parts for name in _files_of(part, settings)}
    return Assembled(
        written,
        _files(plan, settings) | files,
        [input_.name for input_ in inputs],
        [choice.left_out for choice in choices],
        [choice.rows for choice in choices],
        {split: sum(choice.distinct[split] for choice in choices) for split in splits},
    )


def _as_they_are(plan: Plan, receipts: Sequence[Receipt], settings: ShardSettings) -> Assembled:
    written = []
    for spec, receipt in zip(plan.shards, receipts, strict=True):
        files, tally = settings.files(spec.name), receipt.tally
        written.append(
            DataFile(
                data=files.data,
                index=files.index,
                source=receipt.identity["source"],
                rows=tally.rows,
                samples=tally.samples,
                tokens=tally.tokens,
                trained=tally.trained,
                sha256={kind: receipt.sha256[kind] for kind in ("data", "index")},
                lengths=receipt.lengths,
            )
        )
    data = {file.data for file in written}
    return Assembled(written, _files(plan, settings) | data)


def _files(plan: Plan, settings: ShardSettings) -> set[str]:
    """What a later run needs of the shards."""
    files = [settings.files(spec.name) for spec in plan.shards]
    return {name for shard in files for name in (shard.index, shard.rejects, shard.receipt)}


def _files_of(part: Chosen, settings: ShardSettings) -> tuple[str, str, str]:
    files = part.files(settings.format)
    return files.data, files.index, files.receipt


def waiting_for(
    split: str | None,
    names: Sequence[str],
    receipts: Sequence[Receipt],
    choices: Sequence[Choice],
) -> list[Waiting]:
    """The samples of all shards that belong to a data set."""
    found = []
    for name, receipt, choice in zip(names, receipts, choices, strict=True):
        side = choice.side(split)
        found.append(Waiting(name, receipt, split, side, choice.copies[side]))
    return found


def _parts(
    names: Sequence[str],
    receipts: Sequence[Receipt],
    choices: Sequence[Choice],
    splits: Sequence[str | None],
) -> list[Chosen]:
    """The files to write: one for each data set and shard that has samples for it."""
    parts = []
    for split in splits:
        every = []
        for name, receipt, choice in zip(names, receipts, choices, strict=True):
            side = choice.side(split)
            copies = np.where(side, choice.copies, 0)
            every.append(Chosen(name, receipt, copies, choice.copies[side], split))
        # A data set without samples has one file, which has its columns.
        parts += [part for part in every if part.copies.any()] or every[:1]
    return parts


def _write(
    parts: Sequence[Chosen],
    plan: Plan,
    session: Session,
    settings: ShardSettings,
    made: set[str],
) -> list[DataFile]:
    """Writes the files that an earlier run did not, several at a time."""
    for split in {part.split for part in parts if part.split}:
        (settings.output / split).mkdir(exist_ok=True)
    done = [finished_choice(part, settings.output, settings.format) for part in parts]
    missing = [part for part, found in zip(parts, done, strict=True) if found is None]
    if any((settings.output / part.files(settings.format).data).exists() for part in missing):
        unmark(settings.output)
    restore([part for part in missing if part.shard not in made], plan, session, settings)

    def written(part: Chosen, found: DataFile | None) -> DataFile:
        return found or write_choice(part, settings.files(part.shard), settings)

    with ThreadPoolExecutor(settings.threads or os.cpu_count() or 1) as pool:
        return list(pool.map(written, parts, done))
