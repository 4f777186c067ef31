"""The samples of an output by the rows they came from, to be compared with those made again.

Each sample is known by a hash of its ids and labels, so the order in which they were written, and
how often, make no difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from turnmill import _core
from turnmill.output.answers import COLUMNS as ANSWER_COLUMNS
from turnmill.output.columns import int64s
from turnmill.output.formats import format_of
from turnmill.storage.local import read_table
from turnmill.storage.remote import AnyPath

Numbers = npt.NDArray[np.int64]

_COMPARED = ("input_ids", "labels", *ANSWER_COLUMNS)
_SAMPLE_BITS = 20
"""A row gives fewer samples than this can count."""
_NOWHERE = -1


class WrittenSamples:
    """Every sample of the files of an output."""

    def __init__(self, directory: AnyPath, record: dict[str, Any]) -> None:
        self._files: list[tuple[str, str, int]] = []
        """Name and source of each file, and the number of its first sample in the output."""
        parts: dict[str, list[_Samples]] = {}
        first = 0
        for entry in record["shards"]:
            path = directory / entry["data"]
            source = entry["source"] or f"one of {len(record['inputs'])} inputs"
            self._files.append((path.name, source, first))
            table = read_table(directory / entry["index"], ["source", "row", "sample"])
            samples = _Samples.of(path, table, first)
            if entry["source"] is None:
                for source, some in samples.by_source(table["source"]):
                    parts.setdefault(source, []).append(some)
            else:
                parts.setdefault(entry["source"], []).append(samples)
            first += entry["samples"]
        self._sources = {source: _Samples.sorted(found) for source, found in parts.items()}

    def compare(self, source: str, keys: Numbers, made: Numbers) -> npt.NDArray[np.bool_]:
        """Compares samples that were made again; returns which of them were written.

        Args:
            source: The input.
            keys: The row and number of each.
            made: The hash of each.
        """
        written = self._sources.get(source)
        if written is None:
            return np.zeros(len(keys), bool)
        begins = np.searchsorted(written.keys, keys, "left")
        ends = np.searchsorted(written.keys, keys, "right")
        for copy in range(int((ends - begins).max(initial=0))):
            places = begins + copy
            there = places < ends
            equal = written.hashes[places[there]] == made[there]
            written.seen[places[there][equal]] = True
        found: npt.NDArray[np.bool_] = ends > begins
        return found

    def number_of(self, source: str, row: int) -> int | None:
        """The number in the output of the first sample of a row."""
        written = self._sources.get(source)
        if written is None:
            return None
        edges = np.array([row, row + 1], np.int64) << _SAMPLE_BITS
        begin, end = np.searchsorted(written.keys, edges)
        return int(written.places[begin:end].min()) if end > begin else None

    def changes(self) -> Iterator[str]:
        """What is in the files and was not made again, the first of each file."""
        unseen = [samples.places[~samples.seen] for samples in self._sources.values()]
        places = np.sort(np.concatenate([np.zeros(0, np.int64), *unseen]))
        for number, (name, source, first) in enumerate(self._files):
            last = number + 1 == len(self._files)
            here = places[places >= first]
            here = here if last else here[here < self._files[number + 1][2]]
            if len(here):
                yield (
                    f"{name} is not what {source} gives with the recorded recipe, "
                    f"from sample {here[0]} on"
                )


@dataclass(frozen=True)
class _Samples:
    """Samples of one input."""

    keys: Numbers
    hashes: Numbers
    places: Numbers
    """Their numbers in the output."""
    seen: npt.NDArray[np.bool_]
    """Which of them were made again."""

    @classmethod
    def of(cls, data: AnyPath, index: pa.Table, first: int) -> _Samples:
        """The samples of a file with its index."""
        keys = keys_of(int64s(index["row"]), int64s(index["sample"]))
        found = [digests(batch) for batch in format_of(data).batches(data)]
        hashes = np.concatenate([np.zeros(0, np.int64), *found])
        # A file that was changed may hold more than its index, or less.
        beyond = np.full(max(0, len(hashes) - len(keys)), _NOWHERE, np.int64)
        keys = np.concatenate([keys[: len(hashes)], beyond])
        return cls(keys, hashes, first + np.arange(len(keys)), np.zeros(len(keys), bool))

    def by_source(self, sources: pa.ChunkedArray) -> Iterator[tuple[str, _Samples]]:
        """The same by their inputs; those beyond the index are in the first."""
        encoded = sources.combine_chunks().dictionary_encode()
        codes = np.zeros(len(self.keys), np.int32)
        known = min(len(codes), len(encoded))
        codes[:known] = np.from_dlpack(encoded.indices)[:known]
        for code, source in enumerate(encoded.dictionary.to_pylist()):
            some = codes == code
            yield (
                source,
                _Samples(self.keys[some], self.hashes[some], self.places[some], self.seen[some]),
            )

    @classmethod
    def sorted(cls, parts: list[_Samples]) -> _Samples:
        keys = np.concatenate([part.keys for part in parts])
        order = np.argsort(keys, kind="stable")
        hashes = np.concatenate([part.hashes for part in parts])[order]
        places = np.concatenate([part.places for part in parts])[order]
        return cls(keys[order], hashes, places, np.zeros(len(order), bool))


def keys_of(rows: npt.NDArray[Any], samples: npt.NDArray[Any]) -> Numbers:
    """One number for each pair of a row and the number of a sample of it."""
    return (rows.astype(np.int64) << _SAMPLE_BITS) + samples.astype(np.int64)


def digests(batch: Any) -> Numbers:
    """A hash of the ids and labels of each sample."""
    return np.asarray(_core.sample_digests(batch, _COMPARED))
