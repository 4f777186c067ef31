"""Packed Parquet of Megatron-Bridge and NeMo, as ``GPTSFTPackedParquetDataset`` reads it.

The loss mask is shifted: of a document ``t`` the model sees ``t[:-1]`` and predicts ``t[1:]``, and
``loss_mask[i]`` belongs to the prediction of token ``i + 1``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from turnmill.export.columns import FlatRows, flat_rows
from turnmill.export.result import Written
from turnmill.export.source import DataSet
from turnmill.export.targets.tables import PACKED_PARQUET
from turnmill.export.targets.target import Packs, Target
from turnmill.output.trainers import NextStep
from turnmill.packing.index import lists
from turnmill.packing.rows import positions
from turnmill.rules import IGNORED
from turnmill.storage.local import write_json

METADATA = "packed_metadata.json"


@dataclass(frozen=True)
class Nemo:
    """Parquet files of packed rows, and the sizes that CUDA graphs need."""

    name: str = "nemo"
    labels: str = "shifted: loss_mask[i] says whether the prediction of token i + 1 is trained"
    packs: Packs = "only"
    alone: str = ""
    weights: bool = False
    needs_ids: bool = True

    def write(self, directory: Path, data_set: DataSet) -> Written:
        """Writes the files, a row group for each batch: the reader keeps one group in memory."""
        written, sizes = Written(), _Sizes()
        rows = (flat_rows(batch) for batch in written.counting(data_set.batches()))
        batches = _shifted((_padded(data_set, some) for some in rows), sizes)
        PACKED_PARQUET.write(directory, batches, written)
        metadata = [sizes.metadata(data_set.length or 0)]
        written.files[METADATA] = write_json(directory / METADATA, metadata)
        return written

    def finish(self, directory: Path, splits: Sequence[str]) -> None:
        """Nothing: packs are made of one data set."""

    def next_steps(self, place: str, data_sets: Sequence[DataSet]) -> list[NextStep]:
        """The settings of Megatron-Bridge."""
        lines = (
            "PackedSequenceSpecs(",
            f"    packed_sequence_size={data_sets[0].length},",
            f'    packed_train_data_path="{place}",',
            f'    packed_metadata_path="{place}/{METADATA}")',
        )
        reason = "with answer_only_loss=True; else it makes a loss mask of its own"
        return [NextStep("Megatron-Bridge", lines, reason)]


def _padded(data_set: DataSet, rows: FlatRows) -> FlatRows:
    """The rows, padded so that what the model sees of each document is a multiple.

    That is one token less than a document has. Padding is the EOS token, by which the reader knows
    it (``pre_pad_dataset`` of Megatron-Bridge).
    """
    if data_set.multiple_of == 1:
        return rows
    sizes = rows.lengths + (1 - rows.lengths) % data_set.multiple_of
    ends = np.cumsum(sizes, dtype=np.int64)
    there = positions(sizes) < np.repeat(rows.lengths, sizes)
    eos = (data_set.fact("eos") or data_set.fact("terminator") or {}).get("id", 0)
    columns = {}
    for name, fill in (("input_ids", eos), ("labels", IGNORED)):
        columns[name] = np.full(int(sizes.sum()), fill, np.int32)
        columns[name][there] = getattr(rows, name)
    offsets = np.concatenate([np.zeros(1, np.int64), ends])[rows.documents]
    return FlatRows(offsets, columns["input_ids"], columns["labels"], None, sizes, rows.documents)


def _shifted(rows: Iterable[FlatRows], sizes: _Sizes) -> Iterator[pa.RecordBatch]:
    for some in rows:
        sizes.add(some)
        ends = np.cumsum(some.lengths, dtype=np.int64)
        mask = np.append(some.trained[1:], False).astype(np.int8)
        mask[ends[some.lengths > 0] - 1] = 0
        starts = ends - some.lengths - np.repeat(some.offsets[:-1], np.diff(some.documents))
        yield pa.RecordBatch.from_pydict(
            {
                "input_ids": lists(some.offsets, some.input_ids),
                "loss_mask": lists(some.offsets, mask[: len(some.input_ids)]),
                "seq_start_id": lists(some.documents, starts.astype(np.int32)),
            }
        )


@dataclass
class _Sizes:
    """Sizes of rows, as Megatron-Bridge counts them: a document of L tokens counts L - 1."""

    rows: int = 0
    documents: int = 0
    tokens: int = 0
    longest: int = 0
    most: int = 0
    shortest: int | None = field(default=None)

    def add(self, rows: FlatRows) -> None:
        documents = np.diff(rows.documents)
        if not len(documents):
            return
        tokens = np.diff(rows.offsets) - documents
        self.rows += len(documents)
        self.documents += len(rows.lengths)
        self.tokens += int(tokens.sum())
        self.longest = max(self.longest, int(rows.lengths.max()) - 1)
        self.most = max(self.most, int(documents.max()))
        least = int(tokens.min())
        self.shortest = least if self.shortest is None else min(self.shortest, least)

    def metadata(self, length: int) -> dict[str, Any]:
        """The entry of the metadata file."""
        room = self.rows * length
        return {
            "dataset_max_seqlen": self.longest,
            "max_samples_per_bin": self.most,
            "packing_factor": round(self.documents / self.rows, 2) if self.rows else 0.0,
            "packing_efficiency": round(100 * self.tokens / room, 2) if room else 0.0,
            "pack_size": length,
            "min_packed_seqlen": self.shortest or 0,
        }


NEMO: Target = Nemo()
