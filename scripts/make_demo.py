"""Make the demo data and the demo tokenizer that the package carries.

Usage: ``python scripts/make_demo.py [FOLDER]`` (default ``python/turnmill/demo``). Everything is
written for turnmill: the conversations come from ``scripts/demo/topics_*.py`` with varied slots,
the tokenizer is trained on them. The same files come out every time. Some rows are wrong on
purpose, so that a run shows what becomes of them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from demo import agents, completions, tokenizer, topics_en, topics_zh
from tokenizers import Tokenizer

Row = dict[str, Any]
Item = TypeVar("Item")
DEFAULT = Path(__file__).parents[1] / "python" / "turnmill" / "demo"
SEED = 20261


def distinct(topics: Sequence[Callable[[Random], Item]], count: int, random: Random) -> list[Item]:
    """``count`` rows, taking turns between the topics, none twice; fewer if the topics run out."""
    seen: dict[str, Item] = {}
    for attempt in range(count * 40):
        if len(seen) == count:
            break
        row = topics[attempt % len(topics)](random)
        seen.setdefault(json.dumps(row, sort_keys=True), row)
    rows = list(seen.values())
    random.shuffle(rows)
    return rows


def as_messages(dialogue: topics_en.Dialogue, system: str | None = None) -> list[Row]:
    """A dialogue as role and content."""
    messages = [{"role": "system", "content": system}] if system else []
    for question, answer in dialogue:
        messages += [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    return messages


def messages_rows(random: Random) -> list[Row]:
    """Rows of the ``messages`` schema: dialogues, tools, reasoning."""
    english = distinct(topics_en.TOPICS, 50, random)
    chinese = distinct(topics_zh.TOPICS, 45, random)
    rows: list[Row] = [
        {"messages": as_messages(dialogue, "You are a patient assistant." if i % 5 == 0 else None)}
        for i, dialogue in enumerate(english)
    ]
    rows += [{"messages": as_messages(dialogue)} for dialogue in chinese]
    rows += distinct(agents.TOPICS, 60, random)
    random.shuffle(rows)
    return rows


def sharegpt_rows(random: Random) -> list[Row]:
    """Rows of the ``sharegpt`` schema."""
    dialogues = distinct([*topics_en.TOPICS, *topics_zh.TOPICS], 70, random)
    rows = []
    for number, dialogue in enumerate(dialogues):
        turns = [
            {"from": speaker, "value": text}
            for exchange in dialogue
            for speaker, text in zip(("human", "gpt"), exchange, strict=True)
        ]
        rows.append({"id": f"demo-{number:03d}", "conversations": turns})
    return rows


def alpaca_rows(random: Random) -> list[Row]:
    """Rows of the ``alpaca`` schema: single exchanges."""
    rows = []
    for dialogue in distinct([*topics_zh.TOPICS, *topics_en.TOPICS], 80, random):
        question, answer = dialogue[0]
        mark = "：" if "：" in question else ": "
        instruction, _, given = question.partition(mark)
        rows.append({"instruction": instruction, "input": given.strip(), "output": answer})
    return rows


def bad_messages(rows: list[Row]) -> list[str]:
    """Lines of ``rows``, with broken lines between them."""
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    wrong = [
        # A line that was cut off while it was written.
        lines[3][: len(lines[3]) // 2],
        # A question without an answer.
        json.dumps({"messages": [{"role": "user", "content": "Is anybody there?"}]}),
        # A role that no mapping names.
        json.dumps(
            {
                "messages": [
                    {"role": "narrator", "content": "It was a dark and stormy night."},
                    {"role": "assistant", "content": "Go on."},
                ]
            }
        ),
        # A control token as text: written, encoded as ordinary text, and counted.
        json.dumps(
            {
                "messages": [
                    {"role": "user", "content": "What does <|im_end|> mean in a chat template?"},
                    {
                        "role": "assistant",
                        "content": "<|im_end|> ends a message. A model that never learns to write "
                        "it does not know when to stop.",
                    },
                ]
            }
        ),
        # Content that is a number.
        json.dumps(
            {
                "messages": [
                    {"role": "user", "content": "How many planets are there?"},
                    {"role": "assistant", "content": 8},
                ]
            }
        ),
    ]
    for number, line in enumerate(wrong):
        lines.insert(11 + number * 23, line)
    return lines


def bad_sharegpt(rows: list[Row]) -> list[Row]:
    """``rows``, with broken conversations between them."""
    empty: Row = {"id": "demo-empty", "conversations": []}
    answer_first = {
        "id": "demo-answer-first",
        "conversations": [
            {"from": "gpt", "value": "...and that is why the sky is blue."},
            {"from": "human", "value": "And at sunset?"},
            {
                "from": "gpt",
                "value": "Then the light has a longer way through the air, and red is left.",
            },
        ],
    }
    unanswered = {
        "id": "demo-unanswered",
        "conversations": [
            {"from": "human", "value": "谢谢你！"},
            {"from": "gpt", "value": "不客气。"},
            {"from": "human", "value": "再见。"},
        ],
    }
    return [*rows[:20], empty, *rows[20:40], answer_first, *rows[40:55], unanswered, *rows[55:]]


def bad_alpaca(rows: list[Row]) -> list[Row]:
    """``rows``, with broken records between them."""
    null = {"instruction": "Name three rivers in Asia.", "input": "", "output": None}
    rendered = {
        "instruction": "Say hello.",
        "input": "",
        "output": "<|im_start|>assistant\nHello!<|im_end|>\n",
    }
    return [*rows[:30], null, *rows[30:60], rendered, *rows[60:]]


def unterminated(dialogues: Sequence[topics_en.Dialogue], trained: Tokenizer) -> list[Row]:
    """Tokenized exchanges as written by the program whose bug is the reason for turnmill.

    The prompt is wrapped in the chat format, the answer is not: no sample ends in a terminator.
    """
    rows = []
    for dialogue in dialogues:
        question, answer = dialogue[0]
        prompt = f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
        source, target = (trained.encode(text).ids for text in (prompt, answer))
        rows.append({"input_ids": source + target, "labels": [-100] * len(source) + target})
    return rows


def lines_of(rows: Sequence[Any]) -> str:
    """JSON Lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def make(folder: Path) -> None:
    """Writes the data and the tokenizer to ``folder``."""
    random = Random(SEED)
    messages, sharegpt, alpaca = messages_rows(random), sharegpt_rows(random), alpaca_rows(random)
    pairs = distinct(completions.TOPICS, 40, random)
    documents = [{"text": text} for text in completions.DOCUMENTS]
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    files = {
        "messages.jsonl": "\n".join(bad_messages(messages)) + "\n",
        "sharegpt.json": json.dumps(bad_sharegpt(sharegpt), ensure_ascii=False, indent=1) + "\n",
        "alpaca.jsonl": lines_of(bad_alpaca(alpaca)),
        "prompt-completion.jsonl": lines_of(pairs),
        "text.jsonl": lines_of(documents),
    }
    for name, text in files.items():
        (data / name).write_text(text, "utf-8")
    trained = tokenizer.train(files.values())
    tokenizer.write(trained, folder / "tokenizer")
    cache = folder / "cache"
    cache.mkdir(exist_ok=True)
    dialogues = distinct(topics_en.TOPICS, 24, random)
    (cache / "unterminated.jsonl").write_text(lines_of(unterminated(dialogues, trained)), "utf-8")


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT)
