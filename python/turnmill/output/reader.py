"""Reads an output directory back: from a sample to its input row, and from a row to its samples."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from turnmill.errors import DataError, TokenizerError
from turnmill.inputs.files import InputPart
from turnmill.output.files import TRAIN
from turnmill.output.formats import Block, format_of
from turnmill.output.index import IndexFile
from turnmill.recipe import Input, Recipe
from turnmill.storage import STAGING
from turnmill.storage.local import file_sha256, read_json, read_table
from turnmill.storage.remote import AnyPath, RemotePath, output_path
from turnmill.tokenizer import Tokenizer

REJECTS = "rejects.parquet"

_PLACE = ["source", "row", "line", "sample"]
"""The columns of an index that tell where a sample comes from."""


def is_output(path: str | os.PathLike[str]) -> bool:
    """Whether a directory was written by ``prepare``.

    Raises:
        DataError: It was started but is not finished, or every row was rejected.
    """
    place = output_path(path)
    if (place / "turnmill.json").is_file():
        return True
    if is_refused(path):
        raise DataError(
            "the run wrote nothing but the rows that it rejected",
            code="unfinished-output",
            path=path,
            hint="`turnmill show` shows them with their reasons; change what rejects them, then "
            "prepare again",
        )
    if (place / STAGING).is_dir():
        raise DataError(
            "the output is not finished",
            code="unfinished-output",
            path=path,
            hint="run the same `turnmill prepare` again: it continues where it stopped",
        )
    return False


def is_refused(path: str | os.PathLike[str]) -> bool:
    """Whether a run left nothing in a directory but the rows that it rejected."""
    place = output_path(path)
    ended = any((place / name).is_file() for name in ("turnmill.json", "manifest.json"))
    return not ended and (place / REJECTS).is_file()


def open_output(path: str | os.PathLike[str], purpose: str) -> Output:
    """A finished output directory.

    Args:
        path: The directory.
        purpose: What an output is needed for, and how one is made; for the error.

    Raises:
        DataError: It is not one.
    """
    if not is_output(path):
        raise DataError(not_an_output(path), code="no-output", path=path, hint=purpose)
    return Output.open(path)


def not_an_output(path: str | os.PathLike[str] | RemotePath) -> str:
    """What is wrong with a path that is no output."""
    place = output_path(path)
    if not place.exists():
        return "there is no such directory"
    if not place.is_dir():
        return "this is a file, not the directory of an output"
    return "turnmill prepare did not write this directory"


def recorded_recipe(record: dict[str, Any], tokenizer: str) -> Recipe:
    """The recipe that a run record holds, with the date and the template that the run used."""
    keys = {key: value for key, value in record["recipe"].items() if value is not None}
    facts = record.get("facts", {})
    keys.update(tokenizer=tokenizer, now=facts.get("now") or keys.get("now"))
    if (facts.get("template") or {}).get("source"):
        keys["template"] = facts["template"]["source"] if keys.get("template") else None
    return Recipe(**keys)


def recorded_input(item: dict[str, Any]) -> Input:
    """An input as the run read it, with its own keys."""
    own = {key: item[key] for key in ("fields", "roles", "ignore") if key in item}
    schema = {} if item["schema"] == "auto" else {"schema": item["schema"]}
    return Input(item["name"], **schema, **own)


@dataclass(frozen=True)
class WrittenRow:
    """The result of one input row: samples, or a reject."""

    source: str
    row: int
    line: int | None
    samples: list[dict[str, Any]]
    reject: dict[str, Any] | None = None


@dataclass(frozen=True)
class Output:
    """A finished output directory."""

    path: AnyPath
    record: dict[str, Any]

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Output:
        """Opens the directory; it must be finished.

        Raises:
            DataError: Its run record is damaged.
        """
        place = output_path(path)
        record: Any = read_json(place / "turnmill.json")
        if isinstance(record, dict):
            return cls(place, record)
        message = "the output is damaged: its run record is not one"
        hint = "prepare it again, into another directory or with --overwrite"
        raise DataError(message, code="broken-output", path=str(place), hint=hint)

    @property
    def sources(self) -> list[str]:
        """Names of the inputs, in order."""
        return [str(planned["name"]) for planned in self.record["inputs"]]

    def planned(self, source: str) -> dict[str, Any]:
        """What the run record says of an input.

        Raises:
            DataError: It does not know the input.
        """
        inputs: list[dict[str, Any]] = self.record["inputs"]
        for item in inputs:
            if item["name"] == source:
                return item
        message = f"the output is damaged: its run record does not know the input {source}"
        hint = "prepare it again, into another directory or with --overwrite"
        raise DataError(message, code="broken-output", path=str(self.path), hint=hint)

    def input(self, source: str) -> Input:
        """An input as the run read it, with its own keys, where it is now."""
        item = self.planned(source)
        return recorded_input({**item, "name": self.located(source)})

    def recipe(self, tokenizer: str) -> Recipe:
        """The recipe of the run, with the tokenizer where it is now."""
        return recorded_recipe(self.record, tokenizer)

    @property
    def tokenizer(self) -> str | None:
        """The tokenizer that the recipe names, where it is now."""
        named: str | None = self.record.get("recipe", {}).get("tokenizer")
        return self.located(named) if named else None

    def load_tokenizer(self, given: str | os.PathLike[str] | None = None) -> Tokenizer:
        """The tokenizer that the output was written with; another one would show other text.

        Args:
            given: Where it is now, if that is not where the run found it.

        Raises:
            TokenizerError: It was moved, or its files have changed.
        """
        facts = self.record["facts"]["tokenizer"]
        hint = "give the tokenizer that the output was written with: --tokenizer DIR"
        try:
            tokenizer = Tokenizer(given or self.located(facts["path"]))
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

    def located(self, path: str) -> str:
        """A path of the record, which may be relative to where the run was started."""
        if "://" in path or Path(path).exists() or not isinstance(self.path, Path):
            return path
        started = (read_json(self.path / "run.json") or {}).get("directory")
        place = self.path.absolute()
        roots = [*([Path(started)] if started else []), place, *place.parents]
        return next((str(root / path) for root in roots if (root / path).exists()), path)

    @property
    def training(self) -> list[dict[str, Any]]:
        """The data files to train on: all, unless some conversations are set apart."""
        return self.shards_of(TRAIN)

    def shards_of(self, split: str) -> list[dict[str, Any]]:
        """The data files of ``train`` or ``validation``; all are ``train`` if none is set apart."""
        return [shard for shard in self.record["shards"] if shard.get("split", TRAIN) == split]

    def parts(self, source: str) -> list[InputPart]:
        """The parts in which an input was read, by the receipts of the run; they may be gone."""
        receipts = (read_json(path) for path in (self.path / STAGING).glob("receipt-*.json"))
        found = (receipt.get("identity", {}) for receipt in receipts if receipt)
        parts = [InputPart(*made["part"]) for made in found if made.get("source") == source]
        return sorted(parts, key=lambda part: part.first_row)

    def first_rows(self, count: int) -> Iterator[WrittenRow]:
        """The first written rows."""
        for shard in self.record["shards"]:
            index = self._index(shard)
            rows: dict[tuple[str, int], None] = {}
            for group in index.groups:
                table = index.read(group, ["source", "row"])
                pairs = zip(table["source"].to_pylist(), table["row"].to_pylist(), strict=True)
                rows |= dict.fromkeys(pairs)
                if len(rows) > count:
                    break
            for source, row in list(rows)[:count]:
                yield self._written(shard, index, source, "row", row)
            count -= min(len(rows), count)
            if count <= 0:
                return

    def sample(self, number: int) -> WrittenRow:
        """The row of a sample, by the sample's number in the whole data set.

        Raises:
            DataError: There is no such sample.
        """
        shard, place = self._place(number)
        index = self._index(shard)
        entry = self._entry(index, place)
        return self._written(shard, index, entry["source"], "row", entry["row"])

    def sample_alone(self, number: int) -> dict[str, Any]:
        """A sample by its number in the whole data set, without the others of its row.

        Raises:
            DataError: There is no such sample.
        """
        shard, place = self._place(number)
        return self._samples(shard, [place])[0]

    @staticmethod
    def _entry(index: IndexFile, place: int) -> dict[str, Any]:
        """What an index says of a sample."""
        group = index.group_of(place)
        table = index.read(group, _PLACE)
        entry: dict[str, Any] = table.slice(place - group.first, 1).to_pylist()[0]
        return entry

    def _place(self, number: int) -> tuple[dict[str, Any], int]:
        """The shard of a sample, and the sample's number in it."""
        left = number
        for shard in self.record["shards"]:
            if left < shard["samples"]:
                return shard, left
            left -= shard["samples"]
        total = self.record["totals"]["samples"]
        message = f"there is no sample {number:,}: the data set has {total:,}, counted from 0"
        raise DataError(message, code="no-such-row", path=str(self.path))

    def samples(
        self, shard: dict[str, Any], numbers: list[int]
    ) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Samples of a shard by their numbers in it, each with its entry in the index."""
        entries: list[dict[str, Any]] = (
            read_table(self.path / shard["index"]).take(numbers).to_pylist()
        )
        return list(zip(self._samples(shard, numbers), entries, strict=True))

    def find(
        self, source: str, *, row: int | None = None, line: int | None = None
    ) -> list[WrittenRow]:
        """The result of a row of ``source``, by its row (from 0) or its line (from 1).

        An input that was given twice, perhaps with different fields, has the row twice.

        Raises:
            DataError: The output knows no such row.
        """
        wanted = ("row", row) if line is None else ("line", line)
        found: list[WrittenRow] = []
        for shard in self.record["shards"]:
            if shard["source"] not in {source, None}:
                continue
            written = self._written(shard, self._index(shard), source, *wanted)
            if not written.samples:
                continue
            if found and shard["source"] is None:  # the samples of a row lie in several files
                found[0].samples.extend(written.samples)
            else:
                found.append(written)
        rejects = read_table(self.path / "rejects.parquet")
        rejects = rejects.filter(_is_at(source, *wanted))
        found += [WrittenRow(source, r["row"], r["line"], [], r) for r in rejects.to_pylist()]
        if found:
            return found
        place = f"line {line}" if line is not None else f"row {row}"
        message = f"{place} of {source} is neither among the samples nor among the rejects"
        hint = "lines count from 1 and rows from 0; blank lines are not rows"
        raise DataError(message, code="no-such-row", path=str(self.path), hint=hint)

    def _index(self, shard: dict[str, Any]) -> IndexFile:
        return IndexFile(self.path / shard["index"])

    def _written(
        self, shard: dict[str, Any], index: IndexFile, source: str, key: str, value: int | None
    ) -> WrittenRow:
        """The samples in a data file of the row that has a value in a column of the index."""
        places: list[int] = []
        entry: dict[str, Any] = {}
        for group in index.groups:
            if not group.may_hold(key, value):
                continue
            table = index.read(group, _PLACE)
            here = pc.indices_nonzero(pc.and_(*_matches(table, source, key, value))).to_pylist()
            places += [group.first + place for place in here]
            if here and not entry:
                entry = table.slice(here[0], 1).to_pylist()[0]
        samples = self._samples(shard, places) if places else []
        return WrittenRow(source, entry.get("row", -1), entry.get("line"), samples)

    def _samples(self, shard: dict[str, Any], numbers: list[int]) -> list[dict[str, Any]]:
        data = self.path / shard["data"]
        return rows_of_blocks(format_of(data).blocks(data), numbers)


def rows_of_blocks(
    blocks: list[Block], numbers: list[int], *, arrays: bool = False
) -> list[dict[str, Any]]:
    """Samples by their numbers in a data file; only the blocks that hold them are read.

    Args:
        blocks: The blocks of the file.
        numbers: Which samples.
        arrays: Whether columns of lists become arrays: a sample may have millions of tokens.
    """
    found: dict[int, dict[str, Any]] = {}
    first = 0
    for block in blocks:
        here = [number for number in numbers if first <= number < first + block.rows]
        if here:
            read = block.read()
            # Row by row: `take` puts the chunks of lists together, a copy of the whole file.
            for number in here:
                one = read.slice(number - first, 1)
                found[number] = _with_arrays(one) if arrays else one.to_pylist()[0]
        first += block.rows
    return [found[number] for number in numbers]


def _with_arrays(row: pa.RecordBatch | pa.Table) -> dict[str, Any]:
    """The values of the only row; lists as arrays."""
    cells = {name: row.column(name)[0] for name in row.schema.names}
    return {
        name: np.asarray(cell.values)
        if isinstance(cell, pa.ListScalar) and cell.is_valid
        else cell.as_py()
        for name, cell in cells.items()
    }


def naming(shard: dict[str, Any], columns: list[str]) -> list[str]:
    """Columns of an index, and ``source`` where the run record does not tell the input."""
    return columns if shard["source"] is not None else ["source", *columns]


def sources_of(
    shard: dict[str, Any], entries: pa.RecordBatch | pa.Table
) -> Iterator[tuple[str, npt.NDArray[np.int64]]]:
    """The inputs of entries of an index, each with the numbers of its entries.

    Args:
        shard: The data file, as in the run record.
        entries: With the column ``source``, which tells the inputs of a shuffled file.
    """
    if shard["source"] is not None:
        yield shard["source"], np.arange(len(entries))
        return
    column = entries["source"]
    chunk = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    is_encoded = pa.types.is_dictionary(chunk.type)
    encoded = chunk if is_encoded else chunk.dictionary_encode()
    codes = np.from_dlpack(encoded.indices)
    for code, source in enumerate(encoded.dictionary.to_pylist()):
        yield source, np.flatnonzero(codes == code)


def _is_at(source: str, key: str, value: int | None) -> pc.Expression:
    return (pc.field("source") == source) & (pc.field(key) == value)


def _matches(table: pa.Table, source: str, key: str, value: int | None) -> list[pa.ChunkedArray]:
    """Where the input and a column have these values."""
    return [pc.equal(table["source"], source), pc.equal(table[key], value)]
