"""The same rows with turnmill's promise: every answer ends, and nothing is cut."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from turnmill.compat.chinese_llama_alpaca_3 import text
from turnmill.compat.chinese_llama_alpaca_3.script import blocks
from turnmill.compat.chinese_llama_alpaca_3.store import Job, in_torch_format, joined, kept
from turnmill.encoder import Encoder
from turnmill.errors import DataError, TokenizerError
from turnmill.prepare import prepare
from turnmill.recipe import Recipe

_log = logging.getLogger(__name__)
_LINES = 10_000
_BLOCK_SCHEMA = pa.schema(
    [
        ("input_ids", pa.list_(pa.int32())),
        ("attention_mask", pa.list_(pa.int8())),
        ("labels", pa.list_(pa.int64())),
    ]
)


def recipe(job: Job) -> Recipe:
    """The script's text under turnmill's rules.

    Raises:
        TokenizerError: The tokenizer has no ``<|eot_id|>``.
    """
    known = [token for token in text.STOP if job.tokenizer.token_to_id(token) is not None]
    if text.END not in known:
        raise TokenizerError(
            f"the tokenizer has no token {text.END}",
            code="no-terminator",
            path=str(job.tokenizer.path),
            hint="this builder writes the format of Llama-3: give its tokenizer",
        )
    return Recipe(
        tokenizer=job.tokenizer_directory,
        template=text.TEMPLATE,
        schema="alpaca",
        system=text.SYSTEM,
        stop=known,
        boundary="apart",
        max_length=job.length,
        columns=["input_ids", "labels"],
    )


def instruction(job: Job) -> Any:
    """The set of `build_instruction_dataset` for these files."""
    import datasets

    chosen = recipe(job)
    place = job.place(job.files, "contract", chosen.fingerprint())
    run = prepare([str(file) for file in job.files], place, chosen, threads=job.threads)
    if run.rejected:
        told = ", ".join(f"{rule} ({count})" for rule, count in run.rejected.items())
        _log.warning("left out, see %s: %s", place / "rejects.parquet", told)
    return in_torch_format(datasets.load_from_disk(str(place)))


def pretraining(job: Job) -> Any:
    """The set of `build_pretraining_dataset` for these files.

    Raises:
        DataError: No file fills a block.
    """
    chosen = Recipe(tokenizer=job.tokenizer_directory, schema="text", columns=["input_ids"])
    encoder = Encoder(chosen)
    parts = [_pretraining_file(job, file, encoder) for file in job.files]
    filled = [part for part in parts if len(part)]
    if not filled:
        message = f"no file has the {job.length:,} tokens of one block"
        raise DataError(message, code="no-rows", hint="take a smaller block_size")
    return joined(filled)


def _pretraining_file(job: Job, file: Path, encoder: Encoder) -> Any:
    settings = ("contract", encoder.recipe.fingerprint())
    tables = partial(_blocks, job, file, encoder)
    return kept(job.place([file], *settings), _BLOCK_SCHEMA, tables)


def _blocks(job: Job, file: Path, encoder: Encoder) -> Iterator[pa.Table]:
    """The documents one after the other; what does not fill a block goes to the next one."""
    rest = np.empty(0, np.int32)
    for lines in _lines(file):
        encoded = encoder.encode(pa.table({"text": lines}), threads=job.threads)
        ids = pa.concat_arrays(encoded.table.column("input_ids").chunks).flatten()
        rest = np.concatenate([rest, ids.to_numpy()])
        used = len(rest) // job.length * job.length
        if used:
            yield blocks(rest[:used], job.length, _BLOCK_SCHEMA)
        rest = rest[used:]
    if len(rest):
        _log.info("%s: its last %d tokens fill no block", file, len(rest))


def _lines(file: Path) -> Iterator[list[str]]:
    """The lines that hold something, some thousands at a time."""
    held: list[str] = []
    with file.open(encoding="utf-8") as opened:
        for line in opened:
            if line.strip():
                held.append(line.rstrip("\n"))
            if len(held) == _LINES:
                yield held
                held = []
    if held:
        yield held
