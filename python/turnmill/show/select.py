"""Finds the rows that ``show`` was asked for, in raw data or in an output directory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from turnmill.encoder.inspect import inspect_input
from turnmill.encoder.ready import ready
from turnmill.encoder.row import encode_row
from turnmill.errors import ArgumentError, DataError, TokenizerError
from turnmill.inputs.find import Input
from turnmill.inputs.rows import PickedRow, rows_of
from turnmill.output.reader import Output, WrittenRow, is_output
from turnmill.recipe import Recipe
from turnmill.show.view import RowView, TokenBytes, sample_view
from turnmill.storage.local import file_sha256
from turnmill.tokenizer import Tokenizer

__all__ = ["Selection", "is_output", "raw_rows", "written_rows"]

_RAW_SHOWN = 1000


@dataclass(frozen=True)
class Selection:
    """The rows to show."""

    n: int = 3
    row: int | None = None
    sample: int | None = None
    source: str | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("row", "sample", "source") if getattr(self, name) is not None]
        if len(given) > 1:
            message = f"{' and '.join(given)} name a row each"
            raise ArgumentError(message, code="several-places", hint="give one of them")

    def split_source(self) -> tuple[str, int]:
        """File and number of ``source``.

        Raises:
            DataError: It is not ``FILE:NUMBER``.
        """
        file, _, number = (self.source or "").rpartition(":")
        if not file or not number.isdecimal():
            message = f"{self.source!r} is not a place"
            raise DataError(
                message, code="no-such-row", hint="give FILE:LINE, such as chat.jsonl:12"
            )
        return file, int(number)


def raw_rows(data: Any, selection: Selection, recipe: Recipe) -> list[RowView]:
    """Encodes the wanted rows of raw conversations."""
    if selection.sample is not None:
        raise DataError("raw data has no samples yet", code="no-such-row", hint="use --row")
    session, inputs = ready(recipe, data)
    stops, token_bytes = session.stop_ids(), session.tokenizer()._token_bytes
    schemas: dict[Input, str] = {}
    views = []
    for input_, picked in _wanted(inputs, selection):
        if input_ not in schemas:
            schemas[input_] = inspect_input(input_, session).schema
        made = encode_row(picked, session, input_, schemas[input_])
        reject = _reject_of(made.rejects[0]) if made.rejects else None
        views.append(
            RowView(
                input_.name,
                picked.row,
                picked.line,
                tuple(sample_view(i, s, stops, token_bytes) for i, s in enumerate(made.samples)),
                reject,
                _raw_text(picked) if reject else "",
                {} if reject else made.counts,
            )
        )
    if not views:
        hint = "rows count from 0 and lines from 1; blank lines are not rows"
        raise DataError(
            "the input holds no such row", code="no-such-row", path=inputs[0].name, hint=hint
        )
    return views


def _wanted(inputs: list[Input], selection: Selection) -> Iterator[tuple[Input, PickedRow]]:
    if selection.source is not None:
        file, number = selection.split_source()
        yield from (
            (input_, picked)
            for input_ in _by_name(inputs, file)
            for picked in rows_of(input_)
            if number == (picked.row if picked.line is None else picked.line)
        )
    elif selection.row is not None:
        if len(inputs) > 1:
            message = f"there are {len(inputs)} inputs, and each has a row {selection.row}"
            raise DataError(message, code="no-such-row", hint="say which with --source FILE:LINE")
        yield from (
            (inputs[0], p) for p in islice(rows_of(inputs[0]), selection.row, selection.row + 1)
        )
    else:
        every = ((input_, picked) for input_ in inputs for picked in rows_of(input_))
        yield from islice(every, selection.n)


def _by_name(inputs: list[Input], file: str) -> list[Input]:
    name = _matching([input_.name for input_ in inputs], file)
    return [input_ for input_ in inputs if input_.name == name]


def _matching(names: list[str], file: str) -> str:
    """The name equal to ``file``, or the only one that ends with it."""
    if file in names:
        return file
    ending = [name for name in dict.fromkeys(names) if Path(name).name == Path(file).name]
    if len(ending) == 1:
        return ending[0]
    message = f"no input is called {file}" if not ending else f"several inputs are called {file}"
    raise DataError(message, code="no-such-row", hint=f"inputs: {', '.join(names[:5])}")


def _raw_text(picked: PickedRow) -> str:
    if isinstance(picked.data, bytes):
        return picked.data[: 4 * _RAW_SHOWN].decode("utf-8", "replace")[:_RAW_SHOWN]
    if isinstance(picked.data, pa.RecordBatch):
        return str(pa.Table.from_batches([picked.data]).to_pylist()[0])[:_RAW_SHOWN]
    return str(picked.data)[:_RAW_SHOWN]


def written_rows(
    path: str | os.PathLike[str],
    selection: Selection,
    tokenizer: str | os.PathLike[str] | None,
) -> list[RowView]:
    """Reads the wanted rows of an output directory back."""
    output = Output.open(path)
    token_bytes = _tokenizer_of(output, tokenizer)._token_bytes
    stops = frozenset(stop["id"] for stop in output.record["facts"]["stop"])
    return [_written_view(row, stops, token_bytes) for row in _written(output, selection)]


def _tokenizer_of(output: Output, given: str | os.PathLike[str] | None) -> Tokenizer:
    """The tokenizer that an output was written with; another one would show other text.

    Raises:
        TokenizerError: It was moved, or its files have changed.
    """
    facts = output.record["facts"]["tokenizer"]
    hint = "give the directory of the tokenizer that the output was written with: --tokenizer DIR"
    try:
        tokenizer = Tokenizer(given or facts["path"])
    except TokenizerError as error:
        if given or error.code != "tokenizer-not-found":
            raise
        message = "the tokenizer of the output is not where it was"
        raise TokenizerError(message, code=error.code, path=facts["path"], hint=hint) from None
    place = Path(tokenizer.path)
    file = place / "tokenizer.json" if place.is_dir() else place
    # A changed template does no harm here, but added tokens in the other files do.
    same = (file_sha256(file), tokenizer.vocab_size) == (facts["sha256"], facts["vocab_size"])
    if not same:
        what = "is not the one" if given else "has changed since"
        message = f"the tokenizer {what} the output was written{' with' if given else ''}"
        raise TokenizerError(message, code="tokenizer-changed", path=file, hint=hint)
    return tokenizer


def _written(output: Output, selection: Selection) -> list[WrittenRow]:
    if selection.sample is not None:
        return [output.sample(selection.sample)]
    if selection.source is not None:
        file, number = selection.split_source()
        source = _matching(output.sources, file)
        planned = next(p for p in output.record["inputs"] if p["name"] == source)
        if planned["format"] in {"lines", "array"}:
            return output.find(source, line=number)
        return output.find(source, row=number)
    if selection.row is not None:
        if len(set(output.sources)) > 1:
            message = (
                f"the output has {len(output.sources)} inputs, and each has a row {selection.row}"
            )
            raise DataError(message, code="no-such-row", hint="say which with --source FILE:LINE")
        return output.find(output.sources[0], row=selection.row)
    return list(output.first_rows(selection.n))


def _written_view(row: WrittenRow, stops: frozenset[int], token_bytes: TokenBytes) -> RowView:
    samples = tuple(
        sample_view(i, sample, stops, token_bytes) for i, sample in enumerate(row.samples)
    )
    reject = _reject_of(row.reject) if row.reject else None
    return RowView(row.source, row.row, row.line, samples, reject)


def _reject_of(reject: Mapping[str, Any]) -> tuple[str, str, int | None]:
    return reject["code"], reject["reason"], reject["message"]
