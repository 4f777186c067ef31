"""The commit: once every shard has its receipt, the output becomes a data set.

The order matters: rejects and serving files, then ``turnmill.json``, then the files by which
loaders recognize the data. A directory with a ``state.json`` (Arrow) or a ``turnmill.json``
(Parquet) is complete.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from turnmill.errors import DataError
from turnmill.output.files import ShardFiles, shard_files
from turnmill.output.formats import FORMATS, Format
from turnmill.output.serving import write_serving
from turnmill.output.tables import TableWriter
from turnmill.prepare.plan import Plan, ShardSpec
from turnmill.prepare.record import run_record
from turnmill.prepare.shard import Receipt, Tally
from turnmill.storage import STAGING
from turnmill.storage.local import file_sha256, read_json, read_table, whole_file, write_json
from turnmill.storage.remote import AnyPath

PERCENTILES = (0, 25, 50, 75, 90, 99, 100)


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
            "length_percentiles": {str(key): value for key, value in self.lengths.items()},
            "rules": self.rules,
        }


def finished(spec: ShardSpec, output: AnyPath, format_: Format) -> Receipt | None:
    """The receipt of a shard that an earlier run finished, if its files exist and are intact."""
    files = shard_files(spec.name, format_)
    receipt = read_receipt(output / files.receipt)
    if receipt is None or receipt.identity != json.loads(json.dumps(spec.identity())):
        return None
    return receipt if _is_whole(output, files, receipt) else None


def read_receipt(path: AnyPath) -> Receipt | None:
    """A receipt; ``None`` if there is none, or a damaged one."""
    try:
        value = read_json(path)
        return None if value is None else Receipt.from_dict(value)
    except (DataError, TypeError, KeyError):
        return None


def _is_whole(output: AnyPath, files: ShardFiles, receipt: Receipt) -> bool:
    named = {"data": files.data, "index": files.index, "rejects": files.rejects}
    return all(
        (output / path).exists() and file_sha256(output / path) == receipt.sha256[kind]
        for kind, path in named.items()
    )


def add_up(output: AnyPath, format_: Format, plan: Plan, receipts: Iterable[Receipt]) -> Totals:
    """Adds the receipts up, and takes the length percentiles from the index files."""
    tally = Tally()
    rejected: dict[str, int] = {}
    rules: dict[str, int] = {}
    for receipt in receipts:
        tally.add(receipt.tally)
        merge_counts(rejected, receipt.rejected)
        merge_counts(rules, receipt.rules)
    indexes = [output / shard_files(spec.name, format_).index for spec in plan.shards]
    histogram = _histogram(indexes)
    lengths = _percentiles(histogram)
    return Totals(tally, _by_count(rejected), _by_count(rules), lengths, histogram)


def merge_counts(into: dict[str, int], counts: dict[str, int]) -> None:
    """Adds ``counts`` to ``into``, name by name."""
    for name, number in counts.items():
        into[name] = into.get(name, 0) + number


def _by_count(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _histogram(indexes: list[AnyPath]) -> Any:
    """How many samples have each length, from 0."""
    histogram = np.zeros(0, np.int64)
    for path in indexes:
        for chunk in read_table(path, ["length"])["length"].chunks:
            # Not `to_numpy`, which imports pandas: a quarter of a second.
            lengths = np.from_dlpack(chunk)
            if len(lengths):
                counts = np.bincount(lengths, minlength=len(histogram))
                counts[: len(histogram)] += histogram
                histogram = counts
    return histogram


def _percentiles(histogram: Any) -> dict[int, int]:
    """Exact percentiles: the smallest length that at least this per cent do not exceed."""
    if not histogram.any():
        return {}
    below = np.cumsum(histogram)
    ranks = [max(1, int(np.ceil(below[-1] * percent / 100))) for percent in PERCENTILES]
    found = np.searchsorted(below, ranks)
    return {percent: int(length) for percent, length in zip(PERCENTILES, found, strict=True)}


def commit(
    output: AnyPath,
    format_: Format,
    plan: Plan,
    receipts: list[Receipt],
    totals: Totals,
    identity: dict[str, Any],
) -> None:
    """Makes the shards one data set, in an order that never leaves it half-written.

    The rejects must be merged before.

    Args:
        output: The output directory.
        format_: The format of the data files.
        plan: The plan.
        receipts: One for each shard of the plan, in its order.
        totals: What :func:`add_up` gave.
        identity: The recipe and the encoder's facts, from :mod:`turnmill.prepare.record`.
    """
    files = [shard_files(spec.name, format_) for spec in plan.shards]
    write_serving(output / "serving", identity["facts"])
    record = run_record(plan, files, receipts, totals.to_dict(), identity)
    digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
    write_json(output / "turnmill.json", record)
    for name, value in format_.descriptions([file.data for file in files], digest).items():
        write_json(output / name, value)
    _remove_orphans(output, files)


def merge_rejects(output: AnyPath, format_: Format, plan: Plan) -> None:
    """Merges the rejects of all shards that ran, also for runs that write nothing else."""
    files = [output / shard_files(spec.name, format_).rejects for spec in plan.shards]
    with whole_file(output / "rejects.parquet") as target:
        writer = None
        for path in files:
            if not path.exists():
                continue
            table = read_table(path)
            if writer is None:
                writer = TableWriter(target, table.schema)
            if table.num_rows:
                writer.write_table(table)
        if writer is not None:
            writer.close()


def _remove_orphans(output: AnyPath, files: list[ShardFiles]) -> None:
    """Removes shards of inputs that the run no longer has; nothing refers to them any more."""
    wanted = {
        output / name
        for shard in files
        for name in (shard.data, shard.index, shard.rejects, shard.receipt)
    }
    found = [
        *(path for name in FORMATS for path in output.glob(f"data-*.{name}")),
        *output.glob("index-*.parquet"),
        *(output / STAGING).glob("re*-*.*"),
    ]
    for path in found:
        if path not in wanted:
            path.unlink()
