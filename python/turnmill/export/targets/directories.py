"""Directories of `datasets`: TRL, Axolotl and LLaMA-Factory load them as tokenized data."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from turnmill.export.columns import with_columns
from turnmill.export.result import Written
from turnmill.export.source import Part
from turnmill.export.targets.neat_packing import neat_rows
from turnmill.export.targets.tables import ARROW
from turnmill.export.targets.target import Packs
from turnmill.output.files import VALIDATION
from turnmill.output.formats import FORMATS
from turnmill.output.trainers import NextStep
from turnmill.storage.local import write_json

_UNSHIFTED = "not shifted: label i is token i; the model shifts them"

Shape = Callable[[Part, pa.RecordBatch], pa.RecordBatch]
"""The columns of a batch in the form that a trainer reads."""
Steps = Callable[[str, Sequence[Part]], NextStep]


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

    def write(self, directory: Path, part: Part) -> Written:
        """Writes Arrow IPC streams and the two files that name them."""
        written = Written()
        batches = (self.shape(part, batch) for batch in written.counting(part.batches()))
        ARROW.write(directory, batches, written)
        digest = hashlib.sha256("".join(written.files.values()).encode()).hexdigest()
        for name, value in FORMATS["arrow"].descriptions(list(written.files), digest).items():
            written.files[name] = write_json(directory / name, value)
        return written

    def finish(self, directory: Path, splits: Sequence[str]) -> None:
        """Names the two data sets of a ``DatasetDict``."""
        if splits:
            write_json(directory / "dataset_dict.json", {"splits": list(splits)})

    def next_steps(self, place: str, parts: Sequence[Part]) -> list[NextStep]:
        """The settings of the trainer."""
        return [self.steps(place, parts)]


def _every_column(_part: Part, batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch


def _for_trl(part: Part, batch: pa.RecordBatch) -> pa.RecordBatch:
    return with_columns(batch, ("input_ids", "labels", *(["seq_lengths"] if part.packed else [])))


def _single(_part: Part, batch: pa.RecordBatch) -> pa.RecordBatch:
    return with_columns(batch, ("input_ids", "attention_mask", "labels"))


def _for_llama_factory(part: Part, batch: pa.RecordBatch) -> pa.RecordBatch:
    return neat_rows(part, batch) if part.packed else _single(part, batch)


def _load(place: str, _parts: Sequence[Part]) -> NextStep:
    return NextStep("datasets", (f'load_from_disk("{place}")',), "maps the files without a copy")


def _trl(place: str, parts: Sequence[Part]) -> NextStep:
    train, evaluated = f'load_from_disk("{place}")', []
    if parts[0].split:
        train = f'load_from_disk("{place}/{parts[0].split}")'
    if any(part.split == VALIDATION for part in parts) and len(parts) > 1:
        evaluated = [f'           eval_dataset=load_from_disk("{place}/{VALIDATION}"),']
    packed = "packing=False, padding_free=True, max_length=None"
    config = packed if parts[0].packed else "packing=False, max_length=None"
    lines = [
        f"SFTTrainer(train_dataset={train},",
        *evaluated,
        f"           args=SFTConfig({config}), ...)",
    ]
    if not parts[0].packed:
        return NextStep("TRL", tuple(lines), "max_length is 1024 by default and would cut samples")
    lines.append('# the model with attn_implementation="flash_attention_2"')
    reason = "without padding_free it ignores seq_lengths, and max_length would cut rows"
    return NextStep("TRL", tuple(lines), reason)


def _axolotl(place: str, parts: Sequence[Part]) -> NextStep:
    train, *others = [
        f"  - path: {place}" + (f"/{part.split}" if part.split else "") for part in parts
    ]
    tested = ["test_datasets:", *others] if others else []
    longest = max(int(part.output.record["totals"]["length_percentiles"]["100"]) for part in parts)
    lines = ("datasets:", train, *tested, f"sequence_len: {longest}", "sample_packing: true")
    reason = "give no `type:`, or it tokenizes again; samples over sequence_len are dropped"
    return NextStep("Axolotl", lines, reason)


def _llama_factory(place: str, parts: Sequence[Part]) -> NextStep:
    lines = [f"tokenized_path: {place}"]
    if not parts[0].packed:
        reason = "cutoff_len and dataset are not applied to tokenized data"
        return NextStep("LLaMA-Factory", tuple(lines), reason)
    lines += [f"cutoff_len: {parts[0].length}", "neat_packing: true"]
    reason = "attention_mask numbers the documents, so neat_packing has to be on"
    return NextStep("LLaMA-Factory", tuple(lines), reason)


DATASETS = DatasetsDirectory("datasets", _every_column, _load, weights=True, needs_ids=False)
TRL = DatasetsDirectory("trl", _for_trl, _trl)
AXOLOTL = DatasetsDirectory(
    "axolotl",
    _single,
    _axolotl,
    packs="never",
    alone="it packs them itself, and would overwrite the position_ids of packed rows",
)
LLAMA_FACTORY = DatasetsDirectory("llama-factory", _for_llama_factory, _llama_factory)
