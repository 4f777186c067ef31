"""Packed rows in memory: a map-style data set over a pack index and its output."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from turnmill.packing.index import PackIndex


class PackedDataset:
    """The rows of a pack, each assembled when it is asked for; nothing is copied on disk.

    A map-style data set: it has a length and items by number, so a
    ``torch.utils.data.DataLoader`` takes it directly. It does not need torch. It pickles as its
    path.

    Each item is a dict of numpy arrays:

    - ``input_ids`` and ``labels``, int32[tokens]; the first label of each document is -100.
    - ``weights``, float32[tokens], if the output has them.
    - ``position_ids``, int32[tokens], which start at 0 in each document.
    - ``seq_lengths``, int32[documents]: the tokens of each.
    - with ``cu_seqlens``: ``cu_seqlens``, int32[documents + 1], where each document starts and the
      last ends, as attention kernels for variable lengths take it, and ``max_seqlen``, an int.

    Args:
        path: A directory that :func:`turnmill.pack` made, inside its output.
        position_ids: Whether items have ``position_ids``.
        cu_seqlens: Whether items have ``cu_seqlens`` and ``max_seqlen``.

    Raises:
        DataError: There is no finished pack, or its output has been made again since.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        position_ids: bool = True,
        cu_seqlens: bool = False,
    ) -> None:
        from turnmill.packing.index import read_index
        from turnmill.packing.packs import INDEX, open_pack, output_hash, read_record
        from turnmill.packing.tokens import TokenStore
        from turnmill.storage.remote import output_path

        self._path = path
        self._position_ids = position_ids
        self._cu_seqlens = cu_seqlens
        output = open_pack(path)
        self._store = TokenStore(output)
        self._index = read_index(output_path(path) / INDEX)
        index = read_record(output_path(path))["index"]["sha256"]
        self.fingerprint: str = f"{output_hash(output)}-{index}"
        """A hash of the rows; the state of a stream holds it."""
        self.pad_id: int | None = (output.record["facts"].get("pad") or {}).get("id")
        """The tokenizer's pad token, if it has one."""

    def __len__(self) -> int:
        """Number of packed rows."""
        return len(self._index)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number: int) -> dict[str, Any]:
        """The packed row with this number, from 0; negative numbers count from the end.

        Raises:
            IndexError: There is no such row.
        """
        import numpy as np

        from turnmill.packing.rows import columns_of, positions

        part = self._part(number)
        row: dict[str, Any] = columns_of(self._store, part).tokens
        if self._position_ids:
            row["position_ids"] = positions(part.lengths)
        row["seq_lengths"] = part.lengths.copy()
        if self._cu_seqlens:
            ends = np.cumsum(part.lengths, dtype=np.int32)
            row["cu_seqlens"] = np.concatenate([np.zeros(1, np.int32), ends])
            row["max_seqlen"] = int(part.lengths.max())
        return row

    def documents(self, number: int) -> npt.NDArray[np.int32]:
        """The samples of the output in a packed row, in order.

        ``turnmill show OUT --sample N`` shows a sample with its input row.
        """
        return self._part(number).documents.copy()

    def _part(self, number: int) -> PackIndex:
        count = len(self)
        place = number + count if number < 0 else number
        if not 0 <= place < count:
            message = f"there is no packed row {number}: there are {count}"
            raise IndexError(message)
        return self._index.segments(place, place + 1)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (os.fspath(self._path), self._position_ids, self._cu_seqlens)


def _reopen(path: str, position_ids: bool, cu_seqlens: bool) -> PackedDataset:
    return PackedDataset(path, position_ids=position_ids, cu_seqlens=cu_seqlens)
