"""What the training scripts of Chinese-LLaMA-Alpaca-3 do, told again in our own words.

The project is not on PyPI. Its algorithm after the repair of its issue 59: Alpaca rows are read by
`datasets`, the prompt is the system prompt and the question in Llama-3 headers, the answer ends in
``<|eot_id|>``; both are tokenized apart, joined and cut. Pre-training reads lines, tokenizes each
with special tokens and cuts every thousand of them into blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import datasets
import numpy as np

SYSTEM = "You are a helpful assistant. 你是一个乐于助人的助手。"
HEADER = "<|start_header_id|>{role}<|end_header_id|>\n\n"
TURN = HEADER + "{content}<|eot_id|>"


def questions(rows: dict[str, list[Any]]) -> Iterator[str]:
    """The prompts of a batch of columns."""
    for instruction, extra in zip(rows["instruction"], rows["input"], strict=True):
        question = instruction
        if extra is not None and extra != "":
            question = instruction + "\n" + extra
        asked = TURN.format(role="user", content=question)
        yield TURN.format(role="system", content=SYSTEM) + asked + HEADER.format(role="assistant")


def instruction_dataset(
    files: Sequence[Path], tokenizer: Any, max_length: int, cache: Any, workers: int | None = None
) -> Any:
    """The set for supervised training."""

    def tokenized(rows: dict[str, list[Any]]) -> dict[str, Any]:
        texts = [list(questions(rows)), [f"{answer}<|eot_id|>" for answer in rows["output"]]]
        prompts, answers = (
            tokenizer(half, add_special_tokens=False, return_attention_mask=False)["input_ids"]
            for half in texts
        )
        pairs = list(zip(prompts, answers, strict=True))
        return {
            "input_ids": [np.array(p + a, np.int64)[:max_length] for p, a in pairs],
            "labels": [np.array([-100] * len(p) + a, np.int64)[:max_length] for p, a in pairs],
        }

    made = []
    for number, file in enumerate(files):
        raw = datasets.load_dataset("json", data_files=str(file), cache_dir=f"{cache}/{number}")
        columns = ["instruction", "input", "output"]
        made.append(raw.map(tokenized, batched=True, num_proc=workers, remove_columns=columns))
    return datasets.concatenate_datasets([each["train"] for each in made])


def pretraining_dataset(
    files: Sequence[Path], tokenizer: Any, length: int, cache: Any, workers: int | None = None
) -> Any:
    """The set for pre-training."""

    def grouped(rows: dict[str, list[list[int]]]) -> dict[str, Any]:
        joined = {name: list(chain.from_iterable(lists)) for name, lists in rows.items()}
        count = len(joined["input_ids"])
        used = count - count % length if count >= length else count
        blocks = {
            name: [values[start : start + length] for start in range(0, used, length)]
            for name, values in joined.items()
        }
        return {**blocks, "labels": [list(block) for block in blocks["input_ids"]]}

    made = []
    for number, file in enumerate(files):
        raw = datasets.load_dataset("text", data_files=str(file), cache_dir=f"{cache}/{number}")
        ids = raw.map(
            lambda rows: tokenizer(rows["text"]),
            batched=True,
            num_proc=workers,
            remove_columns="text",
        )
        made.append(ids.map(grouped, batched=True, num_proc=workers))
    return datasets.concatenate_datasets([each["train"] for each in made])
