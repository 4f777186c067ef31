"""What the script makes after its repair, bit by bit.

Rows are read by `datasets`, as there: its guesses at types decide what is trained. Prompts and
answers are tokenized apart, by turnmill's own tokenizer, and cut where the script cuts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

from turnmill.compat.chinese_llama_alpaca_3 import text
from turnmill.compat.chinese_llama_alpaca_3.store import Job, joined, kept
from turnmill.rules import IGNORED

_log = logging.getLogger(__name__)
_COLUMNS = ("instruction", "input", "output")
_BATCH_ROWS = 10_000
_GROUPED_ROWS = 1000
"""Rows that `datasets.map` gives to a function at a time: the script groups within them."""


def instruction(job: Job) -> Any:
    """The set of `build_instruction_dataset` for these files."""
    parts = [_instruction_file(job, file) for file in job.files]
    whole = joined(parts)
    _warn_of_findings(whole, job)
    return whole


def _instruction_file(job: Job, file: Path) -> Any:
    import datasets

    with TemporaryDirectory(prefix="turnmill-") as scratch:
        raw = datasets.Dataset.from_json(str(file), cache_dir=scratch, keep_in_memory=True)
    absent = [name for name in _COLUMNS if name not in raw.column_names]
    if absent:
        raise ValueError(f"{file} has no column {', '.join(absent)}")
    features = _features(raw, _COLUMNS, ("input_ids", "labels"))
    tables = partial(_instruction_tables, raw.data.table, features.arrow_schema, job)
    return kept(job.place([file], "instruction"), features.arrow_schema, tables)


def _features(raw: Any, gone: tuple[str, ...], made: tuple[str, ...]) -> Any:
    """The columns that stay, then those that are made; a made one keeps the place of its name."""
    import datasets

    kinds = {"input_ids": "int32", "attention_mask": "int8", "labels": "int64"}
    new = {name: datasets.List(datasets.Value(kinds[name])) for name in made}
    left = {name: kind for name, kind in raw.features.items() if name not in gone}
    return datasets.Features({**left, **new})


def _instruction_tables(raw: pa.Table, schema: pa.Schema, job: Job) -> Iterator[pa.Table]:
    for start in range(0, raw.num_rows, _BATCH_ROWS):
        rows = raw.slice(start, _BATCH_ROWS)
        prompts, answers = text.pair(*(rows.column(name) for name in _COLUMNS))
        ids, labels = _pairs(job, prompts, answers)
        made = {"input_ids": ids, "labels": labels}
        columns = [made[name] if name in made else rows.column(name) for name in schema.names]
        yield pa.table(columns, schema=schema)


def _pairs(job: Job, prompts: pa.Array, answers: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Ids of each prompt and its answer, and labels, cut at the limit."""
    halves = [job.tokenizer.encode_batch(half, threads=job.threads) for half in (prompts, answers)]
    lengths = np.stack([np.diff(offsets) for _, offsets in halves], axis=1)
    is_answer = np.repeat(np.tile([False, True], len(lengths)), lengths.ravel())
    ids = np.empty(len(is_answer), np.int32)
    ids[~is_answer], ids[is_answer] = (half for half, _ in halves)
    labels = np.where(is_answer, ids, IGNORED).astype(np.int64)
    totals = lengths.sum(axis=1)
    if (totals > job.length).any():
        begins = np.repeat(np.cumsum(totals) - totals, totals)
        keep = np.arange(len(ids)) - begins < job.length
        ids, labels, totals = ids[keep], labels[keep], np.minimum(totals, job.length)
    offsets = np.concatenate([[0], np.cumsum(totals)])
    return _lists(ids, offsets), _lists(labels, offsets)


def _lists(values: np.ndarray[Any, Any], offsets: np.ndarray[Any, Any]) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values))


def pretraining(job: Job) -> Any:
    """The set of `build_pretraining_dataset` for these files."""
    return joined([_pretraining_file(job, file) for file in job.files])


def _pretraining_file(job: Job, file: Path) -> Any:
    import datasets

    with TemporaryDirectory(prefix="turnmill-") as scratch:
        raw = datasets.Dataset.from_text(str(file), cache_dir=scratch, keep_in_memory=True)
    made = ("input_ids", "attention_mask", "labels")
    schema = _features(raw, ("text",), made).arrow_schema
    workers = min(job.threads or 1, len(raw))
    tables = partial(_grouped, raw.data.table.column("text"), schema, job, workers)
    return kept(job.place([file], "pretraining", workers), schema, tables)


def _grouped(lines: pa.ChunkedArray, schema: pa.Schema, job: Job, workers: int) -> Any:
    for start, end in _batches(len(lines), workers):
        batch = lines.slice(start, end - start)
        ids, _ = job.tokenizer.encode_batch(batch, add_special_tokens=True, threads=job.threads)
        yield blocks(ids, job.length, schema)


def blocks(ids: np.ndarray[Any, Any], length: int, schema: pa.Schema) -> pa.Table:
    """Rows of one length; what is left is dropped, unless there is nothing else."""
    used = len(ids) // length * length if len(ids) >= length else len(ids)
    offsets = np.minimum(np.arange(0, used + length, length), used)
    row = ids[:used]
    columns: dict[str, np.ndarray[Any, Any]] = {
        "input_ids": row.astype(np.int32),
        "attention_mask": np.ones(used, np.int8),
        "labels": row.astype(np.int64),
    }
    return pa.table([_lists(columns[name], offsets) for name in schema.names], schema=schema)


def _batches(rows: int, workers: int) -> Iterator[tuple[int, int]]:
    """The batches of `datasets.map` with so many processes: each has a share of its own."""
    each, more = divmod(rows, max(workers, 1))
    start = 0
    for worker in range(workers):
        end = start + each + (worker < more)
        for batch in range(start, end, _GROUPED_ROWS):
            yield batch, min(batch + _GROUPED_ROWS, end)
        start = end


def _warn_of_findings(made: Any, job: Job) -> None:
    """Says what is wrong with the rows: equal to the script is not the same as right."""
    from turnmill.check import check

    if not len(made):
        return
    stop = [token for token in text.STOP if job.tokenizer.token_to_id(token) is not None]
    table = made.data.table.select(["input_ids", "labels"])
    found = check(
        table, tokenizer=job.tokenizer, stop=stop, template=text.TEMPLATE, max_length=job.length
    )
    rules = [item for item in found.rules.values() if item.severity != "info"]
    told = [f"{item.rule} ({item.count})" for item in rules]
    if told:
        _log.warning("equal to the script, with its faults: %s", ", ".join(told))
