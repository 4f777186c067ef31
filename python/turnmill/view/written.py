"""An output, by its index: fourteen bytes of each sample stay in memory, all else is read."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from turnmill.output.formats import Block, format_of
from turnmill.output.reader import Output, WrittenRow, rows_of_blocks, sources_of
from turnmill.show.origin import Origin
from turnmill.show.view import RowView, sample_views
from turnmill.show.written import written_view
from turnmill.stats.index import column, index_batches
from turnmill.stats.roles import roles_of
from turnmill.storage.local import open_native, read_table
from turnmill.tokenizer import Tokenizer
from turnmill.view.listing import LEFT_OUT, Filter, holds

_REMEMBERED = 8
"""Open shards, row groups of indexes, and answers of filters that are kept."""


_REMEMBERED_BLOCKS = 2
"""Blocks of samples that are kept: those of Parquet are large."""


class WrittenListing:
    """The samples of an output, then the rows that it left out."""

    note = ""

    def __init__(self, output: Output, tokenizer: Tokenizer) -> None:
        self._output = output
        self._tokenizer = tokenizer
        self._shards = output.record["shards"]
        self._stops = frozenset(stop["id"] for stop in output.record["facts"]["stop"])
        self._first = np.cumsum([0, *(shard["samples"] for shard in self._shards)])
        """The number of the first sample of each shard, and of the first reject."""
        self._origin = Origin(output, str(tokenizer.path))
        self._answers: OrderedDict[Filter, Sequence[int]] = OrderedDict()
        self._opened: OrderedDict[int, list[Block]] = OrderedDict()
        self._contents: OrderedDict[tuple[int, int], Any] = OrderedDict()
        self._groups: OrderedDict[tuple[int, int], pa.Table] = OrderedDict()
        self.name = str(output.path)
        self.sources = output.sources
        self.roles = roles_of(output.record["facts"], tokenizer)
        self._evidence: dict[str, list[int]] = {}
        self._lengths, self._of_source = self._read_index()

    @cached_property
    def rules(self) -> list[str]:
        """Rules that left rows out, and those with recorded places."""
        return list(dict.fromkeys([*self._output.record["totals"]["rejected"], *self._evidence]))

    @cached_property
    def _rejects(self) -> pa.Table:
        return read_table(self._output.path / "rejects.parquet")

    @property
    def _samples(self) -> int:
        return int(self._first[-1])

    def _read_index(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int16]]:
        """Lengths and sources of all samples; remembers the samples that rules were counted for."""
        lengths = np.empty(self._samples, np.int32)
        sources = np.empty(self._samples, np.int16)
        places = self._recorded_places()
        at = 0
        for shard in self._shards:
            path = self._output.path / shard["index"]
            for batch in index_batches(path, ["source", "row", "length"]):
                lengths[at : at + batch.num_rows] = column(batch, "length")
                for source, here in sources_of(shard, batch):
                    sources[at + here] = self.sources.index(source)
                    rows, wanted = column(batch, "row")[here], places.get(source, {})
                    for place in np.flatnonzero(np.isin(rows, list(wanted))).tolist():
                        for rule in wanted[int(rows[place])]:
                            self._evidence.setdefault(rule, []).append(at + int(here[place]))
                at += batch.num_rows
        return lengths, sources

    def _recorded_places(self) -> dict[str, dict[int, list[str]]]:
        """Rows that rules were counted for, by source, each with the rules."""
        found: dict[str, dict[int, list[str]]] = {}
        for rule, places in self._output.record.get("evidence", {}).items():
            for place in places:
                rows = found.setdefault(place["source"], {})
                rows.setdefault(place["row"], []).append(rule)
        return found

    def candidates(self, wanted: Filter) -> Sequence[int]:
        """By source, rule and length; the last answers are remembered."""
        if wanted not in self._answers:
            self._answers[wanted] = self._candidates(wanted)
            _forget(self._answers, _REMEMBERED)
        return self._answers[wanted]

    def _candidates(self, wanted: Filter) -> Sequence[int]:
        total = self._samples + self._rejects.num_rows
        if not (
            wanted.source or wanted.rule or wanted.least is not None or wanted.most is not None
        ):
            return range(total)
        if wanted.rule:
            return [n for n in self._by_rule(wanted.rule) if self._is_wanted(n, wanted)]
        mask = np.ones(self._samples, np.bool_)
        if wanted.source:
            mask &= self._of_source == self._number_of(wanted.source)
        if wanted.least is not None:
            mask &= self._lengths >= wanted.least
        if wanted.most is not None:
            mask &= self._lengths <= wanted.most
        found: Sequence[int] = np.flatnonzero(mask).astype(np.int32)  # type: ignore[assignment]
        return found

    def _number_of(self, source: str) -> int:
        return self.sources.index(source) if source in self.sources else -1

    def _by_rule(self, rule: str) -> Sequence[int]:
        """Rejects of a rule, or the samples that it was first counted for."""
        if rule == LEFT_OUT:
            return range(self._samples, self._samples + self._rejects.num_rows)
        codes = pc.equal(self._rejects["code"], rule)
        rejects = pc.indices_nonzero(codes).to_pylist() if self._rejects.num_rows else []
        return [*self._evidence.get(rule, []), *(self._samples + place for place in rejects)]

    def _is_wanted(self, number: int, wanted: Filter) -> bool:
        if number < self._samples:
            length = int(self._lengths[number])
            source = self.sources[self._of_source[number]]
        else:
            length = 0
            source = self._rejects["source"][number - self._samples].as_py()
        return (
            (not wanted.source or source == wanted.source)
            and (wanted.least is None or length >= wanted.least)
            and (wanted.most is None or length <= wanted.most)
        )

    def looks_inside(self, wanted: Filter) -> bool:
        """Only for a text."""
        return bool(wanted.text)

    def passes(self, number: int, wanted: Filter) -> bool:
        """Whether the row holds the text."""
        return not wanted.text or holds(self.row(number), wanted.text)

    def row(self, number: int) -> RowView:
        """One sample, or a reject with its reason."""
        if number >= self._samples:
            return self._reject(number - self._samples, with_raw=False)
        shard, place = self._place(number)
        entry = self._entry(shard, place)
        (sample,) = rows_of_blocks(self._blocks(shard), [place])
        token_bytes = self._tokenizer._token_bytes
        views = sample_views([sample], self._stops, token_bytes, first=entry["sample"])
        return RowView(entry["source"], entry["row"], entry["line"], views)

    def whole_row(self, number: int) -> RowView:
        """All samples of the row, what was counted of it, and the row as it was read.

        A run writes the samples of a row one after another.
        """
        if not 0 <= number < self._samples + self._rejects.num_rows:
            raise IndexError(number)
        if number >= self._samples:
            return self._reject(number - self._samples, with_raw=True)
        shard, place = self._place(number)
        entry = self._entry(shard, place)
        first = place - entry["sample"]
        last = place + 1
        while last < self._shards[shard]["samples"] and self._is_of(entry, shard, last):
            last += 1
        samples = rows_of_blocks(self._blocks(shard), list(range(first, last)))
        row = WrittenRow(entry["source"], entry["row"], entry["line"], samples)
        return written_view(row, self._stops, self._tokenizer._token_bytes, self._origin)

    def _is_of(self, entry: dict[str, Any], shard: int, place: int) -> bool:
        """Whether a sample is of the same row as another one."""
        other = self._entry(shard, place)
        return (other["source"], other["row"]) == (entry["source"], entry["row"])

    def _reject(self, place: int, *, with_raw: bool) -> RowView:
        (reject,) = self._rejects.slice(place, 1).to_pylist()
        source, row, line = reject["source"], reject["row"], reject["line"]
        why = (reject["code"], reject["reason"], reject["message"])
        raw = self._origin.raw(source, row, line) if with_raw else ""
        return RowView(source, row, line, (), why, raw)

    def _place(self, number: int) -> tuple[int, int]:
        """The shard of a sample, and the sample's number in it."""
        shard = int(np.searchsorted(self._first, number, "right")) - 1
        return shard, number - int(self._first[shard])

    def _blocks(self, shard: int) -> list[Block]:
        """The samples of a shard. The blocks that were read last are remembered."""
        if shard not in self._opened:
            data = self._output.path / self._shards[shard]["data"]
            blocks = format_of(data).blocks(data)
            self._opened[shard] = [
                Block(block.rows, partial(self._read, shard, i, block))
                for i, block in enumerate(blocks)
            ]
            _forget(self._opened, _REMEMBERED)
        return self._opened[shard]

    def _read(self, shard: int, number: int, block: Block) -> Any:
        key = (shard, number)
        if key not in self._contents:
            self._contents[key] = block.read()
            _forget(self._contents, _REMEMBERED_BLOCKS)
        return self._contents[key]

    def _entry(self, shard: int, place: int) -> dict[str, Any]:
        """A row of an index. The row groups read last are remembered."""
        path = self._output.path / self._shards[shard]["index"]
        with open_native(path) as file:
            opened = pq.ParquetFile(file)
            first = 0
            for group in range(opened.num_row_groups):
                rows = opened.metadata.row_group(group).num_rows
                if place < first + rows:
                    table = self._group(shard, group, opened)
                    entry: dict[str, Any] = table.slice(place - first, 1).to_pylist()[0]
                    return entry
                first += rows
        raise IndexError(place)

    def _group(self, shard: int, group: int, opened: pq.ParquetFile) -> pa.Table:
        if (shard, group) not in self._groups:
            columns = ["source", "row", "line", "sample"]
            self._groups[shard, group] = opened.read_row_group(group, columns)
            _forget(self._groups, _REMEMBERED)
        return self._groups[shard, group]


def _forget(remembered: OrderedDict[Any, Any], most: int) -> None:
    """Leaves the entries that were added last."""
    while len(remembered) > most:
        remembered.popitem(last=False)
