"""Labels never depend on the pad token, on limits that are not reached, or on an id being 0."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import fixtures
import turnmill

DEMO = fixtures.ROOT / "python" / "turnmill" / "demo"
ROWS = [
    json.loads(line)
    for line in (DEMO / "data" / "alpaca.jsonl").read_text("utf-8").splitlines()
    if '"output": null' not in line and "<|im_start|>" not in line
]
STOP = "<|im_end|>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the demo tokenizer to change."""
    return Path(shutil.copytree(DEMO / "tokenizer", tmp_path / "tokenizer"))


def encode(folder: Path, **keys: Any) -> list[dict[str, Any]]:
    recipe = turnmill.Recipe(tokenizer=str(folder), schema="alpaca", **keys)
    encoded = turnmill.Encoder(recipe).encode(ROWS)
    assert encoded.rejects.num_rows == 0
    samples: list[dict[str, Any]] = encoded.table.to_pylist()
    return samples


def change(path: Path, **keys: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **keys}), "utf-8")


@pytest.mark.parametrize("pad", [STOP, "<|endoftext|>", None])
def test_the_pad_token(folder: Path, pad: str | None):
    expected = encode(DEMO / "tokenizer")
    change(folder / "tokenizer_config.json", pad_token=pad)
    assert encode(folder) == expected


@pytest.mark.parametrize("policy", ["whole-turns", "oldest-turns", "reject", "error"])
def test_a_limit_that_is_not_reached(policy: str):
    expected = encode(DEMO / "tokenizer")
    longest = max(sample["length"] for sample in expected)
    assert encode(DEMO / "tokenizer", max_length=longest, over_length=policy) == expected
    assert encode(DEMO / "tokenizer", max_length=10**6, over_length=policy) == expected


def swap(folder: Path, first: int, second: int) -> None:
    """Swaps two ids in every file of the tokenizer."""
    other = {first: second, second: first}
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text("utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = {text: other.get(at, at) for text, at in vocabulary.items()}
    for token in tokenizer["added_tokens"]:
        token["id"] = other.get(token["id"], token["id"])
    tokenizer["added_tokens"].sort(key=lambda token: token["id"])
    path.write_text(json.dumps(tokenizer, ensure_ascii=False), "utf-8")
    generation = folder / "generation_config.json"
    ids = json.loads(generation.read_text("utf-8"))["eos_token_id"]
    change(generation, eos_token_id=[other.get(stop, stop) for stop in ids])


@pytest.mark.parametrize("token", ["<|im_end|>", "<|im_start|>", "Ġthe", "çļĦ"])
def test_an_id_that_is_zero(folder: Path, token: str):
    """Whichever token has the id 0, even the stop token: only that number changes."""
    vocabulary = json.loads((folder / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    expected, at = encode(DEMO / "tokenizer"), vocabulary[token]
    swap(folder, 0, at)
    renamed = {0: at, at: 0}
    found = encode(folder)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours["input_ids"] == [renamed.get(i, i) for i in theirs["input_ids"]]
        assert ours["labels"] == [renamed.get(i, i) for i in theirs["labels"]]
    assert any(0 in sample["input_ids"] for sample in found)
    assert token == "<|im_start|>" or any(0 in sample["labels"] for sample in found)
