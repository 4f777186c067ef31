"""Megatron's ``.bin`` and ``.idx``: the tokens in one pair, the loss mask in a second.

The layout is that of ``megatron/core/datasets/indexed_dataset.py``. A sequence is a sample; a
document in Megatron's sense is a packed row, or a sample where nothing is packed.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from turnmill.export.columns import FlatRows, flat_rows
from turnmill.export.result import Written
from turnmill.export.source import DataSet
from turnmill.export.targets.target import Packs, Target
from turnmill.export.tokens import token_type
from turnmill.output.trainers import NextStep
from turnmill.storage.local import HashingFile, whole_file

TOKENS, LOSS_MASK = "tokens", "loss_mask"
_TYPES = {"uint8": 1, "int32": 4, "uint16": 8}
"""Megatron's numbers of the types that are written here."""


@dataclass(frozen=True)
class Megatron:
    """Two indexed data sets of the same shape."""

    name: str = "megatron"
    labels: str = "not shifted: loss_mask[i] says whether tokens[i] is trained; the reader shifts"
    packs: Packs = "either"
    alone: str = ""
    weights: bool = False
    needs_ids: bool = True

    def write(self, directory: Path, data_set: DataSet) -> Written:
        """Writes the two pairs; the lengths of all sequences are kept in memory."""
        written = Written(columns=[TOKENS, LOSS_MASK])
        shape = _Shape()
        with ExitStack() as stack:
            pairs = {
                TOKENS: _Pair.opened(stack, directory, TOKENS, token_type(data_set)),
                LOSS_MASK: _Pair.opened(stack, directory, LOSS_MASK, np.dtype("uint8")),
            }
            for batch in written.counting(data_set.batches()):
                rows = flat_rows(batch)
                shape.add(rows)
                pairs[TOKENS].write(rows.input_ids)
                pairs[LOSS_MASK].write(rows.trained)
        for name, pair in pairs.items():
            written.files[f"{name}.bin"] = pair.file.sha256
            with whole_file(directory / f"{name}.idx") as index:
                shape.write(index, pair.type)
                written.files[f"{name}.idx"] = index.sha256
        return written

    def finish(self, directory: Path, splits: Sequence[str]) -> None:
        """Nothing: each data set is a directory."""

    def next_steps(self, place: str, data_sets: Sequence[DataSet]) -> list[NextStep]:
        """How a data set class of one's own reads both."""
        inside = f"{place}/{data_sets[0].split}" if data_sets[0].split else place
        lines = (
            f'tokens, masks = IndexedDataset("{inside}/{TOKENS}"), '
            f'IndexedDataset("{inside}/{LOSS_MASK}")',
            "text, mask = tokens[i], masks[i]",
            "inputs, labels, loss_mask = text[:-1], text[1:], mask[1:]",
        )
        reason = "its own data sets read no loss mask: GPTDataset would train every token"
        return [NextStep("Megatron-LM", lines, reason)]


@dataclass(frozen=True)
class _Pair:
    """The ``.bin`` of one pair, and the type of its values."""

    file: HashingFile
    type: np.dtype[Any]

    @classmethod
    def opened(cls, stack: ExitStack, directory: Path, name: str, type_: np.dtype[Any]) -> _Pair:
        return cls(stack.enter_context(whole_file(directory / f"{name}.bin")), type_)

    def write(self, values: npt.NDArray[Any]) -> None:
        self.file.write(np.ascontiguousarray(values, self.type))


@dataclass
class _Shape:
    """The lengths of the sequences, and which of them make a document."""

    lengths: list[npt.NDArray[np.int32]] = field(default_factory=list)
    ends: list[npt.NDArray[np.int64]] = field(default_factory=lambda: [np.zeros(1, np.int64)])
    """The sequence at which each document ends."""
    sequences: int = 0

    def add(self, rows: FlatRows) -> None:
        self.ends.append(rows.documents[1:] + self.sequences)
        self.lengths.append(rows.lengths)
        self.sequences += len(rows.lengths)

    def write(self, file: HashingFile, type_: np.dtype[Any]) -> None:
        """Writes an index: header, lengths, byte offsets, ends of documents."""
        lengths = np.concatenate([np.zeros(0, np.int32), *self.lengths]).astype("<i4")
        documents = np.concatenate(self.ends).astype("<i8")
        ends = np.cumsum(lengths, dtype=np.int64) * type_.itemsize
        counts = struct.pack("<QBQQ", 1, _TYPES[type_.name], len(lengths), len(documents))
        file.write(b"MMIDIDX\0\0" + counts)
        file.write(lengths)
        file.write((ends - lengths.astype(np.int64) * type_.itemsize).astype("<i8"))
        file.write(documents)


MEGATRON: Target = Megatron()
