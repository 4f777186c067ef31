"""The names of the files that a run may write, known before it writes the first one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from turnmill.output.files import chosen_files
from turnmill.output.serving import serving_files
from turnmill.prepare.commit import MARKS
from turnmill.prepare.plan import Plan
from turnmill.prepare.record import PLAN
from turnmill.prepare.shard import ShardSettings

ALWAYS = {PLAN, "rejects.parquet", "run.json"}
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
