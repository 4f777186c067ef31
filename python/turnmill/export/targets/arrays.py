"""Flat arrays in ``.npy`` files, which numpy maps into memory."""

from __future__ import annotations

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

ROWS, DOCUMENTS = "row_offsets", "document_offsets"


@dataclass(frozen=True)
class Arrays:
    """The tokens of all rows in one array for each column, and where rows begin."""

    name: str = "numpy"
    labels: str = "not shifted: label i is token i"
    packs: Packs = "either"
    alone: str = ""
    weights: bool = True
    needs_ids: bool = True

    def write(self, directory: Path, data_set: DataSet) -> Written:
        """Writes the columns a batch at a time; where rows begin is kept in memory."""
        types = {"input_ids": token_type(data_set), "labels": np.dtype("int32")}
        if "weights" in data_set.columns:
            types["weights"] = np.dtype("float32")
        written = Written(columns=[*types, ROWS, *([DOCUMENTS] if data_set.packed else [])])
        offsets = _Offsets()
        with ExitStack() as stack:
            files = {
                name: stack.enter_context(whole_file(directory / f"{name}.npy")) for name in types
            }
            for name, file in files.items():
                _write_header(file, types[name], data_set.tokens)
            for batch in written.counting(data_set.batches()):
                rows = flat_rows(batch)
                offsets.add(rows)
                for name, file in files.items():
                    file.write(np.ascontiguousarray(getattr(rows, name), types[name]))
        written.files.update({f"{name}.npy": file.sha256 for name, file in files.items()})
        offsets.write(directory, written)
        return written

    def finish(self, directory: Path, splits: Sequence[str]) -> None:
        """Nothing: each data set is a directory."""

    def next_steps(self, place: str, data_sets: Sequence[DataSet]) -> list[NextStep]:
        """How numpy maps it."""
        inside = f"{place}/{data_sets[0].split}" if data_sets[0].split else place
        lines = (
            f'ids = numpy.load("{inside}/input_ids.npy", mmap_mode="r")',
            f'at = numpy.load("{inside}/{ROWS}.npy")',
            "row = ids[at[i]:at[i + 1]]",
        )
        return [NextStep("numpy", lines, "the other columns have the same offsets")]


def _write_header(file: HashingFile, type_: np.dtype[Any], length: int) -> None:
    shape = {
        "descr": np.lib.format.dtype_to_descr(type_),
        "fortran_order": False,
        "shape": (length,),
    }
    np.lib.format.write_array_header_1_0(file, shape)


@dataclass
class _Offsets:
    """Where each row and each document begins, in tokens."""

    found: dict[str, list[npt.NDArray[np.int64]]] = field(
        default_factory=lambda: {name: [np.zeros(1, np.int64)] for name in (ROWS, DOCUMENTS)}
    )
    total: int = 0

    def add(self, rows: FlatRows) -> None:
        ends = {ROWS: rows.offsets[1:], DOCUMENTS: np.cumsum(rows.lengths, dtype=np.int64)}
        for name, values in ends.items():
            self.found[name].append(values + self.total)
        self.total += len(rows.input_ids)

    def write(self, directory: Path, written: Written) -> None:
        """Writes those that are columns of the export."""
        for name in [name for name in self.found if name in written.columns]:
            values = np.concatenate(self.found[name])
            with whole_file(directory / f"{name}.npy") as file:
                _write_header(file, values.dtype, len(values))
                file.write(values)
                written.files[f"{name}.npy"] = file.sha256


ARRAYS: Target = Arrays()
