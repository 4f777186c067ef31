"""Collators: items become one batch, padded, or one after another without padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from turnmill._arguments import whole_number
from turnmill.errors import ArgumentError, DataError
from turnmill.rules import IGNORED

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Tensors = Literal["numpy", "torch"]
_MOST = 1 << 30
_Column = tuple[str, float, str]
"""A name, the value on padding, and the type."""


@dataclass(frozen=True)
class PaddingCollator:
    """Makes a batch of rows of one length.

    The batch has ``input_ids``, ``labels`` (-100 on padding) and ``attention_mask`` (0 on padding),
    int64[rows, tokens], and ``weights``, float32, if the items have them (0 on padding). Nothing is
    ever cut.

    Args:
        pad_id: The id on padding. It may be a stop token: labels do not look at it.
        multiple_of: The length of rows is a multiple of this.
        length: The length of all rows; by default that of the longest.
        side: Where padding goes, ``right`` or ``left``.
        tensors: ``numpy``, or ``torch`` for tensors.

    Raises:
        ArgumentError: An argument has a value that it cannot have.
    """

    pad_id: int
    multiple_of: int = 1
    length: int | None = None
    side: Literal["right", "left"] = "right"
    tensors: Tensors = "numpy"

    def __post_init__(self) -> None:
        _check(self, counts=("multiple_of", "length"))
        if self.side not in {"right", "left"}:
            raise _not_a_choice("side", self.side, "right or left")

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The batch of some samples.

        Raises:
            ArgumentError: There are none.
            DataError: An item is longer than ``length``, or holds several documents.
        """
        import numpy as np

        _refuse_nothing(items)
        if any(len(item.get("seq_lengths", ())) > 1 for item in items):
            message = "padded rows cannot keep the documents of packed rows apart"
            hint = "use PaddingFreeCollator for packed rows"
            raise DataError(message, code="packed-rows", hint=hint)
        sizes = [len(item["input_ids"]) for item in items]
        width = _room(max(sizes), self.length, self.multiple_of)
        batch: dict[str, Any] = {}
        for name, fill, type_ in self._columns(items):
            batch[name] = np.full((len(items), width), fill, type_)
            for row, (item, size) in enumerate(zip(items, sizes, strict=True)):
                at = slice(0, size) if self.side == "right" else slice(width - size, width)
                batch[name][row, at] = 1 if name == "attention_mask" else _values(item, name)
        return _as_asked(batch, self.tensors)

    def _columns(self, items: Sequence[dict[str, Any]]) -> list[_Column]:
        columns: list[_Column] = [
            ("input_ids", self.pad_id, "int64"),
            ("labels", IGNORED, "int64"),
            ("attention_mask", 0, "int64"),
        ]
        return [*columns, ("weights", 0.0, "float32")] if _weighted(items) else columns


