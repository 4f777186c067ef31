"""Nothing that a row says is lost: each of its words is in the ids, or a rule names the row.

Every message, call, argument, result, thought, tool and name gets a word of its own. A word that
is not in the decoded sample has to be explained by a rule on that row, a reject or a count.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

import turnmill
from fixtures import both, stops, tokenizer_dir

LOSSES = {
    "turn-lost",
    "message-lost",
    "tools-lost",
    "field-lost",
    "reasoning-dropped",
    "trailing-non-assistant-turn",
    "turns-joined",
}
"""Rules that say of a row which is written that something of it is not in the text."""

MODELS = (
    "qwen3",
    "llama-3.2-instruct",
    "mistral-7b-instruct-v0.3",
    "deepseek-v3",
    "phi-3-mini",
    "gemma-3",
)


class Words:
    """Words that occur nowhere else."""

    def __init__(self) -> None:
        self.numbers = count(101)
        self.used: list[str] = []

    def __call__(self) -> str:
        word = f"zebra{next(self.numbers)}"
        self.used.append(word)
        return word


def exchange(word: Words, **answer: Any) -> list[dict[str, Any]]:
    return [
        {"role": "user", "content": f"Say {word()} please"},
        {"role": "assistant", "content": f"So {word()} it is", **answer},
    ]


def plain(word: Words) -> dict[str, Any]:
    return {"messages": exchange(word) + exchange(word)}


def with_system(word: Words) -> dict[str, Any]:
    return {"messages": [{"role": "system", "content": f"Be {word()}"}, *exchange(word)]}


def reasoned(word: Words) -> dict[str, Any]:
    first = exchange(word, reasoning_content=f"I think {word()}")
    return {"messages": first + exchange(word, reasoning_content=f"I think {word()}")}


def named(word: Words) -> dict[str, Any]:
    rows = exchange(word)
    rows[0]["name"] = word()
    return {"messages": rows}


def called(word: Words) -> dict[str, Any]:
    function = word()
    call = {
        "type": "function",
        "id": "abcdefgh1",
        "function": {"name": function, "arguments": {"place": word(), "deep": {"list": [word()]}}},
    }
    tool = {
        "type": "function",
        "function": {
            "name": function,
            "description": f"Gives {word()}",
            "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
        },
    }
    question, answer = exchange(word)
    asked = {"role": "assistant", "content": "", "tool_calls": [call]}
    result = {"role": "tool", "name": function, "tool_call_id": "abcdefgh1", "content": word()}
    return {"messages": [question, asked, result, answer], "tools": [tool]}


KINDS = (plain, with_system, reasoned, named, called)


def rows() -> Iterator[tuple[dict[str, Any], list[str]]]:
    for kind in KINDS:
        word = Words()
        row = kind(word)
        yield row, word.used


@pytest.mark.parametrize("model", both(*MODELS))
def test_every_word_is_in_the_ids_or_a_rule_names_the_row(model: str, tmp_path: Path):
    directory = tokenizer_dir(model)
    recipe = turnmill.Recipe(
        tokenizer=str(directory), stop=stops(model), history="as-rendered", max_rejects=1.0
    )
    made = list(rows())
    turnmill.prepare([row for row, _ in made], tmp_path / "out", recipe)
    record = json.loads((tmp_path / "out" / "turnmill.json").read_text("utf-8"))
    counted = {place["row"] for rule in LOSSES for place in record["evidence"].get(rule, [])}
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    encoded = turnmill.Encoder(recipe).encode([row for row, _ in made])
    samples = {row["row"]: row["input_ids"] for row in encoded.table.to_pylist()}
    rejected = {row["row"] for row in encoded.rejects.to_pylist()}
    assert set(samples) | rejected == set(range(len(made)))
    assert samples, "a model that takes no row at all proves nothing"
    for number, ids in samples.items():
        text = tokenizer.decode(ids, skip_special_tokens=False)
        missing = [word for word in made[number][1] if word not in text]
        assert not missing or number in counted, (KINDS[number].__name__, missing)
