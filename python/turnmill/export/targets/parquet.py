"""Parquet files with all columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from turnmill.export.result import Written
from turnmill.export.source import DataSet
from turnmill.export.targets.tables import PARQUET
from turnmill.export.targets.target import Packs, Target
from turnmill.output.trainers import NextStep

_GROUP_BYTES = 1 << 25
"""Bytes of Arrow data after which the next row group begins."""


@dataclass(frozen=True)
class ParquetFiles:
    """A third of the size of Arrow; ``datasets.load_dataset`` takes the directory."""

    name: str = "parquet"
    labels: str = "not shifted: label i is token i"
    packs: Packs = "either"
    alone: str = ""
    weights: bool = True
    needs_ids: bool = False

    def write(self, directory: Path, data_set: DataSet) -> Written:
        """Writes the files of one data set."""
        written = Written()
        PARQUET.write(directory, written.counting(_grouped(data_set.batches())), written)
        return written

    def finish(self, directory: Path, splits: Sequence[str]) -> None:
        """Nothing: the directories are called as the data sets are."""

    def next_steps(self, place: str, data_sets: Sequence[DataSet]) -> list[NextStep]:
        """How `datasets` loads it."""
        line = f'load_dataset("{place}")' + ("" if data_sets[0].split else '["train"]')
        return [NextStep("datasets", (line,), "copies the rows into its cache")]


def _grouped(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Several batches as one, which becomes a row group."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(held.nbytes for held in waiting) >= _GROUP_BYTES:
            yield pa.concat_batches(waiting)
            waiting = []
    if waiting:
        yield pa.concat_batches(waiting)


PARQUET_FILES: Target = ParquetFiles()
