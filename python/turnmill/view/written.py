"""An output, by its index: fourteen bytes of each sample stay in memory, all else is read."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from turnmill.output.answers import answers
from turnmill.output.formats import Block, format_of
from turnmill.output.index import Group, IndexFile, numbers
from turnmill.output.places import counted_samples
from turnmill.output.reader import Output, WrittenRow, naming, rows_of_blocks, sources_of
from turnmill.show.origin import Origin
from turnmill.show.view import RowView, sample_views
from turnmill.show.written import written_view
from turnmill.stats.roles import roles_of
from turnmill.storage.local import read_table
from turnmill.tokenizer import Tokenizer
from turnmill.view.listing import LEFT_OUT, Filter, forget
from turnmill.view.masks import Marked, below
from turnmill.view.search import TokenText

_REMEMBERED = 8
"""Row groups of indexes, and answers of filters that are kept."""


_REJECTS_READ = 1 << 14
"""Rejects that are searched at a time."""
_REMEMBERED_SHARDS = 64
"""Shards of which is known where their blocks are: to learn it, the whole file is touched."""
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
        self._indexes: OrderedDict[int, IndexFile] = OrderedDict()
        self._groups: OrderedDict[tuple[int, int], pa.Table] = OrderedDict()
        self.name = str(output.path)
        self.sources = output.sources
        self.roles = roles_of(output.record["facts"], tokenizer)
        self._lengths, self._of_source = self._read_index()
        self._origin.load()
        self._text = TokenText(tokenizer)
        self._rejects = read_table(output.path / "rejects.parquet")
        self._evidence = self._recorded()

    @cached_property
    def rules(self) -> list[str]:
        """Rules that left rows out, and those with recorded places."""
        return list(dict.fromkeys([*self._output.record["totals"]["rejected"], *self._evidence]))

    @property
    def _samples(self) -> int:
        return int(self._first[-1])

    def _recorded(self) -> dict[str, list[int]]:
        """The samples that each rule was counted for, as far as the run recorded them."""
        found: dict[str, list[int]] = {}
        for sample, rule in counted_samples(self._output):
            found.setdefault(rule, []).append(sample)
        return found

    def _read_index(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int16]]:
        """Lengths and sources of all samples."""
        lengths = np.empty(self._samples, np.int32)
        sources = np.empty(self._samples, np.int16)
        at = 0
        for shard in self._shards:
            file = IndexFile(self._output.path / shard["index"])
            for batch in file.batches(naming(shard, ["length"])):
                lengths[at : at + batch.num_rows] = numbers(batch, "length")
                for source, here in sources_of(shard, batch):
                    sources[at + here] = self.sources.index(source)
                at += batch.num_rows
        return lengths, sources

    def candidates(self, wanted: Filter) -> Sequence[int]:
        """By source, rule and length; the last answers are remembered."""
        if wanted not in self._answers:
            self._answers[wanted] = self._candidates(wanted)
            forget(self._answers, _REMEMBERED)
        return self._answers[wanted]

    def _candidates(self, wanted: Filter) -> Sequence[int]:
        total = self._samples + self._rejects.num_rows
        if not (
            wanted.source or wanted.rule or wanted.least is not None or wanted.most is not None
        ):
            return range(total)
        if wanted.rule:
            found = self._by_rule(wanted.rule)
            return found if self._is_plain(wanted) else self._wanted_of(found, wanted)
        return Marked(self._mask(wanted))

    @staticmethod
    def _is_plain(wanted: Filter) -> bool:
        """Whether only the rule is asked for."""
        return not wanted.source and wanted.least is None and wanted.most is None

    def _mask(self, wanted: Filter) -> npt.NDArray[np.bool_]:
        """Which samples have the wanted source and length."""
        masks: list[npt.NDArray[np.bool_]] = []
        if wanted.source:
            masks.append(self._of_source == self._number_of(wanted.source))
        if wanted.least is not None:
            masks.append(self._lengths >= wanted.least)
        if wanted.most is not None:
            masks.append(self._lengths <= wanted.most)
        first, *others = masks or [np.ones(self._samples, np.bool_)]
        for mask in others:
            first &= mask
        return first

    def _number_of(self, source: str) -> int:
        return self.sources.index(source) if source in self.sources else -1

    def _by_rule(self, rule: str) -> Sequence[int]:
        """Rejects of a rule, or the samples that it was first counted for."""
        if rule == LEFT_OUT:
            return range(self._samples, self._samples + self._rejects.num_rows)
        rejects: list[int] = []
        if self._rejects.num_rows:
            places = pc.indices_nonzero(pc.equal(self._rejects["code"], rule))
            rejects = (np.asarray(places).astype(np.int64) + self._samples).tolist()
        return [*self._evidence.get(rule, []), *rejects]

    def _wanted_of(self, found: Sequence[int], wanted: Filter) -> Sequence[int]:
        """The rows of these numbers that have the wanted source and length; a reject has none."""
        every = np.asarray(found, np.int64)
        written = every[every < self._samples]
        kept = written[self._mask(wanted)[written]]
        rejects = every[every >= self._samples]
        if wanted.least:
            rejects = rejects[:0]
        if wanted.source and len(rejects):
            sources = self._rejects["source"].take(pa.array(rejects - self._samples))
            rejects = rejects[np.asarray(pc.equal(sources, wanted.source))]
        chosen: list[int] = [*kept.tolist(), *rejects.tolist()]
        return chosen

    def looks_inside(self, wanted: Filter) -> bool:
        """Only for a text."""
        return bool(wanted.text)

    def look(
        self, wanted: Filter, candidates: Sequence[int], at: int
    ) -> Iterator[tuple[int, int | None]]:
        """Searches the text, a block of samples at a time; of rejects their reasons."""
        while at < len(candidates):
            number = int(candidates[at])
            first, last, holds = self._stretch(number, wanted.text)
            here = below(candidates, at, last)
            for place, candidate in enumerate(here, at + 1):
                if holds[candidate - first]:
                    yield place, candidate
            at += len(here)
            yield at, None

    def _stretch(self, number: int, text: str) -> tuple[int, int, npt.NDArray[np.bool_]]:
        """The rows that are read with one: the first, the one after the last, which hold a text."""
        if number >= self._samples:
            start = (number - self._samples) // _REJECTS_READ * _REJECTS_READ
            some = self._rejects.slice(start, _REJECTS_READ)
            first = self._samples + start
            return (
                first,
                first + some.num_rows,
                np.asarray(pc.match_substring(some["reason"], text)),
            )
        shard, _ = self._place(number)
        first = int(self._first[shard])
        for block in self._blocks(shard):
            if number < first + block.rows:
                break
            first += block.rows
        return first, first + block.rows, self._text.holding(block.read(self._read_columns), text)

    @cached_property
    def _read_columns(self) -> list[str] | None:
        """The columns that hold tokens; all, where the tokens of an answer lie in several."""
        data = self._output.path / self._shards[0]["data"]
        names = format_of(data).column_names(data)
        return None if answers(names) else ["input_ids"]

    def row(self, number: int) -> RowView:
        """One sample, or a reject with its reason."""
        if number >= self._samples:
            return self._reject(number - self._samples, with_raw=False)
        shard, place = self._place(number)
        entry = self._entry(shard, place)
        (sample,) = rows_of_blocks(self._blocks(shard), [place], arrays=True)
        token_bytes = self._tokenizer._token_bytes
        views = sample_views([sample], self._stops, token_bytes, first=entry["sample"])
        return RowView(entry["source"], entry["row"], entry["line"], views)

    def whole_row(self, number: int) -> RowView:
        """The samples of the row, what was counted of it, and the row as it was read.

        A run writes the samples of a row one after another. A shuffle parts them: then it is those
        that stand together.
        """
        if not 0 <= number < self._samples + self._rejects.num_rows:
            raise IndexError(number)
        if number >= self._samples:
            return self._reject(number - self._samples, with_raw=True)
        shard, place = self._place(number)
        entry = self._entry(shard, place)
        first, last = place, place + 1
        while first and self._is_of(entry, shard, first - 1):
            first -= 1
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
            forget(self._opened, _REMEMBERED_SHARDS)
        return self._opened[shard]

    def _read(self, shard: int, number: int, block: Block, columns: list[str] | None = None) -> Any:
        key = (shard, number)
        if columns is not None and key not in self._contents:
            return block.read(columns)
        if key not in self._contents:
            self._contents[key] = block.read()
            forget(self._contents, _REMEMBERED_BLOCKS)
        return self._contents[key]

    def _entry(self, shard: int, place: int) -> dict[str, Any]:
        """A row of an index. The row groups read last are remembered."""
        if shard not in self._indexes:
            self._indexes[shard] = IndexFile(self._output.path / self._shards[shard]["index"])
            forget(self._indexes, _REMEMBERED)
        group = self._indexes[shard].group_of(place)
        table = self._group(shard, group)
        entry: dict[str, Any] = table.slice(place - group.first, 1).to_pylist()[0]
        return entry

    def _group(self, shard: int, group: Group) -> pa.Table:
        key = (shard, group.number)
        if key not in self._groups:
            columns = ["source", "row", "line", "sample"]
            self._groups[key] = self._indexes[shard].read(group, columns)
            forget(self._groups, _REMEMBERED)
        return self._groups[key]
