"""One shard, made wherever the run has it made."""

from __future__ import annotations

from dataclasses import dataclass, field

from turnmill.encoder.session import Session
from turnmill.prepare.commit import finished
from turnmill.prepare.plan import ShardSpec
from turnmill.prepare.shard import Receipt, ShardSettings, run_shard


@dataclass(frozen=True)
class Made:
    """A shard that is there, or what went wrong with it."""

    shard: str
    receipt: Receipt | None = None
    fresh: bool = False
    """Whether it was made now, and not by an earlier run."""
    error: Exception | None = None
    counts: dict[str, int] = field(default_factory=dict)
    """Rows, rejects and bytes, for the engine to show."""

    @classmethod
    def of(cls, receipt: Receipt, *, fresh: bool) -> Made:
        """A shard that is there."""
        tally = receipt.tally
        counts = {"rows": tally.rows, "rejects": tally.rejected, "bytes": tally.bytes}
        return cls(receipt.identity["shard"], receipt, fresh, counts=counts if fresh else {})


@dataclass(frozen=True)
class Worker:
    """Makes shards in this process."""

    session: Session
    settings: ShardSettings
    name: str = "shard"

    def __call__(self, spec: ShardSpec) -> Made:
        """Makes a shard, unless an earlier run has finished it."""
        receipt = finished(spec, self.settings)
        if receipt is not None:
            return Made.of(receipt, fresh=False)
        return Made.of(run_shard(spec, self.session, self.settings), fresh=True)
