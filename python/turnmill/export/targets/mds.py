"""MosaicML's MDS, version 2, as ``StreamingDataset`` reads it.

A shard is the number of samples (u32), where each starts and the last ends (u32 each, from the
start of the file), the shard's description as JSON, and the samples. A sample is the size of each
column (u32), then the columns, in the order of their names. ``ndarray:int32`` is one byte for
dimensions and width of the shape, the shape, and the values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from turnmill.export.columns import FlatRows, flat_rows
from turnmill.export.result import Written
from turnmill.export.source import DataSet
from turnmill.export.targets.target import Packs, Target
from turnmill.output.trainers import NextStep
from turnmill.storage.local import whole_file, write_json

SHARD_BYTES = 1 << 26
"""The size at which the next shard begins; one of them is kept in memory."""
_WRITTEN_SAMPLES = 1000
"""Samples that are written at a time."""
_UNTRAINED = "no token of them is trained"
_WIDTHS = ((1 << 8, 0, "<u1"), (1 << 16, 1, "<u2"), (1 << 32, 2, "<u4"))
"""The first length that is too long for each width of a shape, its code and its type."""


Rows = Iterator[list[bytes]]
"""The columns of each sample, encoded, in the order of their names."""


@dataclass(frozen=True)
class Mds:
    """Shards, and the index that names them."""

    name: str
    labels: str
    columns: Callable[[DataSet], dict[str, str]]
    """The columns of a data set, with how MDS encodes each."""
    encoded: Callable[[FlatRows, list[str], Written], Rows]
    """The rows of a batch; it counts those that it leaves out."""
    step: NextStep
    """How it is read; the line takes the place of the export, and of a data set in it."""
    packs: Packs = "either"
    alone: str = ""
    weights: bool = True
    needs_ids: bool = True

    def write(self, directory: Path, data_set: DataSet) -> Written:
        """Writes the shards of one data set, and last its ``index.json``."""
        columns = dict(sorted(self.columns(data_set).items()))
        written = Written(columns=list(columns))
        shards = [
            _write_shard(directory, number, samples, columns, written)
            for number, samples in enumerate(_shards(self._samples(data_set, written), columns))
        ]
        index = {"version": 2, "shards": shards}
        written.files["index.json"] = write_json(directory / "index.json", index)
        return written

    def _samples(self, data_set: DataSet, written: Written) -> Iterator[bytes]:
        for batch in written.counting(data_set.batches()):
            for data in self.encoded(flat_rows(batch), written.columns, written):
                sizes = np.array([len(datum) for datum in data], "<u4").tobytes()
                yield sizes + b"".join(data)

    def finish(self, directory: Path, splits: Sequence[str]) -> None:
        """Nothing: `StreamingDataset` takes a data set by the name of its directory."""

    def next_steps(self, place: str, data_sets: Sequence[DataSet]) -> list[NextStep]:
        """How `streaming` loads it."""
        split = data_sets[0].split or ""
        lines = tuple(line.format(place=place, split=split) for line in self.step.lines)
        return [replace(self.step, lines=lines)]


def _array_columns(data_set: DataSet) -> dict[str, str]:
    columns = {"input_ids": "ndarray:int32", "labels": "ndarray:int32"}
    if "weights" in data_set.columns:
        columns["weights"] = "ndarray:float32"
    if data_set.packed:
        columns["seq_lengths"] = "ndarray:int32"
    return columns


def _arrays(rows: FlatRows, names: list[str], _written: Written) -> Rows:
    found: dict[str, tuple[list[int], Any]] = {
        name: (rows.offsets.tolist(), getattr(rows, name))
        for name in ("input_ids", "labels", "weights")
    }
    found["seq_lengths"] = (rows.documents.tolist(), rows.lengths)
    chosen = [found[name] for name in names]
    for row in range(len(rows.offsets) - 1):
        yield [_array(values[at[row] : at[row + 1]]) for at, values in chosen]


def _turns(rows: FlatRows, _names: list[str], written: Written) -> Rows:
    """Each sample as turns: tokens that are not trained, and those that follow and are.

    What follows the last trained token is left out: the model learns nothing from it.
    """
    for first, last in pairwise(rows.offsets.tolist()):
        trained = rows.trained[first:last]
        edges = np.flatnonzero(np.diff(trained, prepend=False, append=False)).tolist()
        if not edges:
            written.left_out[_UNTRAINED] = written.left_out.get(_UNTRAINED, 0) + 1
            continue
        ids = rows.input_ids[first:last].tolist()
        starts = [0, *edges[1:-1:2]]
        turns = [
            {"input_ids": ids[start:begin], "labels": ids[begin:end]}
            for start, begin, end in zip(starts, edges[::2], edges[1::2], strict=True)
        ]
        yield [json.dumps(turns).encode()]


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


MDS: Target = Mds(
    "mds",
    "not shifted: label i is token i; the model shifts them",
    _array_columns,
    _arrays,
    NextStep(
        "streaming",
        ('StreamingDataset(local="{place}/{split}", batch_size=N)',),
        "with a collator of your own; llm-foundry's loader takes --to llm-foundry",
    ),
)
LLM_FOUNDRY: Target = Mds(
    "llm-foundry",
    "in turns: labels are the tokens of the answer; its collator joins and masks them",
    lambda _part: {"turns": "json"},
    _turns,
    NextStep(
        "llm-foundry",
        (
            "train_loader: {{name: finetuning, dataset: {{local: {place}, split: {split}, ",
            "  target_responses: all, target_prompts: none, max_seq_len: N, ...}}}}",
        ),
        "by default it trains the last answer only; it cuts samples at max_seq_len",
    ),
    packs="never",
    alone="it packs them itself, by packing_ratio",
    weights=False,
)
