"""The samples of an output, as a map-style data set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Literal

from turnmill.errors import ArgumentError, DataError


class SampleDataset:
    """The samples of an output, read in place; one at a time, none is copied before.

    A map-style data set: it has a length and items by number, so a
    ``torch.utils.data.DataLoader`` takes it directly. It does not need torch. It pickles as its
    path. Reading in random order wants an output in Arrow: Parquet is decoded in groups of 10,000.

    Each item is a dict of numpy arrays: ``input_ids`` and ``labels``, int32[tokens], not shifted,
    -100 where a token is not trained; and ``weights``, float32[tokens], if the output has them.

    Args:
        path: A directory that :func:`turnmill.prepare` wrote.
        split: ``train`` or ``validation``, where the output holds both; ``train`` by default.

    Raises:
        ArgumentError: ``split`` has a value that it cannot have.
        DataError: The directory is not a finished output, or has no samples of that data set.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, split: Literal["train", "validation"] = "train"
    ) -> None:
        from turnmill.output.files import TRAIN, VALIDATION
        from turnmill.packing.packs import is_pack, open_output, output_hash
        from turnmill.packing.tokens import TokenStore

        if split not in {TRAIN, VALIDATION}:
            message, hint = f"split cannot be {split!r}", f"split takes {TRAIN} or {VALIDATION}"
            raise ArgumentError(message, code="invalid-choice", hint=hint)
        if is_pack(path):
            message, hint = "this is a pack of an output", "turnmill.PackedDataset reads packs"
            raise DataError(message, code="no-output", path=path, hint=hint)
        self._path, self._split = path, split
        output = open_output(path)
        if not output.shards_of(split):
            message = f"the output has no data set {split}"
            hint = "`turnmill prepare --validation 5%` sets conversations apart"
            raise DataError(message, code="no-split", path=path, hint=hint)
        self._store = TokenStore(output, split)
        if "input_ids" not in self._store.columns:
            message = "the samples of the output have no input_ids"
            hint = "datasets.load_from_disk gives rows of any columns"
            raise DataError(message, code="other-columns", path=path, hint=hint)
        self.fingerprint: str = output_hash(output, split)
        """A hash of the samples; the state of a stream holds it."""
        self.pad_id: int | None = (output.record["facts"].get("pad") or {}).get("id")
        """The tokenizer's pad token, if it has one."""

    def __len__(self) -> int:
        """Number of samples."""
        return len(self._store)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number: int) -> dict[str, Any]:
        """The sample with this number, from 0; negative numbers count from the end.

        Raises:
            IndexError: There is no such sample.
        """
        count = len(self)
        place = number + count if number < 0 else number
        if not 0 <= place < count:
            message = f"there is no sample {number}: there are {count}"
            raise IndexError(message)
        return self._store.sample(place)

    @property
    def blocks(self) -> list[int] | None:
        """How many samples are decoded together, block by block; ``None``: each by itself."""
        return self._store.costly_blocks

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (os.fspath(self._path), self._split)


def _reopen(path: str, split: Literal["train", "validation"]) -> SampleDataset:
    return SampleDataset(path, split=split)
