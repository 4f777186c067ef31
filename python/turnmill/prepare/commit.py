"""The commit: once every shard has its receipt, the output becomes a data set.

The order matters: rejects and serving files, then ``turnmill.json``, then the files by which
loaders recognize the data. A directory with a ``state.json`` or ``dataset_dict.json`` (Arrow) or a
``turnmill.json`` (Parquet) is complete.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from turnmill.errors import DataError
from turnmill.output.files import TRAIN, VALIDATION, ShardFiles
from turnmill.output.formats import Format
from turnmill.output.ownership import recorded_names
from turnmill.output.serving import write_serving
from turnmill.output.tables import TableWriter
from turnmill.prepare.chosen import DataFile
from turnmill.prepare.plan import ShardSpec
from turnmill.prepare.shard import Receipt, ShardSettings, Tally
from turnmill.stats.histogram import percentiles
from turnmill.storage import MANIFEST
from turnmill.storage.local import file_sha256, read_table, whole_file, write_json
from turnmill.storage.remote import AnyPath
from turnmill.storage.sealed import read_sealed

MARKS = (MANIFEST, "dataset_dict.json", "state.json", "turnmill.json", "dataset_info.json")
"""Files by which loaders take an output, or a data set in it, for finished."""


@dataclass(frozen=True)
class Totals:
    """Counts over all rows of a run."""

    tally: Tally
    rejected: dict[str, int]
    rules: dict[str, int]
    lengths: dict[int, int]
    """Length of the samples in tokens, by percentile."""
    histogram: Any = field(default=(), repr=False, compare=False)
    """How many samples have each length, from 0."""
    splits: dict[str, dict[str, int]] = field(default_factory=dict)
    """Rows, samples and tokens of each data set, if the output holds two."""
    named: dict[str, dict[str, int]] = field(default_factory=dict)
    """What some rules were counted for, such as columns, by rule and name."""

    def longer_than(self, length: int) -> int:
        """How many samples have more tokens than that."""
        return int(sum(self.histogram[length + 1 :]))

    def to_dict(self) -> dict[str, Any]:
        """For the run record."""
        return {
            "rows": self.tally.rows,
            "rows_written": self.tally.rows - self.tally.rejected,
            "rows_rejected": self.tally.rejected,
            "rejected": self.rejected,
            "samples": self.tally.samples,
            "tokens": self.tally.tokens,
            "trained_tokens": self.tally.trained,
            "lost_turns": self.tally.lost_turns,
            "lost_tokens": self.tally.lost_tokens,
            "lost_rejected_tokens": self.tally.lost_rejected_tokens,
            "length_percentiles": {str(key): value for key, value in self.lengths.items()},
            "rules": self.rules,
            **({"splits": self.splits} if self.splits else {}),
            "named": self.named,
        }

    def of(
        self,
        written: Sequence[DataFile],
        left_out: Mapping[str, int],
        rows: Mapping[str | None, int],
    ) -> Totals:
        """The counts where not every sample of the shards is written.

        Args:
            written: The files.
            left_out: Rows that were left out for them, by rule.
            rows: The different rows of each data set.
        """
        rejected, rules = dict(self.rejected), dict(self.rules)
        for counts in (rejected, rules):
            merge_counts(counts, {rule: count for rule, count in left_out.items() if count})
        tally = replace(
            self.tally,
            rejected=self.tally.rejected + sum(left_out.values()),
            samples=sum(file.samples for file in written),
            tokens=sum(file.tokens for file in written),
            trained=sum(file.trained for file in written),
        )
        histogram = _histogram(file.lengths for file in written)
        splits = {
            split: {"rows": rows[split], **_counts(f for f in written if f.split == split)}
            for split in (TRAIN, VALIDATION)
            if any(file.split for file in written)
        }
        return Totals(
            tally,
            _by_count(rejected),
            _by_count(rules),
            percentiles(histogram),
            histogram,
            splits,
            self.named,
        )


def _counts(files: Iterable[DataFile]) -> dict[str, int]:
    total = {"samples": 0, "tokens": 0, "trained_tokens": 0}
    for file in files:
        counts = (file.samples, file.tokens, file.trained)
        merge_counts(total, dict(zip(total, counts, strict=True)))
    return total


def finished(spec: ShardSpec, settings: ShardSettings) -> Receipt | None:
    """The receipt of a shard that an earlier run finished, if its files exist and are intact.

    Samples that only wait to be chosen are gone once they were; nobody may need them any more.
    """
    files = settings.files(spec.name)
    receipt = read_receipt(settings.output / files.receipt)
    if receipt is None or receipt.identity != json.loads(json.dumps(spec.identity())):
        return None
    needed = ("index", "rejects") if settings.chooses else ("data", "index", "rejects")
    return receipt if is_whole(settings.output, files, receipt, needed) else None


def read_receipt(path: AnyPath) -> Receipt | None:
    """A receipt; ``None`` if there is none, or a damaged one."""
    try:
        value = read_sealed(path)
        return None if value is None else Receipt.from_dict(value)
    except (DataError, TypeError, KeyError):
        return None


def is_whole(output: AnyPath, files: ShardFiles, receipt: Receipt, kinds: Sequence[str]) -> bool:
    """Whether files of a shard exist and are what the receipt says."""
    paths = {kind: output / str(getattr(files, kind)) for kind in kinds}
    return all(
        path.exists() and file_sha256(path) == receipt.sha256[kind] for kind, path in paths.items()
    )


def add_up(receipts: Sequence[Receipt]) -> Totals:
    """Adds the receipts up."""
    tally = Tally()
    rejected: dict[str, int] = {}
    rules: dict[str, int] = {}
    named: dict[str, dict[str, int]] = {}
    for receipt in receipts:
        tally.add(receipt.tally)
        merge_counts(rejected, receipt.rejected)
        merge_counts(rules, receipt.rules)
        for rule, counts in receipt.named.items():
            merge_counts(named.setdefault(rule, {}), counts)
    histogram = _histogram(receipt.lengths for receipt in receipts)
    named = {rule: _by_count(counts) for rule, counts in sorted(named.items())}
    lengths = percentiles(histogram)
    return Totals(tally, _by_count(rejected), _by_count(rules), lengths, histogram, named=named)


def merge_counts(into: dict[str, int], counts: dict[str, int]) -> None:
    """Adds ``counts`` to ``into``, name by name."""
    for name, number in counts.items():
        into[name] = into.get(name, 0) + number


def _by_count(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _histogram(counts: Iterable[Any]) -> Any:
    """How many samples have each length, from 0; given as pairs of a length and a count."""
    histogram = np.zeros(0, np.int64)
    for pairs in counts:
        lengths, samples = np.asarray(pairs, np.int64).reshape(-1, 2).T
        longer = int(lengths.max(initial=-1)) + 1 - len(histogram)
        if longer > 0:
            histogram = np.concatenate([histogram, np.zeros(longer, np.int64)])
        np.add.at(histogram, lengths, samples)
    return histogram


def unmark(output: AnyPath) -> None:
    """Removes the files that mark an output as finished, before others are replaced."""
    ours = recorded_names(output)
    for place in ("", f"{TRAIN}/", f"{VALIDATION}/"):
        for name in [f"{place}{mark}" for mark in MARKS]:
            if name in ours:
                (output / name).unlink(missing_ok=True)


def commit(
    output: AnyPath, format_: Format, written: list[DataFile], record: dict[str, Any]
) -> set[str]:
    """Makes the files one data set, or two, in an order that never leaves it half-written.

    The rejects must be merged before.

    Args:
        output: The output directory.
        format_: The format of the data files.
        written: The data files.
        record: What :func:`turnmill.prepare.record.run_record` gave.

    Returns:
        The names of the files that were written, relative to the output.
    """
    names = write_serving(output, record["facts"])
    digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
    files: dict[str, Any] = {"turnmill.json": record}
    splits = list(dict.fromkeys(file.split for file in written))
    for split in splits:
        data = [file.data.rpartition("/")[2] for file in written if file.split == split]
        described = format_.descriptions(data, digest)
        files |= {f"{split}/{name}" if split else name: its for name, its in described.items()}
    if len(files) > 1 and splits != [None]:
        files["dataset_dict.json"] = {"splits": splits}
    for name, value in files.items():
        write_json(output / name, value)
    return names | files.keys()


def merge_rejects(
    output: AnyPath,
    files: Sequence[ShardFiles],
    more: Iterable[pa.Table] | None = None,
    *,
    most: int | None = None,
) -> None:
    """Merges the rejects of all shards that ran, also for runs that write nothing else.

    Args:
        output: The output directory.
        files: The files of all shards.
        more: For each shard rows that were left out later.
        most: How many are merged; all if not given.
    """
    with whole_file(output / "rejects.parquet") as target:
        writer = None
        for shard, later in zip(files, more or itertools.repeat(None), strict=False):
            if not (output / shard.rejects).exists():
                continue
            table = read_table(output / shard.rejects)
            if later is not None and later.num_rows:
                table = pa.concat_tables([table, later.cast(table.schema)]).sort_by("row")
            if most is not None:
                table = table.slice(0, most)
                most -= table.num_rows
            if writer is None:
                writer = TableWriter(target, table.schema)
            if table.num_rows:
                writer.write_table(table)
        if writer is not None:
            writer.close()
