"""Reads an output directory back: from a sample to its input row, and from a row to its samples."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from turnmill.errors import DataError
from turnmill.output.formats import format_of
from turnmill.storage import STAGING
from turnmill.storage.local import read_json, read_table
from turnmill.storage.remote import AnyPath, output_path


def is_output(path: str | os.PathLike[str]) -> bool:
    """Whether a directory was written by ``prepare``.

    Raises:
        DataError: It was started but is not finished.
    """
    place = output_path(path)
    if (place / "turnmill.json").is_file():
        return True
    if (place / STAGING).is_dir():
        raise DataError(
            "the output is not finished",
            code="unfinished-output",
            path=path,
            hint="run the same `turnmill prepare` again: it continues where it stopped",
        )
    return False


@dataclass(frozen=True)
class WrittenRow:
    """The result of one input row: samples, or a reject."""

    source: str
    row: int
    line: int | None
    samples: list[dict[str, Any]]
    reject: dict[str, Any] | None = None


@dataclass(frozen=True)
class Output:
    """A finished output directory."""

    path: AnyPath
    record: dict[str, Any]

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Output:
        """Opens the directory; it must be finished."""
        place = output_path(path)
        return cls(place, read_json(place / "turnmill.json") or {})

    @property
    def sources(self) -> list[str]:
        """Names of the inputs, in order."""
        return [str(planned["name"]) for planned in self.record["inputs"]]

    def first_rows(self, count: int) -> Iterator[WrittenRow]:
        """The first written rows."""
        for shard in self.record["shards"]:
            index = self._index(shard)
            rows = list(dict.fromkeys(index["row"].to_pylist()))[:count]
            for row in rows:
                yield self._written(shard, index, pc.field("row") == row)
            count -= len(rows)
            if count <= 0:
                return

    def sample(self, number: int) -> WrittenRow:
        """The row of a sample, by the sample's number in the whole data set.

        Raises:
            DataError: There is no such sample.
        """
        left = number
        for shard in self.record["shards"]:
            if left < shard["samples"]:
                index = self._index(shard)
                row = index["row"][left].as_py()
                return self._written(shard, index, pc.field("row") == row)
            left -= shard["samples"]
        total = self.record["totals"]["samples"]
        message = f"there is no sample {number:,}: the data set has {total:,}, counted from 0"
        raise DataError(message, code="no-such-row", path=str(self.path))

    def find(
        self, source: str, *, row: int | None = None, line: int | None = None
    ) -> list[WrittenRow]:
        """The result of a row of ``source``, by its row (from 0) or its line (from 1).

        An input that was given twice, perhaps with different fields, has the row twice.

        Raises:
            DataError: The output knows no such row.
        """
        wanted = pc.field("row") == row if line is None else pc.field("line") == line
        found = []
        for shard in self.record["shards"]:
            index = self._index(shard) if shard["source"] == source else None
            if index is not None and index.filter(wanted).num_rows:
                found.append(self._written(shard, index, wanted))
        rejects = read_table(self.path / "rejects.parquet")
        rejects = rejects.filter((pc.field("source") == source) & wanted)
        found += [WrittenRow(source, r["row"], r["line"], [], r) for r in rejects.to_pylist()]
        if found:
            return found
        place = f"line {line}" if line is not None else f"row {row}"
        message = f"{place} of {source} is neither among the samples nor among the rejects"
        hint = "lines count from 1 and rows from 0; blank lines are not rows"
        raise DataError(message, code="no-such-row", path=str(self.path), hint=hint)

    def _index(self, shard: dict[str, Any]) -> pa.Table:
        return read_table(self.path / shard["index"])

    def _written(self, shard: dict[str, Any], index: pa.Table, wanted: Any) -> WrittenRow:
        numbered = index.append_column("number", pa.array(range(index.num_rows), pa.int64()))
        found = numbered.filter(wanted).to_pylist()
        samples = self._samples(shard, [entry["number"] for entry in found])
        first = found[0]
        return WrittenRow(first["source"], first["row"], first["line"], samples)

    def _samples(self, shard: dict[str, Any], numbers: list[int]) -> list[dict[str, Any]]:
        data = self.path / shard["data"]
        rows: list[dict[str, Any]] = format_of(data).read(data).take(numbers).to_pylist()
        return rows
