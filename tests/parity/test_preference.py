"""Pairs and labelled answers are tokenized as TRL tokenizes them, up to the end of the answer.

The oracle is the algorithm of `_prepare_dataset` in the DPO and KTO trainers of TRL 1.16.0, written
down a second time over transformers' renders and the ids of the tokenizers wheel: the prompt with
its generation prompt and the whole conversation of each answer are tokenized, and the answers begin
where the prompt's ids end or differ. TRL keeps what a template prints after the terminator, a line
end say; here an answer ends in its terminator.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

turnmill = pytest.importorskip("turnmill")

from transformers.utils import chat_template_utils  # noqa: E402

import fixtures  # noqa: E402
import oracle  # noqa: E402

EXACT: dict[str, Any] = {
    "special_in_content": "parse",
    "eos": "template",
    "history": "as-rendered",
    "reasoning": "train-empty",
    "wire": "keep",
    "now": oracle.NOW,
    "max_rejects": 1.0,
}
ROWS = 25
Ids = list[int]
Message = dict[str, Any]


@cache
def reference(name: str) -> oracle.Reference:
    return oracle.Reference(fixtures.tokenizer_dir(name))


def tokenized(name: str, messages: list[Message], *, prompt: bool = False) -> Ids:
    """`apply_chat_template(messages, tokenize=True, add_generation_prompt=prompt)`."""
    model = reference(name)
    with oracle.frozen_clock():
        texts, _ = chat_template_utils.render_jinja_template(
            conversations=[messages],
            chat_template=model.template,
            add_generation_prompt=prompt,
            **model.tokens,
        )
    return model.encode(list(texts))[0]


def common_prefix_length(ids: Ids, other: Ids) -> int:
    pairs = enumerate(zip(ids, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(ids), len(other)))


def as_trl(name: str, prompt: list[Message], answers: list[list[Message]]) -> tuple[Ids, list[Ids]]:
    """The ids of the prompt and of each answer.

    Some templates print a prompt without an answer in another way: the one of Mistral prints the
    system text only before the last message, if that is the user's. TRL then warns and lets the
    answers begin in the middle of the prompt. Here the prompt ends where the answer begins.
    """
    prompt_ids = tokenized(name, prompt, prompt=True)
    wholes = [tokenized(name, prompt + answer) for answer in answers]
    length = min(common_prefix_length(prompt_ids, whole) for whole in wholes)
    if length < len(prompt_ids):
        length = common_prefix_length(*wholes)
    return wholes[0][:length], [whole[length:] for whole in wholes]


def of_sharegpt(items: list[dict[str, str]]) -> list[Message]:
    roles = oracle.SHAREGPT_ROLES
    return [{"role": roles[item["from"]], "content": item["value"]} for item in items]


def talks(name: str) -> list[tuple[list[Message], list[list[Message]]]]:
    """Prompts, each with two answers."""
    if name not in fixtures.SMALL:
        rows = fixtures.spread(fixtures.rows("llamafactory/dpo_en_demo.json.zst"), ROWS)
        return [
            (
                of_sharegpt(row["conversations"]),
                [of_sharegpt([row["chosen"]]), of_sharegpt([row["rejected"]])],
            )
            for row in rows
        ]
    found = []
    for row in fixtures.rows("demo-alpaca", ROWS):
        question = {"role": "user", "content": row["instruction"] + row["input"]}
        earlier = [question, {"role": "assistant", "content": "Wait."}, question]
        answers = [row["output"], row["output"][::-1] + " \n"]
        found.append((earlier, [[{"role": "assistant", "content": text}] for text in answers]))
    return found


def encoder(name: str) -> Any:
    stops = fixtures.stops(name)
    tokenizer = str(fixtures.tokenizer_dir(name))
    return turnmill.Encoder(turnmill.Recipe(tokenizer=tokenizer, stop=stops, **EXACT))


def cut(name: str, ids: Ids) -> Ids:
    """An answer of TRL up to its terminator; a line end or another stop token may follow."""
    stops = set(fixtures.stops(name))
    end = 1 + min(i for i, id_ in enumerate(ids) if id_ in stops)
    assert len(ids) - end <= 2
    return ids[:end]


NAMES = [name for name in fixtures.TOKENIZERS if fixtures.published(name) != "gemma-3"]
"""Gemma 3 adds nothing to these, and its tokenizer takes the longest to load."""


@pytest.mark.parametrize("name", NAMES)
def test_pairs_have_the_ids_of_trl(name: str) -> None:
    pairs = talks(name)
    rows = [
        {"prompt": prompt, "chosen": chosen, "rejected": rejected}
        for prompt, (chosen, rejected) in pairs
    ]
    encoded = encoder(name).encode(rows)
    assert encoded.rejects.to_pylist() == []
    for (prompt, answers), made in zip(pairs, encoded.table.to_pylist(), strict=True):
        prompt_ids, (chosen, rejected) = as_trl(name, prompt, answers)
        assert made["prompt_ids"] == prompt_ids
        assert made["chosen_ids"] == cut(name, chosen)
        assert made["rejected_ids"] == cut(name, rejected)


@pytest.mark.parametrize("name", ["small-qwen3", "small-llama-3.2-instruct", "small-gpt-oss"])
def test_implicit_prompts_are_found(name: str) -> None:
    pairs = talks(name)
    explicit = [
        {"prompt": prompt, "chosen": chosen, "rejected": rejected}
        for prompt, (chosen, rejected) in pairs
    ]
    implicit = [
        {"chosen": prompt + chosen, "rejected": prompt + rejected}
        for prompt, (chosen, rejected) in pairs
    ]
    model = encoder(name)
    assert model.encode(implicit).table.equals(model.encode(explicit).table)


@pytest.mark.parametrize("name", ["small-qwen3", "small-mistral-7b-instruct-v0.3", "qwen3"])
def test_labelled_answers_have_the_ids_of_trl(name: str) -> None:
    judged = [
        (prompt, answer, index == 0)
        for prompt, answers in talks(name)[:10]
        for index, answer in enumerate(answers)
    ]
    rows = [
        {"prompt": prompt, "completion": answer, "label": label} for prompt, answer, label in judged
    ]
    encoded = encoder(name).encode(rows)
    assert encoded.rejects.to_pylist() == []
    for (prompt, answer, label), made in zip(judged, encoded.table.to_pylist(), strict=True):
        prompt_ids, (completion,) = as_trl(name, prompt, [answer])
        assert made["prompt_ids"] == prompt_ids
        assert made["completion_ids"] == cut(name, completion)
        assert made["label"] is label


@pytest.mark.parametrize("name", ["small-qwen3", "small-llama-3.2-instruct"])
def test_texts_have_the_ids_of_trl(name: str) -> None:
    """TRL puts the tokenizer's eos after each text, and tokenizes prompt and answer as one."""
    stop = reference(name).tokens["eos_token"]
    row = {"prompt": "The sky is", "chosen": " blue today.", "rejected": " green."}
    recipe = {**EXACT, "eos": "ensure", "stop": [stop]}
    tokenizer = str(fixtures.tokenizer_dir(name))
    (made,) = (
        turnmill.Encoder(turnmill.Recipe(tokenizer=tokenizer, **recipe))
        .encode([row])
        .table.to_pylist()
    )
    wheel = reference(name).tokenizer
    prompt = wheel.encode(row["prompt"]).ids
    wholes = [wheel.encode(row["prompt"] + row[side] + stop).ids for side in ("chosen", "rejected")]
    length = min(common_prefix_length(prompt, whole) for whole in wholes)
    assert made["prompt_ids"] == prompt[:length]
    assert made["chosen_ids"] == wholes[0][length:]
    assert made["rejected_ids"] == wholes[1][length:]
