"""Work grows with the input: a row eight times as large takes about eight times as long.

Times are compared with each other only, so the speed of the machine does not matter. Work that
grows with the square would take 64 times as long; ``MOST`` is between the two.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

import models
import turnmill

pytestmark = pytest.mark.slow

SMALL, TIMES, MOST = 2000, 8, 22
Row = dict[str, Any]


def user(index: int) -> Row:
    return {"role": "user", "content": f"hello there {index}"}


def answer(index: int) -> Row:
    return {"role": "assistant", "content": f"ok {index}"}


def call(index: int, arguments: Row) -> Row:
    function = {"name": f"f{index}", "arguments": arguments}
    return {"type": "function", "id": f"call{index:05d}", "function": function}


def result(index: int) -> Row:
    content = f"result {index}"
    return {"role": "tool", "name": "f", "tool_call_id": f"call{index:05d}", "content": content}


def tool(index: int) -> Row:
    parameters = {"type": "object", "properties": {"x": {"type": "integer"}}}
    function = {"name": f"f{index}", "description": "d", "parameters": parameters}
    return {"type": "function", "function": function}


def calling(*calls: Row) -> Row:
    return {"role": "assistant", "content": "", "tool_calls": list(calls)}


def talk(size: int, turn: Callable[[int], Row]) -> Row:
    messages = [message for index in range(size // 2) for message in (user(index), turn(index))]
    return {"messages": messages}


def thinking(index: int) -> Row:
    return {**answer(index), "reasoning_content": f"thought {index}"}


def thinking_inline(index: int) -> Row:
    return {"role": "assistant", "content": f"<think>\nthought {index}\n</think>\n\nok {index}"}


def chain(size: int) -> Row:
    pairs = [(calling(call(index, {"x": index})), result(index)) for index in range(size // 2)]
    return {"messages": [user(0), *(message for pair in pairs for message in pair), answer(1)]}


def parallel(size: int) -> Row:
    calls = calling(*(call(index, {"x": index}) for index in range(size)))
    return {"messages": [user(0), calls, *map(result, range(size)), answer(1)]}


def arguments(size: int) -> Row:
    large = call(0, {f"key{index}": index for index in range(size)})
    return {"messages": [user(0), calling(large), result(0), answer(1)]}


def parts(size: int) -> Row:
    texts = [{"type": "text", "text": f"part {index} "} for index in range(size)]
    return {"messages": [{"role": "user", "content": texts}, answer(0)]}


def keys(size: int) -> Row:
    return {"messages": [user(0), {**answer(0), **{f"key{index}": index for index in range(size)}}]}


ROWS: dict[str, Callable[[int], Row]] = {
    "messages": lambda size: talk(size, answer),
    "reasoning": lambda size: talk(size, thinking),
    "reasoning inline": lambda size: talk(size, thinking_inline),
    "a chain of calls": chain,
    "calls of one turn": parallel,
    "arguments of a call": arguments,
    "tools": lambda size: {"messages": [user(0), answer(0)], "tools": [*map(tool, range(size))]},
    "parts": parts,
    "keys of a message": keys,
    "keys of a row": lambda size: {
        "messages": [user(0), answer(0)],
        **{f"key{index}": index for index in range(size)},
    },
}


def seconds(encoder: turnmill.Encoder, row: Row) -> float:
    """The least processor time of three tries."""
    found = []
    for _ in range(3):
        begun = time.process_time()
        encoder.encode([row], threads=1)
        found.append(time.process_time() - begun)
    return min(found)


@pytest.mark.parametrize("what", ROWS)
@pytest.mark.parametrize("model", ["qwen3", "llama-3.2-instruct"])
def test_work_grows_with_the_row(model: str, what: str) -> None:
    encoder = turnmill.Encoder(tokenizer=models.folder(model), history="as-rendered")
    encoder.encode([ROWS[what](4)])
    small = seconds(encoder, ROWS[what](SMALL))
    assert seconds(encoder, ROWS[what](SMALL * TIMES)) < MOST * max(small, 0.01)


def pair(size: int) -> Row:
    return {"prompt": [*talk(size, answer)["messages"], user(0)], "chosen": "a", "rejected": "b"}


@pytest.mark.parametrize("row", [pair, lambda size: talk(size, answer)], ids=["pairs", "prompts"])
def test_cutting_a_prompt_grows_with_the_row(row: Callable[[int], Row]) -> None:
    keys: dict[str, Any] = {} if row is pair else {"train_on": "none"}
    keys = {**keys, "tokenizer": models.folder("qwen3"), "over_length": "oldest-turns"}

    def cut(size: int) -> float:
        # Half of the row is left out.
        return seconds(turnmill.Encoder(max_length=size * 5, **keys), row(size))

    small = cut(SMALL // 4)
    assert cut(SMALL // 4 * TIMES) < MOST * max(small, 0.01)


def test_a_row_with_too_many_turns_is_not_expanded() -> None:
    encoder = turnmill.Encoder(tokenizer=models.folder("qwen3"), history="expand", max_rejects=1.0)
    encoded = encoder.encode([talk(4, answer), talk(2000, answer)])
    reasons = encoded.rejects.column("reason").to_pylist()
    assert encoded.rejects.column("code").to_pylist() == ["overlong-sample"]
    assert "too many turns to be expanded" in reasons[0]
