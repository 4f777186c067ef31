"""Pairs and prompts under `oldest-turns` keep what trying every cut, longest first, would keep."""

from __future__ import annotations

import random
from typing import Any

import pytest

import turnmill
from cases import shapes
from small_rows import TOKENIZER

Message = dict[str, Any]
WORDS = ["to", "be", "or", "not", "that", "is", "the", "question", "whether", "nobler", "mind"]


def conversation(draw: random.Random) -> tuple[list[Message], list[Message]]:
    """A system message, or none, and exchanges of all lengths; the last has no answer."""

    def text() -> str:
        return " ".join(draw.choices(WORDS, k=draw.choice([1, 2, 30])))

    head = [{"role": "system", "content": text()}] if draw.random() < 0.5 else []
    exchanges: list[Message] = []
    for _ in range(draw.randint(0, 12)):
        exchanges += [shapes.user(text()), shapes.assistant(text())]
    return head, [*exchanges, shapes.user(text())]


def encoder(template: str, **keys: Any) -> turnmill.Encoder:
    stop = ["<|im_end|>"]
    return turnmill.Encoder(tokenizer=TOKENIZER, template=template, stop=stop, **keys)


@pytest.mark.parametrize("template", ["qwen3", "chatml"])
@pytest.mark.parametrize("seed", range(12))
def test_pairs(template: str, seed: int) -> None:
    draw = random.Random(seed)
    head, rest = conversation(draw)
    answers = [shapes.assistant("yes"), shapes.assistant("no " * draw.randint(1, 40))]

    def pair(start: int) -> dict[str, Any]:
        chosen, rejected = ([answer] for answer in answers)
        return {"prompt": [*head, *rest[start:]], "chosen": chosen, "rejected": rejected}

    columns = ["prompt_ids", "chosen_ids", "rejected_ids"]
    whole = encoder(template)
    cuts = whole.encode([pair(start) for start in range(0, len(rest), 2)]).table.select(columns)
    lengths = [length(cut) for cut in cuts.to_pylist()]
    for most in sorted({*lengths, *(one - 1 for one in lengths), lengths[-1] - 9}):
        short = encoder(template, max_length=most, over_length="oldest-turns").encode([pair(0)])
        fitting = [index for index, one in enumerate(lengths) if one <= most]
        if fitting:
            assert short.table.select(columns).to_pylist() == [cuts.to_pylist()[fitting[0]]]
        else:
            assert short.rejects["code"].to_pylist() == ["overlong-sample"]


def length(pair: dict[str, Any]) -> int:
    """The tokens of the longer of both samples."""
    longer = max(len(pair["chosen_ids"]), len(pair["rejected_ids"]))
    return len(pair["prompt_ids"]) + longer


@pytest.mark.parametrize("template", ["qwen3", "chatml"])
@pytest.mark.parametrize("seed", range(12))
def test_prompts(template: str, seed: int) -> None:
    head, rest = conversation(random.Random(seed))
    answer = shapes.assistant("yes")
    keys: dict[str, Any] = {"train_on": "none"}
    rows = [{"messages": [*head, *rest[at:], answer]} for at in range(0, len(rest), 2)]
    cuts = encoder(template, **keys).encode(rows).table.select(["prompt", "length"]).to_pylist()
    for most in sorted({cut["length"] - less for cut in cuts for less in (0, 1)}):
        short = encoder(template, max_length=most, over_length="oldest-turns", **keys)
        encoded = short.encode(rows[:1])
        fitting = [cut for cut in cuts if cut["length"] <= most]
        assert encoded.table.select(["prompt", "length"]).to_pylist() == fitting[:1]
        assert encoded.rejects["code"].to_pylist() == ([] if fitting else ["overlong-sample"])
