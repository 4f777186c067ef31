"""The files of a shuffled output, made from the shards where the samples wait."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from turnmill.encoder.session import Session
from turnmill.output.ownership import record_names
from turnmill.output.sinks import Sink
from turnmill.prepare.chosen import DataFile, finished_choice, write_index
from turnmill.prepare.commit import unmark
from turnmill.prepare.plan import Plan
from turnmill.prepare.restore import restore
from turnmill.prepare.shard import ShardSettings
from turnmill.prepare.shuffle import (
    FILE_TOKENS,
    Order,
    ShuffledFile,
    SortedRun,
    Waiting,
    gather,
    scatter,
)
from turnmill.storage import STAGING
from turnmill.storage.local import TEMPORARY_PREFIX, whole_file
from turnmill.storage.sealed import write_sealed

_WORKERS = 2
"""Shards or files in the works at a time; each takes some hundred megabytes."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Shuffle:
    """What all data sets of a shuffled output share."""

    plan: Plan
    session: Session
    settings: ShardSettings
    made: set[str]
    """Shards that this run made, whose samples must be there."""

    def write(self, waiting: Sequence[list[Waiting]]) -> tuple[list[DataFile], set[str]]:
        """Writes the files that an earlier run did not.

        Args:
            waiting: For each data set, the samples of all shards.

        Returns:
            All files, and the names of those that a later run needs. The shards are among them: if
            inputs are added, every file is written again.
        """
        written: list[DataFile] = []
        needed: set[str] = set()
        for some in waiting:
            order = Order.of(some, some[0].split, self.session.recipe.seed, self._file_size(some))
            written += self._write(order)
            needed |= {name for file in order.files for name in self._names(file)}
            stored = [self.settings.files(part.shard).data_of(part.split) for part in some]
            needed |= set(stored)
        return written, needed

    def _names(self, file: ShuffledFile) -> set[str]:
        """The names of what is written, relative to the output."""
        return file.files(self.settings.format).names()

    def _file_size(self, waiting: Sequence[Waiting]) -> int:
        """How many samples have about so many tokens as a file should."""
        tallies = [part.receipt.tally for part in waiting]
        samples, tokens = sum(t.samples for t in tallies), sum(t.tokens for t in tallies)
        return max(1, FILE_TOKENS * samples // max(1, tokens))

    def _write(self, order: Order) -> list[DataFile]:
        settings = self.settings
        done = [finished_choice(file, settings.output, settings.format) for file in order.files]
        missing = [file for file, found in zip(order.files, done, strict=True) if found is None]
        if not missing:
            return [found for found in done if found]
        paths = [settings.output / file.files(settings.format).data for file in missing]
        if any(path.exists() for path in paths):
            unmark(settings.output)
        record_names(settings.output, {name for file in missing for name in self._names(file)})
        if split := missing[0].split:
            (settings.output / split).mkdir(exist_ok=True)
        restore(
            [part for part in order.waiting if part.shard not in self.made],
            self.plan,
            self.session,
            settings,
        )
        with self._room() as room:
            runs = self._scatter(order, missing, room)
            made = iter(self._each(lambda file: self._gather(file, runs), missing))
        return [found or next(made) for found in done]

    @contextlib.contextmanager
    def _room(self) -> Iterator[Path]:
        """A directory on this machine for samples on their way."""
        output = self.settings.output
        place = output / STAGING if isinstance(output, Path) else None
        with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=place) as room:
            yield Path(room)

    def _scatter(
        self, order: Order, missing: Sequence[ShuffledFile], room: Path
    ) -> list[SortedRun]:
        settings = self.settings
        ranks = order.by_number()
        wanted = np.zeros(len(ranks), bool)
        for file in missing:
            wanted[file.ranks] = True
        ranks = ranks[wanted[ranks]]
        edges = np.searchsorted(order.numbers[ranks], order.firsts)

        def scattered(shard: int) -> list[SortedRun]:
            waiting = order.waiting[shard]
            stored = settings.files(waiting.shard)
            data, index = stored.data_of(waiting.split), stored.index
            paths = (settings.output / data, settings.output / index, room)
            return list(scatter(order, shard, ranks[edges[shard] : edges[shard + 1]], *paths))

        found = self._each(scattered, range(len(order.waiting)))
        return [run for runs in found for run in runs]

    def _gather(self, file: ShuffledFile, runs: Sequence[SortedRun]) -> DataFile:
        settings = self.settings
        samples, index = gather(file, runs)
        files = file.files(settings.format)
        with whole_file(settings.output / files.data) as target:
            sink = Sink(target, settings.format.writer, settings.format.batches_written)
            for batch in samples:
                sink.write([batch])
            sink.close()
        sha256 = {"data": target.sha256, "index": write_index(index, settings.output / files.index)}
        written = DataFile.of(files, index, sha256, split=file.split, source=None)
        receipt = {"identity": file.identity(), "written": asdict(written)}
        write_sealed(settings.output / files.receipt, receipt)
        return written

    def _each(self, work: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
        workers = min(self.settings.threads or os.cpu_count() or 1, _WORKERS)
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(work, items))
