"""Directories of `datasets`: TRL, Axolotl and LLaMA-Factory load them as tokenized data."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from turnmill.export.columns import with_columns
from turnmill.export.result import Written
from turnmill.export.source import DataSet
from turnmill.export.targets.neat_packing import neat_rows
from turnmill.export.targets.tables import ARROW
from turnmill.export.targets.target import Packs, Target
from turnmill.output.files import VALIDATION
from turnmill.output.formats import FORMATS
from turnmill.output.trainers import TOKENIZED, NextStep
from turnmill.storage.local import write_json

_UNSHIFTED = "not shifted: label i is token i; the model shifts them"

Shape = Callable[[DataSet, pa.RecordBatch], pa.RecordBatch]
"""The columns of a batch in the form that a trainer reads."""
Steps = Callable[[str, Sequence[DataSet]], NextStep]


@dataclass(frozen=True)
class DatasetsDirectory:
    """A directory that ``datasets.load_from_disk`` opens, or one of two: a ``DatasetDict``."""

    name: str
    shape: Shape
    steps: Steps
    packs: Packs = "either"
    alone: str = ""
    labels: str = _UNSHIFTED
    weights: bool = False
    needs_ids: bool = True

    def write(self, directory: Path, data_set: DataSet) -> Written:
        """Writes Arrow IPC streams and the two files that name them."""
        written = Written()
        batches = (self.shape(data_set, batch) for batch in written.counting(data_set.batches()))
        ARROW.write(directory, batches, written)
        digest = hashlib.sha256("".join(written.files.values()).encode()).hexdigest()
        for name, value in FORMATS["arrow"].descriptions(list(written.files), digest).items():
            written.files[name] = write_json(directory / name, value)
        return written

    def finish(self, directory: Path, splits: Sequence[str]) -> None:
        """Names the two data sets of a ``DatasetDict``."""
        if splits:
            write_json(directory / "dataset_dict.json", {"splits": list(splits)})

    def next_steps(self, place: str, data_sets: Sequence[DataSet]) -> list[NextStep]:
        """The settings of the trainer."""
        return [self.steps(place, data_sets)]


def _every_column(_data_set: DataSet, batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch


def _for_trl(data_set: DataSet, batch: pa.RecordBatch) -> pa.RecordBatch:
    return with_columns(
        batch, ("input_ids", "labels", *(["seq_lengths"] if data_set.packed else []))
    )


def _single(_data_set: DataSet, batch: pa.RecordBatch) -> pa.RecordBatch:
    return with_columns(batch, ("input_ids", "attention_mask", "labels"))


def _for_llama_factory(data_set: DataSet, batch: pa.RecordBatch) -> pa.RecordBatch:
    return neat_rows(data_set, batch) if data_set.packed else _single(data_set, batch)


def _load(place: str, _data_sets: Sequence[DataSet]) -> NextStep:
    return NextStep("datasets", (f'load_from_disk("{place}")',), "maps the files without a copy")


def _trl(place: str, data_sets: Sequence[DataSet]) -> NextStep:
    train, evaluated = f'load_from_disk("{place}")', []
    if data_sets[0].split:
        train = f'load_from_disk("{place}/{data_sets[0].split}")'
    if any(data_set.split == VALIDATION for data_set in data_sets) and len(data_sets) > 1:
        evaluated = [f'           eval_dataset=load_from_disk("{place}/{VALIDATION}"),']
    packed = "packing=False, padding_free=True, max_length=None"
    config = packed if data_sets[0].packed else "packing=False, max_length=None"
    lines = [
        f"SFTTrainer(train_dataset={train},",
        *evaluated,
        f"           args=SFTConfig({config}), ...)",
    ]
    if not data_sets[0].packed:
        return NextStep("TRL", tuple(lines), "max_length is 1024 by default and would cut samples")
    lines.append('# the model with attn_implementation="flash_attention_2"')
    reason = "without padding_free it ignores seq_lengths, and max_length would cut rows"
    return NextStep("TRL", tuple(lines), reason)


def _axolotl(place: str, data_sets: Sequence[DataSet]) -> NextStep:
    train, *others = [
        f"  - path: {place}" + (f"/{data_set.split}" if data_set.split else "")
        for data_set in data_sets
    ]
    tested = ["test_datasets:", *others] if others else []
    longest = max(
        int(data_set.output.record["totals"]["length_percentiles"]["100"]) for data_set in data_sets
    )
    lines = ("datasets:", train, *tested, f"sequence_len: {longest}", "sample_packing: true")
    reason = "give no `type:`, or it tokenizes again; samples over sequence_len are dropped"
    return NextStep("Axolotl", lines, reason)


def _llama_factory(place: str, data_sets: Sequence[DataSet]) -> NextStep:
    lines = [f"dataset: {TOKENIZED}", f"tokenized_path: {place}"]
    if not data_sets[0].packed:
        reason = "it wants some `dataset`, and reads neither that nor cutoff_len where this is set"
        return NextStep("LLaMA-Factory", tuple(lines), reason)
    lines += [f"cutoff_len: {data_sets[0].length}", "neat_packing: true"]
    reason = "attention_mask numbers the documents, so neat_packing has to be on"
    return NextStep("LLaMA-Factory", tuple(lines), reason)


DATASETS: Target = DatasetsDirectory(
    "datasets", _every_column, _load, weights=True, needs_ids=False
)
TRL: Target = DatasetsDirectory("trl", _for_trl, _trl)
AXOLOTL: Target = DatasetsDirectory(
    "axolotl",
    _single,
    _axolotl,
    packs="never",
    alone="it packs them itself, and would overwrite the position_ids of packed rows",
)
LLAMA_FACTORY: Target = DatasetsDirectory("llama-factory", _for_llama_factory, _llama_factory)
