"""Shards that are made again because their samples are gone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from turnmill.encoder.session import Session
from turnmill.prepare.commit import is_whole
from turnmill.prepare.plan import Plan
from turnmill.prepare.shard import Receipt, ShardSettings, run_shard, unwatched


class Needed(Protocol):
    """A file of a shard whose samples are needed."""

    @property
    def shard(self) -> str:
        """The shard."""

    @property
    def receipt(self) -> Receipt:
        """Its receipt."""

    @property
    def kind(self) -> str:
        """What the receipt calls the file."""


def restore(files: Iterable[Needed], plan: Plan, session: Session, settings: ShardSettings) -> None:
    """Makes shards again whose samples an earlier run removed once they were written."""

    def is_gone(file: Needed) -> bool:
        names = settings.files(file.shard)
        return not is_whole(settings.output, names, file.receipt, [file.kind])

    gone = {file.shard for file in files if is_gone(file)}
    unseen = replace(settings, watch=unwatched)
    for spec in plan.shards:
        if spec.name in gone:
            run_shard(spec, session, unseen)
