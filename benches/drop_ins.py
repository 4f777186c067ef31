"""Drop-ins beside what they replace and beside turnmill's own path, on the same rows.

Usage::

    python benches/drop_ins.py NAME [--rows 2000] [--rounds 5] [--tokenizer DIR]

Every round runs all contenders once, in turn, in one process, after one run that counts for
nothing. The table shows the median of each, its spread, and the share of turnmill's own speed that
the drop-in keeps, as the median over rounds: a slow moment of the machine hits both of a pair.
Rows are the demo's, repeated with a number in each, so that no text comes twice.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import turnmill

DEMO = Path(turnmill.__file__).parent / "demo"
TESTS = Path(__file__).resolve().parents[1] / "tests"
Contenders = dict[str, Callable[[], Any]]
"""What is measured, by name: ``theirs``, ``own path`` and ``drop-in`` at least."""


def numbered(name: str, count: int) -> list[dict[str, Any]]:
    """Rows of the demo, as many as asked for, each with a number in a text."""
    path = DEMO / "data" / name
    rows = []
    for line in path.read_text("utf-8").splitlines():
        with contextlib.suppress(ValueError):  # some lines of the demo are broken on purpose
            rows.append(json.loads(line))
    made = []
    for number in range(count):
        row = json.loads(json.dumps(rows[number % len(rows)]))
        if "messages" in row:
            for message in row["messages"]:
                if isinstance(message.get("content"), str):
                    message["content"] += f" ({number})"
            row = {"messages": row["messages"]}
        else:
            row = {key: row.get(key) or "" for key in ("instruction", "input", "output")}
            row["output"] += f" ({number})"
        made.append(row)
    return made


def alpaca3(options: argparse.Namespace, folder: Path) -> Contenders:
    """Chinese-LLaMA-Alpaca-3's builder, whose algorithm the tests tell."""
    sys.path.insert(0, str(TESTS))
    from transformers import AutoTokenizer

    import alpaca3_script
    from turnmill.compat.chinese_llama_alpaca_3 import build_instruction_dataset, contract
    from turnmill.compat.chinese_llama_alpaca_3.store import Job

    tokenizer = AutoTokenizer.from_pretrained(options.tokenizer)
    file = folder / "alpaca.json"
    rows = numbered("alpaca.jsonl", options.rows)
    file.write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    recipe = contract.recipe(Job([file], tokenizer, 512, None, options.threads))

    def fresh() -> str:
        return tempfile.mkdtemp(dir=folder)

    def build(**keys: Any) -> Any:
        return build_instruction_dataset(file, tokenizer, 512, fresh(), options.threads, **keys)

    return {
        "theirs": lambda: alpaca3_script.instruction_dataset([file], tokenizer, 512, fresh()),
        "own path": lambda: turnmill.prepare([file], fresh(), recipe, threads=options.threads),
        "drop-in": build,
        "drop-in, compat": lambda: build(compat=True),
    }


def transformers(options: argparse.Namespace, folder: Path) -> Contenders:  # noqa: ARG001
    """`apply_chat_template` of a list of conversations."""
    from transformers import AutoTokenizer

    from turnmill.integrations.transformers import apply_chat_template

    tokenizer = AutoTokenizer.from_pretrained(options.tokenizer)
    rows = numbered("messages.jsonl", options.rows)
    chats = [row["messages"] for row in rows]
    recipe = turnmill.Recipe(tokenizer=options.tokenizer, history="as-rendered")
    encoder = turnmill.Encoder(recipe)
    kept = _accepted(tokenizer, encoder, chats)
    own = [{"messages": chat} for chat in kept]
    return {
        "theirs": lambda: tokenizer.apply_chat_template(kept),
        "own path": lambda: encoder.encode(own, threads=options.threads).table,
        "drop-in": lambda: apply_chat_template(tokenizer, kept, threads=options.threads),
        "drop-in, with mask": lambda: apply_chat_template(
            tokenizer, kept, return_assistant_tokens_mask=True, threads=options.threads
        ),
    }


