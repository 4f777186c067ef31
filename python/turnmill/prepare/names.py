"""The names of the files that a run may write, known before it writes the first one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from turnmill.output.files import ShardFiles, chosen_files
from turnmill.output.manifest import CIRCUMSTANCES
from turnmill.output.serving import serving_files
from turnmill.prepare.chosen import DataFile
from turnmill.prepare.commit import MARKS
from turnmill.prepare.plan import Plan
from turnmill.prepare.record import PLAN
from turnmill.prepare.shard import Receipt, ShardSettings
from turnmill.storage import MANIFEST

ALWAYS = {PLAN, "rejects.parquet", CIRCUMSTANCES, MANIFEST}
"""Files of every output, besides those of shards and of the commit."""


def planned_names(
    plan: Plan, settings: ShardSettings, splits: Sequence[str | None], facts: dict[str, Any]
) -> set[str]:
    """Every name, relative to the output.

    Args:
        plan: Its shards.
        settings: Where their files go.
        splits: The data sets of the output.
        facts: What the encoder says of itself, for the serving side.
    """
    names = {*ALWAYS, *serving_files(facts)}
    for spec in plan.shards:
        names |= settings.files(spec.name).names()
        if settings.chooses:
            for split in splits:
                names |= chosen_files(spec.name, split, settings.format).names()
    places = {"", *(f"{split}/" for split in splits if split)}
    return names | {f"{place}{mark}" for place in places for mark in MARKS}


def known_hashes(
    files: Sequence[ShardFiles], receipts: Sequence[Receipt], written: Sequence[DataFile]
) -> dict[str, str]:
    """The SHA-256 that files had when they were written, by name."""
    known = {}
    for shard, receipt in zip(files, receipts, strict=True):
        for kind, digest in receipt.sha256.items():
            known[str(getattr(shard, kind))] = digest
    for file in written:
        known |= {file.data: file.sha256["data"], file.index: file.sha256["index"]}
    return known
