"""The chosen samples of a shard go from where they waited into the files of the output."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from turnmill.errors import DataError
from turnmill.output.columns import flag_column, int64s
from turnmill.output.files import VALIDATION, ChosenFiles, ShardFiles, chosen_files
from turnmill.output.formats import Format
from turnmill.output.recut import BATCH_ROWS, Recut
from turnmill.output.sinks import Sink, with_source
from turnmill.output.tables import GROUP_BATCHES, TableWriter
from turnmill.output.waiting import waiting_entries
from turnmill.prepare.shard import Receipt, ShardSettings
from turnmill.storage.local import (
    file_sha256,
    move,
    whole_file,
)
from turnmill.storage.remote import AnyPath
from turnmill.storage.sealed import read_sealed, write_sealed


@dataclass(frozen=True)
class DataFile:
    """A data file of the output with its index. Paths are relative to the output."""

    data: str
    index: str
    source: str | None
    """The input that the samples come from; None: several."""
    rows: int
    samples: int
    tokens: int
    trained: int
    sha256: dict[str, str]
    lengths: list[list[int]] | npt.NDArray[np.int64]
    """How many samples have each length in tokens: pairs, shortest first."""
    split: str | None = None

    @classmethod
    def of(
        cls,
        files: ChosenFiles,
        index: pa.Table,
        sha256: dict[str, str],
        *,
        split: str | None,
        source: str | None,
    ) -> DataFile:
        """Files with the samples that ``index`` lists."""
        return cls(
            data=files.data,
            index=files.index,
            source=source,
            rows=_count_rows(index),
            samples=len(index),
            tokens=_sum(index["length"]),
            trained=_sum(index["trained"]),
            sha256=sha256,
            lengths=_counted(index["length"]),
            split=split,
        )

    def to_dict(self) -> dict[str, Any]:
        """For the run record."""
        left_out = {"trained", "lengths"} if self.split else {"trained", "lengths", "split"}
        return {name: value for name, value in asdict(self).items() if name not in left_out}


@dataclass(frozen=True)
class Chosen:
    """The samples of one shard that go to one data set."""

    shard: str
    receipt: Receipt
    """That of the shard."""
    copies: npt.NDArray[np.int32]
    """How often each sample of the shard is written."""
    within: npt.NDArray[np.int32]
    """How often each sample in the file where they wait."""
    split: str | None

    @property
    def is_whole(self) -> bool:
        """Whether that file is what is to be written."""
        return bool((self.within == 1).all())

    @property
    def kind(self) -> str:
        """What the receipt of the shard calls that file."""
        return "apart" if self.split == VALIDATION else "data"

    def files(self, format_: Format) -> ChosenFiles:
        """Where they go."""
        return chosen_files(self.shard, self.split, format_)

    def identity(self) -> dict[str, Any]:
        """What decides the bytes of the files."""
        digest = hashlib.sha256()
        for samples in passes(self.copies):
            digest.update(np.packbits(samples).tobytes())
        number = len(self.copies)
        return {"of": self.receipt.sha256, "number": number, "samples": digest.hexdigest()}


def passes(copies: npt.NDArray[np.int32]) -> Iterator[npt.NDArray[np.bool_]]:
    """The samples of each pass over a file: once all, then those that are written again."""
    yield copies > 0
    for written in range(1, int(copies.max(initial=0))):
        yield copies > written


class ChosenSamples(Protocol):
    """Samples that go to a file of the output."""

    def files(self, format_: Format) -> ChosenFiles:
        """Where they go."""

    def identity(self) -> dict[str, Any]:
        """What decides the bytes of the files."""


def finished_choice(chosen: ChosenSamples, output: AnyPath, format_: Format) -> DataFile | None:
    """What an earlier run wrote of this, if its files are there and intact."""
    files = chosen.files(format_)
    try:
        receipt = read_sealed(output / files.receipt) or {}
        if receipt.get("identity") != chosen.identity():
            return None
        written = DataFile(**receipt["written"])
    except (DataError, TypeError, KeyError, AttributeError):
        return None
    for kind, name in (("data", files.data), ("index", files.index)):
        path = output / name
        if not path.exists() or file_sha256(path) != written.sha256[kind]:
            return None
    return written


def write_choice(chosen: Chosen, stored: ShardFiles, settings: ShardSettings) -> DataFile:
    """Writes the files of the chosen samples, then their receipt.

    Args:
        chosen: Which samples.
        stored: Where the samples of the shard wait.
        settings: Where the files go, and in which format.
    """
    output, format_ = settings.output, settings.format
    files = chosen.files(format_)
    source = chosen.receipt.identity["source"]
    entries = waiting_entries(output / stored.index)
    waiting = pa.Table.from_batches([with_source(batch, source) for batch in entries])
    index = pa.concat_tables([waiting.filter(flag_column(some)) for some in passes(chosen.copies)])
    sha256 = {
        "data": _write_data(chosen, output / stored.data_of(chosen.split), settings),
        "index": write_index(index, output / files.index),
    }
    written = DataFile.of(files, index, sha256, split=chosen.split, source=source)
    receipt = {"identity": chosen.identity(), "written": asdict(written)}
    write_sealed(output / files.receipt, receipt)
    return written


def _write_data(chosen: Chosen, source: AnyPath, settings: ShardSettings) -> str:
    target = settings.output / chosen.files(settings.format).data
    if chosen.is_whole and settings.format is settings.stored_format:
        move(source, target)
        return chosen.receipt.sha256[chosen.kind]
    format_ = settings.format
    with whole_file(target) as file:
        sink = Sink(file, format_.writer, format_.batches_written)
        cut = Recut()
        for samples in passes(chosen.within):
            first = 0
            for batch in settings.stored_format.batches(source):
                sink.write(cut.add_some(batch, samples[first : first + len(batch)]))
                first += len(batch)
        sink.write(cut.rest())
        sink.close()
        return file.sha256


def write_index(index: pa.Table, path: AnyPath) -> str:
    """Writes an index and returns the SHA-256 of the file."""
    group = GROUP_BATCHES * BATCH_ROWS
    with whole_file(path) as file:
        writer = TableWriter(file, index.schema)
        for start in range(0, len(index), group) or [0]:
            writer.write_table(index.slice(start, group))
        writer.close()
        return file.sha256


def _counted(column: pa.ChunkedArray) -> list[list[int]]:
    """How often each value stands in a column of small whole numbers."""
    # Not `to_numpy`, which imports pandas: a quarter of a second.
    values = [np.from_dlpack(chunk) for chunk in column.chunks]
    counts = np.bincount(np.concatenate([np.zeros(0, np.uint32), *values]))
    found = np.flatnonzero(counts)
    return [[int(value), int(counts[value])] for value in found]


def _count_rows(index: pa.Table) -> int:
    """The different rows of the inputs that the samples come from."""
    inputs = index["source"].combine_chunks().dictionary_encode()
    if isinstance(inputs, pa.ChunkedArray):
        inputs = inputs.combine_chunks()
    rows = int64s(index["row"])
    # An input has fewer rows than 2^40: so many fill a petabyte.
    places = np.sort((np.from_dlpack(inputs.indices).astype(np.int64) << 40) | rows)
    return int(np.count_nonzero(np.diff(places, prepend=-1)))


def _sum(column: pa.ChunkedArray) -> int:
    return int(np.sum([np.from_dlpack(chunk).sum(dtype=np.int64) for chunk in column.chunks]))