@dataclass(frozen=True)
class PaddingFreeCollator:
    """Joins all documents of a batch into one row, their boundaries beside it.

    For attention of variable length. Items are samples, or packed rows with ``seq_lengths``. The
    batch has

    - ``input_ids``, ``labels`` and ``position_ids``, int64[1, tokens]: positions start at 0 in each
      document, and the first label of each is -100, because it would be predicted from another;
    - ``weights``, float32[1, tokens], if the items have them;
    - ``seq_lengths``, int32[documents]: the tokens of each, without padding;
    - ``cu_seqlens``, int32: where each document begins and the last ends; ``max_seqlen``, an int.

    Args:
        pad_id: The id on padding, if there is any.
        multiple_of: The tokens of the batch are a multiple of this, as kernels for 8-bit numbers
            want it. What is added at the end is a document of its own in ``cu_seqlens``.
        length: The tokens of every batch; else as many as there are.
        document_multiple_of: The tokens of each document are a multiple of this, as context
            parallelism wants it (twice its size). ``cu_seqlens`` counts the padding.
        transformers: Name the boundaries as the models of transformers do: ``cu_seq_lens_q``,
            ``cu_seq_lens_k``, ``max_length_q``, ``max_length_k``, and leave ``seq_lengths`` out.
        tensors: ``numpy``, or ``torch`` for tensors.

    Raises:
        ArgumentError: An argument has a value that it cannot have.
    """

    pad_id: int = 0
    multiple_of: int = 1
    length: int | None = None
    document_multiple_of: int = 1
    transformers: bool = False
    tensors: Tensors = "numpy"

    def __post_init__(self) -> None:
        _check(self, counts=("multiple_of", "length", "document_multiple_of"))

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The batch of some samples or packed rows.

        Raises:
            ArgumentError: There are none.
            DataError: They have more tokens than ``length``.
        """
        import numpy as np

        from turnmill.packing.rows import positions

        _refuse_nothing(items)
        lengths = np.concatenate([_document_lengths(item) for item in items])
        rooms = -(-lengths // self.document_multiple_of) * self.document_multiple_of
        total = int(rooms.sum())
        width = _room(total, self.length, self.multiple_of)
        bounds = [*rooms, width - total] if width > total else rooms
        places = positions(np.asarray(bounds))
        there = places[:total] < np.repeat(lengths, rooms)
        batch: dict[str, Any] = {}
        for name, fill, type_ in self._columns(items):
            batch[name] = np.full((1, width), fill, type_)
            batch[name][0, :total][there] = np.concatenate([_values(item, name) for item in items])
        batch["labels"][0, places == 0] = IGNORED
        if "weights" in batch:
            batch["weights"][0, places == 0] = 0
        batch["position_ids"] = places[None].astype(np.int64)
        return _as_asked({**batch, **self._boundaries(lengths, np.asarray(bounds))}, self.tensors)

    def _columns(self, items: Sequence[dict[str, Any]]) -> list[_Column]:
        columns: list[_Column] = [
            ("input_ids", self.pad_id, "int64"),
            ("labels", IGNORED, "int64"),
        ]
        return [*columns, ("weights", 0.0, "float32")] if _weighted(items) else columns

    def _boundaries(
        self, lengths: npt.NDArray[np.int32], bounds: npt.NDArray[np.int32]
    ) -> dict[str, Any]:
        import numpy as np

        ends = np.concatenate([[0], np.cumsum(bounds)]).astype(np.int32)
        longest = int(bounds.max(initial=0))
        if self.transformers:
            names = {"cu_seq_lens_q": ends, "cu_seq_lens_k": ends.copy()}
            return {**names, "max_length_q": longest, "max_length_k": longest}
        return {"seq_lengths": lengths, "cu_seqlens": ends, "max_seqlen": longest}


def _document_lengths(item: dict[str, Any]) -> npt.NDArray[np.int32]:
    import numpy as np

    return np.asarray(item.get("seq_lengths", [len(item["input_ids"])]), np.int32)


def _values(item: dict[str, Any], name: str) -> Any:
    """A column of an item. Without labels every token is trained."""
    return item["input_ids"] if name == "labels" and name not in item else item[name]


def _refuse_nothing(items: Sequence[dict[str, Any]]) -> None:
    if not items:
        message, hint = "there is no item to make a batch of", "give at least one"
        raise ArgumentError(message, code="no-items", hint=hint)


def _weighted(items: Sequence[dict[str, Any]]) -> bool:
    return "weights" in items[0]


def _room(needed: int, length: int | None, multiple_of: int) -> int:
    """The tokens that a row has room for.

    Raises:
        DataError: They are fewer than needed.
    """
    if length is not None and needed > length:
        message = f"{needed:,} tokens do not fit into {length:,}, and none is cut"
        hint = "prepare or pack with that length, or give a greater one"
        raise DataError(message, code="overlong-sample", hint=hint)
    room = needed if length is None else length
    return -(-room // multiple_of) * multiple_of


def _as_asked(batch: dict[str, Any], kind: Tensors) -> dict[str, Any]:
    if kind == "numpy":
        return batch
    from turnmill.training.torch import tensors

    return tensors(batch)


def _check(collator: Any, *, counts: tuple[str, ...]) -> None:
    for name in counts:
        value = getattr(collator, name)
        if value is not None:
            whole_number(value, name, 1, _MOST)
    whole_number(collator.pad_id, "pad_id", 0, _MOST)
    if collator.tensors not in {"numpy", "torch"}:
        raise _not_a_choice("tensors", collator.tensors, "numpy or torch")


def _not_a_choice(name: str, value: Any, choices: str) -> ArgumentError:
    message = f"{name} cannot be {value!r}"
    return ArgumentError(message, code="invalid-choice", hint=f"{name} takes {choices}")
