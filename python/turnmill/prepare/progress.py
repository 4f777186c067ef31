"""Where a run stands."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from turnmill.prepare.shard import Tally


@dataclass(frozen=True)
class Progress:
    """A moment of a run. Counts include the shards that an earlier run finished."""

    shards_done: int
    shards: int
    done: float
    """Share of the input that has been read, from 0 to 1."""
    rows: int
    rejected: int
    tokens: int
    bytes_read: int
    """Bytes of text or Arrow data that this run has read."""
    seconds: float
    """Time since this run's first shard was opened."""
    done_before: float
    """Share of the input that an earlier run had finished."""

    @property
    def megabytes_per_second(self) -> float:
        """Megabytes of input text per second, in this run."""
        return self.bytes_read / 1e6 / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Time left at this run's speed, or ``None`` if it is too early to tell."""
        fresh = self.done - self.done_before
        if fresh <= 0 or self.seconds <= 0:
            return None
        return max(0.0, (1.0 - self.done) * self.seconds / fresh)


Watcher = Callable[[Progress], None]


@dataclass
class ProgressCount:
    """Adds up the results of the shards of a run, and tells a watcher."""

    sizes: list[int]
    """The size of each shard's input, in bytes."""
    watcher: Watcher | None = None
    tally: Tally = field(default_factory=Tally)
    _done: int = 0
    shards_done: int = 0
    """Shards that are there."""
    _within: int = 0
    _read: int = 0
    _before: int = 0
    _start: float = field(default_factory=time.monotonic)

    def advance(self, tally: Tally, amount: int) -> None:
        """Counts an encoded block of the current shard, which used ``amount`` of its input."""
        self.tally.add(tally)
        self._read += tally.bytes
        self._within += amount
        self.tell()

    def made_here(self, tally: Tally, size: int, fresh: bool) -> None:
        """Counts a shard whose blocks were counted, or which an earlier run finished."""
        if not fresh:
            self._reused(tally, size)
            return
        self._close_shard(size)
        self.tell()

    def made_elsewhere(self, tally: Tally, size: int, fresh: bool) -> None:
        """Counts a shard of another process, any of those that are left."""
        if fresh:
            self.tally.add(tally)
            self._read += tally.bytes
            self._close_shard(size)
        else:
            self._reused(tally, size)
        self.tell()

    def tell(self) -> None:
        """Tells the watcher where the run stands."""
        if self.watcher is not None:
            self.watcher(self.now())

    def now(self) -> Progress:
        """Where the run stands."""
        total = sum(self.sizes) or 1
        open_shard = self.sizes[self.shards_done] if self.shards_done < len(self.sizes) else 0
        within = min(self._within, open_shard)
        return Progress(
            shards_done=self.shards_done,
            shards=len(self.sizes),
            done=min(1.0, (self._done + within) / total),
            rows=self.tally.rows,
            rejected=self.tally.rejected,
            tokens=self.tally.tokens,
            bytes_read=self._read,
            seconds=time.monotonic() - self._start,
            done_before=self._before / total,
        )

    def _reused(self, tally: Tally, size: int) -> None:
        self.tally.add(tally)
        self._close_shard(size)
        self._before += size

    def _close_shard(self, size: int) -> None:
        self._done += size
        self.shards_done += 1
        self._within = 0
