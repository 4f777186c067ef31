"""`train_on_responses_only` against what Unsloth trains, on rendered conversations.

Unsloth needs a GPU to be imported. What it trains is told here from the other side: the text of a
conversation is known, so the tokens of each answer and its eos are known too, without markers. The
edges of its algorithm (no eos, a marker at the end, several documents) are written out by hand.
"""

from __future__ import annotations

import logging
from types import SimpleNamespace

import datasets
import pytest
from transformers import AutoTokenizer

from fixtures import tokenizer_dir
from turnmill.errors import ArgumentError
from turnmill.integrations.unsloth import train_on_responses_only

MARKERS = {
    "small-qwen3": ("<|im_start|>user\n", "<|im_start|>assistant\n", "<|im_end|>"),
    "qwen3": ("<|im_start|>user\n", "<|im_start|>assistant\n", "<|im_end|>"),
    "llama-3.2-instruct": (
        "<|start_header_id|>user<|end_header_id|>\n\n",
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "<|eot_id|>",
    ),
    "gemma-3": ("<start_of_turn>user\n", "<start_of_turn>model\n", "<end_of_turn>"),
}
TURNS = [("Hi", "I am"), ("And <b>?", "\u4f60\U0001f600\nno"), ("x" * 30, "y")]


@pytest.fixture(params=MARKERS)
def case(request):
    question, answer, end = MARKERS[request.param]
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_dir(request.param))
    return tokenizer, question, answer, end


def of_parts(tokenizer, parts):
    """Ids of texts one after the other, and labels: each part says whether it is trained."""
    ids: list[int] = []
    labels: list[int] = []
    for text, trained in parts:
        own = tokenizer(text, add_special_tokens=False)["input_ids"]
        ids += own
        labels += own if trained else [-100] * len(own)
    return ids, labels


def labels_of(case, rows, **keys):
    tokenizer, question, answer, _ = case
    function = train_on_responses_only(
        None, question, answer, tokenizer=tokenizer, return_function=True, **keys
    )
    return function({"input_ids": rows})["labels"]


def conversation(case, *, final_end=True):
    """Parts of a conversation; where an answer ends in no eos, the marker after it ends it."""
    tokenizer, question, answer, end = case
    is_eos = end == tokenizer.eos_token
    parts = []
    for number, (asked, said) in enumerate(TURNS):
        ends = end if final_end or number < len(TURNS) - 1 else ""
        parts += [(question, False), (asked, False), (end + "\n", False), (answer, False)]
        parts += [(said + ends, True), ("\n", not is_eos)]
    return parts


def test_answers_and_their_ends(case):
    ids, labels = of_parts(case[0], conversation(case))
    assert labels_of(case, [ids]) == [labels]
    assert any(label != -100 for label in labels)


def test_an_answer_without_an_end_goes_to_the_end_of_the_row(case):
    parts = conversation(case, final_end=False)[:-1]
    ids, labels = of_parts(case[0], parts)
    assert labels_of(case, [ids]) == [labels]
    assert labels[-1] != -100


def test_only_the_last_answer(case):
    ids, _ = of_parts(case[0], conversation(case))
    _, labels = of_parts(
        case[0],
        [(text, on and at >= 16) for at, (text, on) in enumerate(conversation(case))],
    )
    assert labels_of(case, [ids], last_response_only=True) == [labels]


def test_rows_without_an_answer_and_markers_at_the_end(case):
    tokenizer, question, answer, end = case
    asked = of_parts(tokenizer, [(question, False), ("Hi", False), (end, False)])
    opened = of_parts(tokenizer, [(question, False), ("Hi", False), (answer, False)])
    rows = [asked, opened, ([], [])]
    assert labels_of(case, [ids for ids, _ in rows]) == [labels for _, labels in rows]


def test_labels_that_were_there_stay_inside_answers(case):
    tokenizer, question, answer, _ = case
    ids, labels = of_parts(tokenizer, conversation(case))
    old = [-100 if at % 3 == 0 else id_ for at, id_ in enumerate(ids)]
    function = train_on_responses_only(
        None, question, answer, tokenizer=tokenizer, return_function=True
    )
    made = function({"input_ids": [ids], "labels": [old]})["labels"][0]
    assert made == [b if a != -100 else -100 for a, b in zip(labels, old, strict=True)]


def test_a_trainer_gets_the_labels_and_a_word_on_answers_that_do_not_end(caplog):
    question, answer, end = MARKERS["small-qwen3"]
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_dir("small-qwen3"))
    case = (tokenizer, question, answer, end)
    good, _ = of_parts(tokenizer, conversation(case))
    bad, _ = of_parts(tokenizer, conversation(case, final_end=False)[:-1])
    trainer = SimpleNamespace(
        processing_class=tokenizer,
        train_dataset=datasets.Dataset.from_dict({"input_ids": [good, bad]}),
        eval_dataset={"a": datasets.Dataset.from_dict({"input_ids": [good]})},
    )
    with caplog.at_level(logging.WARNING):
        assert train_on_responses_only(trainer, question, answer) is trainer
    assert trainer.train_dataset["labels"][:] == labels_of(case, [good, bad])
    assert trainer.eval_dataset["a"]["labels"][:] == labels_of(case, [good])
    assert "missing-terminator (1)" in caplog.text or "truncated-terminator (1)" in caplog.text


def test_what_is_left_to_unsloth():
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_dir("small-qwen3"))
    keys = {"tokenizer": tokenizer, "return_function": True}
    with pytest.raises(ArgumentError, match="no tokens"):
        train_on_responses_only(None, "", "x", **keys)
    with pytest.raises(ArgumentError, match="force_match"):
        train_on_responses_only(None, "a", "b", False, **keys)
