"""Templates in which the marker of the next role ends a turn (GLM): what ends the last one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers

import tiny_tokenizer
import turnmill
from fixtures import template_text

GLM = ("unseen/glm-style", "llamacpp.GLM-4.6")
GEMMA = ("unseen/gemma-4-style", "llamacpp.google-gemma-4-31B-it")
MARKERS = ["<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>"]
MARKERS += ["<|observation|>"]
TEXT_MARKERS = ["<think>", "</think>", "<tool_call>", "</tool_call>"]
USER = {"role": "user", "content": "Hi"}
CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {"type": "function", "function": {"name": "look", "arguments": {"where": "here"}}}
    ],
}
RESULT = {"role": "tool", "content": "found"}
ANSWER = {"role": "assistant", "content": "Done"}


@pytest.fixture(params=GLM)
def glm(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Bytes, and the added tokens that the template prints."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {character: id_ for id_, character in enumerate(alphabet)}
    tokenizer = tokenizers.Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(MARKERS)
    tokenizer.add_tokens(TEXT_MARKERS)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "chat_template.jinja").write_text(template_text(request.param), "utf-8")
    return tmp_path


def trained(directory: Path, messages: list[dict[str, Any]]) -> tuple[str, str, dict[str, int]]:
    """The text of the ids, and of those that are trained."""
    recipe = turnmill.Recipe(tokenizer=directory, stop=["<|user|>", "<|observation|>"])
    encoded = turnmill.Encoder(recipe).encode([{"messages": messages}])
    assert encoded.rejects.to_pylist() == []
    (row,) = encoded.table.to_pylist()
    known = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
    kept = [label for label in row["labels"] if label != -100]
    assert len(row["labels"]) == len(row["input_ids"]) == row["length"]
    text, answer = (
        known.decode(ids, skip_special_tokens=False) for ids in (row["input_ids"], kept)
    )
    return text, answer, encoded.counts


def test_the_last_answer_ends_in_the_users_marker(glm: Path) -> None:
    text, answer, counts = trained(glm, [USER, ANSWER])
    assert text.endswith("Done<|user|>")
    assert answer.endswith("Done<|user|>")
    assert answer.count("<|user|>") == 1
    assert counts["eos-inserted"] == 1


def test_a_call_at_the_end_of_the_data_ends_in_the_tools_marker(glm: Path) -> None:
    text, answer, counts = trained(glm, [USER, CALL])
    assert text.endswith("</tool_call><|observation|>")
    assert answer.endswith("</tool_call><|observation|>")
    assert "look" in answer
    assert counts["eos-inserted"] == 1


def test_earlier_turns_end_in_the_marker_that_follows(glm: Path) -> None:
    text, answer, counts = trained(glm, [USER, CALL, RESULT, ANSWER, USER, ANSWER])
    assert answer.count("<|observation|>") == 1
    assert answer.count("<|user|>") == 2
    assert "found" in text
    assert "found" not in answer
    assert text.endswith("Done<|user|>")
    assert counts["eos-inserted"] == 1


def test_the_marker_of_the_next_role_is_not_the_turns_own_text(glm: Path) -> None:
    stop = ["<|user|>", "<|observation|>"]
    recipe = turnmill.Recipe(tokenizer=glm, stop=stop, history="expand")
    rows = [{"messages": [USER, ANSWER, USER, ANSWER, USER, ANSWER]}]
    assert len(turnmill.Encoder(recipe).encode(rows).table) == 1


def test_no_calls_is_not_a_call(glm: Path) -> None:
    _, answer, _ = trained(glm, [USER, {**ANSWER, "tool_calls": []}])
    assert answer.endswith("Done<|user|>")


MARKS = ["<bos>", "<eos>", "<|turn>", "<turn|>", "<|tool_call>", "<tool_call|>"]
MARKS += ["<|tool_response>", "<tool_response|>", '<|"|>', "<|channel>", "<channel|>"]


@pytest.fixture(params=GEMMA)
def gemma(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Bytes, and the added tokens that Gemma 4 prints."""
    template = template_text(request.param)
    return tiny_tokenizer.write(tmp_path / "gemma", MARKS, template=template, bos_token="<bos>")


def gemma_turns(directory: Path, messages: list[dict[str, Any]]) -> list[str]:
    """The trained runs of a conversation, each with the text of its ids."""
    recipe = turnmill.Recipe(
        tokenizer=directory, stop=["<turn|>", "<|tool_response>"], history="as-rendered"
    )
    encoded = turnmill.Encoder(recipe).encode([{"messages": messages}])
    assert encoded.rejects.to_pylist() == []
    (row,) = encoded.table.to_pylist()
    runs: list[list[int]] = [[]]
    for label in row["labels"]:
        if label != -100:
            runs[-1].append(label)
        elif runs[-1]:
            runs.append([])
    return [tiny_tokenizer.text(directory, run) for run in runs if run]


def test_a_call_ends_in_what_the_result_begins_with(gemma: Path) -> None:
    called = '<|tool_call>call:look{where:<|"|>here<|"|>}<tool_call|><|tool_response>'
    assert gemma_turns(gemma, [USER, CALL, RESULT, ANSWER]) == [called, "Done<turn|>"]
    assert gemma_turns(gemma, [USER, CALL]) == [called]
    twice = [USER, CALL, RESULT, CALL, RESULT, ANSWER, USER, ANSWER]
    assert gemma_turns(gemma, twice) == [called, called, "Done<turn|>", "Done<turn|>"]


def test_results_of_several_calls_are_not_trained(gemma: Path) -> None:
    both = {**CALL, "tool_calls": CALL["tool_calls"] * 2}
    called, answer = gemma_turns(gemma, [USER, both, RESULT, RESULT, ANSWER])
    assert called.count("<|tool_call>") == 2
    assert called.endswith("<tool_call|><|tool_response>")
    assert answer == "Done<turn|>"


def test_a_turn_that_goes_on_behind_the_result_has_two_spans(gemma: Path) -> None:
    talking = {**CALL, "content": "Let me look."}
    called, rest, answer = gemma_turns(gemma, [USER, talking, RESULT, ANSWER])
    assert called.endswith("<tool_call|><|tool_response>")
    assert (rest, answer) == ("Let me look.<turn|>", "Done<turn|>")
