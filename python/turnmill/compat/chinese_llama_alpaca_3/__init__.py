"""The data builders of Chinese-LLaMA-Alpaca-3, under their names.

``scripts/training/build_dataset.py`` of that project is where this one began: its first version
left the answers without ``<|eot_id|>``. Change the import, and keep the trainer:

    from turnmill.compat.chinese_llama_alpaca_3 import build_instruction_dataset
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from turnmill._arguments import path_text, thread_count, whole_number
from turnmill.errors import DataError

__all__ = ["build_instruction_dataset", "build_pretraining_dataset"]

_MOST = (1 << 31) - 1


def build_instruction_dataset(
    data_path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    tokenizer: Any,
    max_seq_length: int,
    data_cache_dir: str | os.PathLike[str] | None = None,
    preprocessing_num_workers: int | None = None,
    *,
    compat: bool = False,
) -> Any:
    """Makes the training set of ``run_clm_sft_with_peft.py`` from Alpaca rows.

    The text is that of the script: its system prompt, Llama-3 headers, no BOS, prompt and answer
    tokenized apart. Every answer ends in ``<|eot_id|>``; a row that would lose it at
    ``max_seq_length``, whose answer is null or that cannot be read is left out, listed in
    ``rejects.parquet`` beside the data and counted in a warning. The text of a control token in a
    row stays text.

    Args:
        data_path: A JSON or JSON Lines file, a list of them, or a directory of them.
        tokenizer: A Llama-3 tokenizer of transformers, or the path of one.
        max_seq_length: The most tokens of a row.
        data_cache_dir: Where the set is kept, named by a hash of the data, the tokenizer and the
            settings; beside the first file by default. An old one is never taken for a new one.
        preprocessing_num_workers: Number of threads; all cores by default.
        compat: Equal to the script after its repair, bit by bit: rows are cut at the limit, nothing
            is left out, other columns are kept. What is wrong with them is told in a warning.

    Returns:
        A `datasets.Dataset` with ``input_ids`` and ``labels``, in torch format if torch is there.

    Raises:
        DataError: There are no files, or no rows that can be used.
        TokenizerError: The tokenizer has no ``<|eot_id|>``, or no fast form.
    """
    from turnmill.compat.chinese_llama_alpaca_3 import contract, script
    from turnmill.compat.chinese_llama_alpaca_3.store import Job

    length = whole_number(max_seq_length, "max_seq_length", 1, _MOST)
    threads = thread_count(preprocessing_num_workers)
    files = _files(data_path, (".json", ".jsonl"))
    job = Job(files, tokenizer, length, data_cache_dir, threads)
    return script.instruction(job) if compat else contract.instruction(job)


def build_pretraining_dataset(
    data_path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    tokenizer: Any,
    block_size: int,
    data_cache_dir: str | os.PathLike[str] | None = None,
    preprocessing_num_workers: int | None = None,
    *,
    compat: bool = False,
) -> Any:
    """Makes the training set of ``run_clm_pt_with_peft.py`` from lines of text.

    Each line is a document. By default the documents of a file follow each other, each with the
    tokenizer's BOS and its eos at the end, and fill blocks of equal length; only the last few
    tokens of a file are left out.

    Args:
        data_path: A text file, a list of them, or a directory of ``*.txt``.
        tokenizer: A tokenizer of transformers, or the path of one.
        block_size: Tokens of a row.
        data_cache_dir: As in `build_instruction_dataset`.
        preprocessing_num_workers: Number of threads. With ``compat``, the script's processes, which
            decide where tokens are dropped.
        compat: Equal to the script, bit by bit: no eos between lines, and what does not fill a
            block is dropped at every 1,000 lines.

    Returns:
        A `datasets.Dataset` with ``input_ids``, ``attention_mask`` and ``labels``.

    Raises:
        DataError: There are no files, or too few tokens for one block.
        TokenizerError: The tokenizer has no eos, or no fast form.
    """
    from turnmill.compat.chinese_llama_alpaca_3 import contract, script
    from turnmill.compat.chinese_llama_alpaca_3.store import Job

    length = whole_number(block_size, "block_size", 1, _MOST)
    threads = thread_count(preprocessing_num_workers)
    job = Job(_files(data_path, (".txt",)), tokenizer, length, data_cache_dir, threads)
    return script.pretraining(job) if compat else contract.pretraining(job)


def _files(given: Any, endings: tuple[str, ...]) -> list[Path]:
    """The files in the order they are given, those of a directory by name."""
    named = given if isinstance(given, list | tuple) else [given]
    files: list[Path] = []
    for item in named:
        path = Path(path_text(item, "data_path"))
        inside = sorted(p for p in path.iterdir() if p.suffix in endings) if path.is_dir() else []
        files += inside or [path]
    if not files or any(path.is_dir() for path in files):
        message = f"no {' or '.join(endings)} files in {given}" if files else "no files are given"
        raise DataError(message, code="no-rows", hint="data_path is a file, or a list of files")
    missing = next((path for path in files if not path.exists()), None)
    if missing is not None:
        raise FileNotFoundError(missing)
    return files
