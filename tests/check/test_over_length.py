"""Over-length policies end to end: exact fit, one over, and what the run says it lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pytest

import turnmill
from turnmill.errors import DataError

DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"
STOP = 2
CHAT = {
    "messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": "And the weather?"},
        {"role": "assistant", "content": "It rains."},
    ]
}


def run(tmp_path: Path, limit: int | None, policy: str = "whole-turns"):
    """The samples and the totals of a run over one conversation."""
    out = tmp_path / f"{policy}-{limit}"
    recipe = turnmill.Recipe(tokenizer=DEMO, max_length=limit, over_length=policy, max_rejects=1.0)
    turnmill.prepare([CHAT], out, recipe)
    totals = json.loads((out / "turnmill.json").read_text())["totals"]
    return list(datasets.load_from_disk(str(out))), totals


def answers(sample) -> list[str]:
    """The trained turns, without their terminators."""
    trained = [label for label in sample["labels"] if label != -100]
    assert trained[-1] == STOP
    text = b"".join(turnmill.Tokenizer(DEMO)._token_bytes(trained)).decode()
    return text.removesuffix("<|im_end|>").split("<|im_end|>")


@pytest.fixture
def whole(tmp_path):
    (sample,), totals = run(tmp_path, None)
    assert answers(sample) == ["Hello!", "It rains."]
    assert (totals["lost_turns"], totals["lost_tokens"]) == (0, 0)
    return sample


@pytest.mark.parametrize("policy", ["whole-turns", "oldest-turns", "reject", "error"])
def test_an_exact_fit_stays_as_it_is(tmp_path, whole, policy):
    (sample,), totals = run(tmp_path, whole["length"], policy)
    assert sample == whole
    assert (totals["lost_turns"], totals["lost_tokens"]) == (0, 0)
    assert "turns-left-out" not in totals["rules"]


@pytest.mark.parametrize(
    ("policy", "kept"), [("whole-turns", ["Hello!"]), ("oldest-turns", ["It rains."])]
)
def test_one_token_over_costs_a_turn_that_is_accounted_for(tmp_path, whole, policy, kept):
    (sample,), totals = run(tmp_path, whole["length"] - 1, policy)
    assert answers(sample) == kept
    assert totals["lost_turns"] == totals["rules"]["turns-left-out"] == 1
    assert totals["lost_tokens"] == whole["length"] - sample["length"]
    # What stays is what the shorter conversation gives by itself.
    part = CHAT["messages"][:2] if policy == "whole-turns" else CHAT["messages"][2:]
    encoder = turnmill.Encoder(turnmill.Recipe(tokenizer=DEMO))
    table = encoder.encode([{"messages": part}]).table
    assert table["input_ids"][0].as_py() == sample["input_ids"]
    assert table["labels"][0].as_py() == sample["labels"]


def rejects(limit: int, policy: str) -> list[str]:
    """Why a conversation is left out: an encoder, because a run without a sample is an error."""
    recipe = turnmill.Recipe(tokenizer=DEMO, max_length=limit, over_length=policy)
    encoded = turnmill.Encoder(recipe).encode([CHAT])
    assert len(encoded.table) + len(encoded.rejects) == 1
    return encoded.rejects["code"].to_pylist()


def test_one_token_over_is_rejected_or_ends_the_run(tmp_path, whole):
    assert rejects(whole["length"], "reject") == []
    assert rejects(whole["length"] - 1, "reject") == ["overlong-sample"]
    with pytest.raises(DataError) as raised:
        run(tmp_path, whole["length"] - 1, "error")
    assert raised.value.code == "overlong-sample"
    assert "--max-length" in raised.value.hint


@pytest.mark.parametrize("policy", ["whole-turns", "oldest-turns"])
def test_no_answer_is_cut_where_nothing_fits(policy):
    assert rejects(5, policy) == ["overlong-sample"]


def samples(row, **recipe) -> list[dict[str, Any]]:
    """The samples of a row in memory."""
    encoder = turnmill.Encoder(turnmill.Recipe(tokenizer=DEMO, **recipe))
    return encoder.encode([row]).table.to_pylist()


@pytest.mark.parametrize("policy", ["whole-turns", "oldest-turns"])
def test_no_limit_makes_an_end_that_the_data_does_not_have(policy):
    """Whatever fits, each trained turn is a whole answer of the row with its own terminator."""
    (whole,) = samples(CHAT)
    complete = set(answers(whole))
    for limit in range(1, whole["length"] + 1):
        for sample in samples(CHAT, max_length=limit, over_length=policy):
            assert sample["length"] <= limit
            assert set(answers(sample)) <= complete


def test_a_document_is_split_without_a_loss_and_ends_once():
    text = {"text": "To be, or not to be, that is the question. " * 5}
    (whole,) = samples(text)
    assert whole["input_ids"][-1] == STOP
    length = len(whole["input_ids"])
    for limit in (length, length - 1, length // 2, 7, 1):
        parts = [sample["input_ids"] for sample in samples(text, max_length=limit)]
        assert [id_ for part in parts for id_ in part] == whole["input_ids"]
        assert all(len(part) == limit for part in parts[:-1])
        assert sum(part.count(STOP) for part in parts) == 1