def trl(options: argparse.Namespace, folder: Path) -> Contenders:
    """What `SFTTrainer` does before its first step, whose algorithm the tests tell."""
    sys.path.insert(0, str(TESTS))
    import datasets
    from transformers import AutoTokenizer

    import trl_preparation
    from turnmill.integrations.trl import as_trl_prepares, lazy_sft_dataset, sft_dataset

    tokenizer = AutoTokenizer.from_pretrained(options.tokenizer)
    chats = [row["messages"] for row in numbered("messages.jsonl", options.rows)]
    recipe = turnmill.Recipe(tokenizer=options.tokenizer, history="as-rendered")
    kept = _accepted(tokenizer, turnmill.Encoder(recipe), chats)
    rows = [{"messages": chat} for chat in kept]
    file = folder / "chats.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    dataset = datasets.Dataset.from_list(rows)

    def fresh() -> str:
        return tempfile.mkdtemp(dir=folder)

    def theirs() -> Any:
        made = trl_preparation.prepared(rows, tokenizer)
        pairs = [{"input_ids": ids, "labels": labels} for ids, labels in made]
        return datasets.Dataset.from_list(pairs)

    def lazy() -> Any:
        made = lazy_sft_dataset(file, recipe, threads=options.threads)
        return made.train.__getitems__(list(range(8)))

    lazy_rows = lazy_sft_dataset(file, recipe, threads=options.threads).train
    numbers = [list(range(n, min(n + 64, len(rows)))) for n in range(0, len(rows), 64)]
    return {
        "theirs": theirs,
        "own path": lambda: turnmill.prepare(
            file, fresh(), recipe, threads=options.threads, columns=["input_ids", "labels"]
        ),
        "drop-in, written": lambda: sft_dataset(file, fresh(), recipe, threads=options.threads),
        "drop-in, lazy, first 8 rows": lazy,
        "drop-in, lazy, all rows by 64": lambda: [lazy_rows.__getitems__(n) for n in numbers],
        "as_trl_prepares": lambda: as_trl_prepares(dataset, tokenizer, threads=options.threads),
    }


def _accepted(tokenizer: Any, encoder: turnmill.Encoder, chats: list[Any]) -> list[Any]:
    """The conversations that both sides take, so that both do the same work."""
    found = encoder.encode([{"messages": chat} for chat in chats]).table["row"].to_pylist()
    kept = []
    for chat in (chats[row] for row in found):
        with contextlib.suppress(Exception):
            tokenizer.apply_chat_template(chat, tokenize=False)
            kept.append(chat)
    return kept


DROP_INS = {"alpaca3": alpaca3, "transformers": transformers, "trl": trl}


def measure(contenders: Contenders, rounds: int) -> dict[str, list[float]]:
    """Seconds of each contender in each round."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            if number:
                times[name].append(time.perf_counter() - start)
    return times


def table(times: dict[str, list[float]]) -> str:
    """The medians as a table in Markdown."""
    lines = ["| | seconds, median (least to most) | of our own path | times theirs |"]
    lines.append("| --- | ---: | ---: | ---: |")
    for name, seconds in times.items():
        own = [a / b for a, b in zip(times["own path"], seconds, strict=True)]
        theirs = [a / b for a, b in zip(times["theirs"], seconds, strict=True)]
        spread = f"{statistics.median(seconds):.3f} ({min(seconds):.3f} to {max(seconds):.3f})"
        ratios = f"{statistics.median(own):.0%} | {statistics.median(theirs):.1f}"
        lines.append(f"| {name} | {spread} | {ratios} |")
    return "\n".join(lines)


def main() -> None:
    """Runs one drop-in and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("drop_in", choices=DROP_INS)
    parser.add_argument("--tokenizer", default=str(DEMO / "tokenizer"))
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    with tempfile.TemporaryDirectory() as folder:
        contenders = DROP_INS[options.drop_in](options, Path(folder))
        print(f"{options.rows} rows, {options.threads} thread(s), {turnmill.build_info()}")
        print(table(measure(contenders, options.rounds)))


if __name__ == "__main__":
    main()
