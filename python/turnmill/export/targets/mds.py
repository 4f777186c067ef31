"""MosaicML's MDS, version 2, as ``StreamingDataset`` reads it.

A shard is the number of samples (u32), where each starts and the last ends (u32 each, from the
start of the file), the shard's description as JSON, and the samples. A sample is the size of each
column (u32), then the columns, in the order of their names. ``ndarray:int32`` is one byte for
dimensions and width of the shape, the shape, and the values.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from turnmill.export.columns import flat_rows
from turnmill.export.result import Written
from turnmill.export.source import Part
from turnmill.export.targets.target import Packs
from turnmill.output.trainers import NextStep
from turnmill.storage.local import whole_file, write_json

SHARD_BYTES = 1 << 26
"""The size at which the next shard begins; one of them is kept in memory."""
_WRITTEN_SAMPLES = 1000
"""Samples that are written at a time."""
_WIDTHS = ((1 << 8, 0, "<u1"), (1 << 16, 1, "<u2"), (1 << 32, 2, "<u4"))
"""The first length that is too long for each width of a shape, its code and its type."""


@dataclass(frozen=True)
class Mds:
    """Shards, and the index that names them."""

    name: str = "mds"
    labels: str = "not shifted: label i is token i; the model shifts them"
    packs: Packs = "either"
    alone: str = ""
    weights: bool = True
    needs_ids: bool = True

    def write(self, directory: Path, part: Part) -> Written:
        """Writes the shards of one data set, and last its ``index.json``."""
        columns = {"input_ids": "ndarray:int32", "labels": "ndarray:int32"}
        if "weights" in part.columns:
            columns["weights"] = "ndarray:float32"
        if part.packed:
            columns["seq_lengths"] = "ndarray:int32"
        columns = dict(sorted(columns.items()))
        written = Written(columns=list(columns))
        shards = [
            _write_shard(directory, number, samples, columns, written)
            for number, samples in enumerate(_shards(_samples(part, written), columns))
        ]
        index = {"version": 2, "shards": shards}
        written.files["index.json"] = write_json(directory / "index.json", index)
        return written

    def finish(self, directory: Path, splits: Sequence[str]) -> None:
        """Nothing: `StreamingDataset` takes a data set by the name of its directory."""

    def next_steps(self, place: str, parts: Sequence[Part]) -> list[NextStep]:
        """How `streaming` loads it."""
        split = f', split="{parts[0].split}"' if parts[0].split else ""
        lines = (f'StreamingDataset(local="{place}"{split}, batch_size=N)',)
        reason = "llm-foundry's fine-tuning loader is another matter: it takes labels as the answer"
        return [NextStep("streaming", lines, reason)]


def _samples(part: Part, written: Written) -> Iterator[bytes]:
    """The samples, encoded."""
    for batch in written.counting(part.batches()):
        yield from _encoded(batch, written.columns)


def _encoded(batch: pa.RecordBatch, names: list[str]) -> Iterator[bytes]:
    rows = flat_rows(batch)
    found: dict[str, tuple[list[int], Any]] = {
        name: (rows.offsets.tolist(), getattr(rows, name))
        for name in ("input_ids", "labels", "weights")
    }
    found["seq_lengths"] = (rows.documents.tolist(), rows.lengths)
    chosen = [found[name] for name in names]
    for row in range(batch.num_rows):
        data = [_array(values[at[row] : at[row + 1]]) for at, values in chosen]
        sizes = np.array([len(datum) for datum in data], "<u4").tobytes()
        yield sizes + b"".join(data)


def _array(values: npt.NDArray[Any]) -> bytes:
    """An array of one dimension, its type known and its shape not."""
    code, width = next((code, width) for limit, code, width in _WIDTHS if len(values) < limit)
    return bytes([1 << 2 | code]) + np.array([len(values)], width).tobytes() + values.tobytes()


def _shards(samples: Iterator[bytes], columns: dict[str, str]) -> Iterator[list[bytes]]:
    """Samples that fit into one shard; at least one shard."""
    empty = 8 + len(_description(columns))
    held: list[bytes] = []
    size = empty
    for sample in samples:
        if held and size + len(sample) + 4 > SHARD_BYTES:
            yield held
            held, size = [], empty
        held.append(sample)
        size += len(sample) + 4
    yield held


def _write_shard(
    directory: Path, number: int, samples: list[bytes], columns: dict[str, str], written: Written
) -> dict[str, Any]:
    """Writes a shard and returns its entry of the index."""
    name = f"shard.{number:05}.mds"
    description = _description(columns)
    ends = np.cumsum([0, *map(len, samples)]) + 4 + 4 * (len(samples) + 1) + len(description)
    with whole_file(directory / name) as file:
        file.write(np.array([len(samples), *ends], "<u4"))
        file.write(description)
        for first in range(0, len(samples), _WRITTEN_SAMPLES):
            file.write(b"".join(samples[first : first + _WRITTEN_SAMPLES]))
        written.files[name] = file.sha256
        raw = {"basename": name, "bytes": file.tell(), "hashes": {}}
    return {**_configuration(columns), "samples": len(samples), "raw_data": raw, "zip_data": None}


def _description(columns: dict[str, str]) -> bytes:
    return json.dumps(_configuration(columns), sort_keys=True).encode()


def _configuration(columns: dict[str, str]) -> dict[str, Any]:
    return {
        "version": 2,
        "format": "mds",
        "compression": None,
        "hashes": [],
        "size_limit": SHARD_BYTES,
        "column_names": list(columns),
        "column_encodings": list(columns.values()),
        "column_sizes": [None] * len(columns),
    }
