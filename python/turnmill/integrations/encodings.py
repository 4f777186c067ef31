"""Texts to the `BatchEncoding` that a tokenizer of transformers would give: cut, padded, masked."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from turnmill.tokenizer import Tokenizer

FAST_KEYS = frozenset(
    {
        "pad_to_multiple_of",
        "padding_side",
        "return_attention_mask",
        "return_token_type_ids",
        "return_offsets_mapping",
        "return_length",
        "verbose",
    }
)
"""Arguments of a tokenizer that are understood here."""
_CUT = {"longest_first", "only_first"}
_STRIDE = 1 << 32
"""How far the places of two rows are apart when all are looked at together: further than any
text is long."""


@dataclass(frozen=True)
class Texts:
    """Rendered texts on their way to ids."""

    texts: list[str]
    spans: list[npt.NDArray[Any]] | None
    """The code points that an assistant writes, for a mask."""
    is_batch: bool


@dataclass
class _TokenRows:
    """Rows of ids, with the columns that go beside them."""

    ids: list[Any]
    places: list[Any] | None
    """Start and end of each id, in code points."""
    masks: list[Any] | None


def batch_encoding(
    theirs: Any,
    ours: Tokenizer,
    work: Texts,
    settings: dict[str, Any],
    return_tensors: Any,
    threads: int | None,
) -> Any:
    """What ``theirs(texts, add_special_tokens=False, **settings)`` gives, and the mask.

    Args:
        theirs: The tokenizer of transformers, which knows its limits, sides and columns.
        ours: The same in turnmill's form.
        work: The texts.
        settings: Padding, truncation and what else a call of the tokenizer takes.
        return_tensors: ``np``, ``pt`` or None.
        threads: Number of threads.
    """
    from transformers import BatchEncoding

    strategies = {name: settings.get(name) for name in ("padding", "truncation", "max_length")}
    padding, cut, length, _ = theirs._get_padding_truncation_strategies(
        **strategies,
        pad_to_multiple_of=settings.get("pad_to_multiple_of"),
        verbose=settings.get("verbose", True),
    )
    wants_places = bool(settings.get("return_offsets_mapping"))
    rows = _encoded(ours, work, threads, places=wants_places)
    _warn(theirs, rows, length, settings)
    if cut.value in _CUT and length is not None:
        _truncate(rows, length, theirs.truncation_side)
    elif cut.value != "do_not_truncate":
        raise ValueError(f"truncation={cut.value!r} needs pairs of texts")
    target = _target(rows, padding.value, length, settings.get("pad_to_multiple_of"))
    side = settings.get("padding_side") or theirs.padding_side
    data = _columns(theirs, rows, settings, _Padding(target, side, theirs))
    if return_tensors is None and not work.is_batch:
        single = {name: values if name == "length" else values[0] for name, values in data.items()}
        return BatchEncoding({name: _plain(values) for name, values in single.items()})
    if return_tensors is None:
        return BatchEncoding({k: [_plain(row) for row in rows_] for k, rows_ in data.items()})
    return BatchEncoding({k: _whole(v) for k, v in data.items()}, tensor_type=return_tensors)


def _encoded(ours: Tokenizer, work: Texts, threads: int | None, *, places: bool) -> _TokenRows:
    if work.spans is None and not places:
        ids, ends = ours.encode_batch(work.texts, threads=threads)
        return _TokenRows(_split(ids.astype(np.int64), ends), None, None)
    ids, ends, spans = ours.encode_batch(work.texts, threads=threads, offsets=True)
    rows = _TokenRows(_split(ids.astype(np.int64), ends), _split(spans, ends), None)
    if work.spans is not None:
        rows.masks = _split(_overlaps(spans, ends, work.spans), ends)
    if not places:
        rows.places = None
    return rows


def _overlaps(
    places: npt.NDArray[Any], ends: npt.NDArray[Any], spans: list[npt.NDArray[Any]]
) -> npt.NDArray[np.int64]:
    """1 for each token that has a character of some span of its row; spans are sorted and apart."""
    own = np.repeat(np.arange(len(spans)), np.diff(ends)) * _STRIDE
    of_row = np.repeat(np.arange(len(spans)), [len(found) for found in spans]) * _STRIDE
    every = np.concatenate([*spans, np.empty((0, 2), np.int64)]) + of_row[:, None]
    after = np.searchsorted(every[:, 1], places[:, 0] + own, side="right")
    starts = np.append(every[:, 0], np.iinfo(np.int64).max)
    return (places[:, 1] + own > starts[after]).astype(np.int64)


def _split(values: npt.NDArray[Any], ends: npt.NDArray[Any]) -> list[Any]:
    bounds = ends.tolist()
    return [values[start:end] for start, end in pairwise(bounds)]


def _warn(theirs: Any, rows: _TokenRows, length: int | None, settings: dict[str, Any]) -> None:
    """Says, as the tokenizer does, that a row is longer than the model takes."""
    longest = max(rows.ids, key=len)
    theirs._eventual_warn_about_too_long_sequence(longest, length, settings.get("verbose", True))


def _truncate(rows: _TokenRows, length: int, side: str) -> None:
    part = slice(None, length) if side == "right" else slice(-length if length else length, None)
    for name in ("ids", "places", "masks"):
        values = getattr(rows, name)
        if values is not None:
            setattr(rows, name, [row if len(row) <= length else row[part] for row in values])


def _target(rows: _TokenRows, padding: str, length: int | None, multiple: int | None) -> int:
    """The length to which rows are padded; 0 if they are not."""
    if padding == "do_not_pad":
        return 0
    longest = max(len(row) for row in rows.ids)
    target = length if padding == "max_length" and length is not None else longest
    return -(-target // multiple) * multiple if multiple else target


@dataclass(frozen=True)
class _Padding:
    target: int
    side: str
    tokenizer: Any

    def apply(self, rows: list[Any], value: int) -> list[Any]:
        """The rows, each filled up to the length with a value."""
        return [self._filled(row, value) if len(row) < self.target else row for row in rows]

    def _filled(self, row: npt.NDArray[Any], value: int) -> npt.NDArray[Any]:
        filled = np.full((self.target, *row.shape[1:]), value, row.dtype)
        start = self.target - len(row) if self.side == "left" else 0
        filled[start : start + len(row)] = row
        return filled


def _columns(
    theirs: Any, rows: _TokenRows, settings: dict[str, Any], padding: _Padding
) -> dict[str, list[Any]]:
    """The columns in the order that transformers gives them."""

    def wanted(name: str) -> bool:
        chosen = settings.get("return_" + name.removesuffix("_mapping"))
        return name in theirs.model_input_names if chosen is None else bool(chosen)

    pad_id = theirs.pad_token_id if padding.target else 0
    data = {"input_ids": padding.apply(rows.ids, 0 if pad_id is None else pad_id)}
    if wanted("token_type_ids"):
        zeros = [np.zeros(len(row), np.int64) for row in rows.ids]
        data["token_type_ids"] = padding.apply(zeros, theirs.pad_token_type_id)
    if wanted("attention_mask"):
        ones = np.ones(max(len(row) for row in rows.ids), np.int64)
        data["attention_mask"] = padding.apply([ones[: len(row)] for row in rows.ids], 0)
    if rows.places is not None:
        data["offset_mapping"] = padding.apply(rows.places, 0)
    if settings.get("return_length"):
        data["length"] = [len(row) for row in data["input_ids"]]
    if rows.masks is not None:
        data["assistant_masks"] = padding.apply(rows.masks, 0)
    return data


def _plain(row: Any) -> Any:
    """As Python lists of numbers; places are pairs."""
    if not isinstance(row, np.ndarray):
        return row
    return [tuple(pair) for pair in row.tolist()] if row.ndim == 2 else row.tolist()


def _whole(rows: list[Any]) -> Any:
    """One array, if the rows have one length; else the rows, which no tensor can hold."""
    if rows and isinstance(rows[0], np.ndarray) and len({len(row) for row in rows}) == 1:
        return np.stack(rows).astype(np.int64)
    return [_plain(row) for row in rows]
