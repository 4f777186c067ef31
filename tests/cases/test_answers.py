"""Every shape of `answers.py` gives the prompt and the answers that its author means."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

import turnmill
from cases import answers, shapes
from cases.answers import Judged
from turnmill.errors import RecipeError
from turnmill.output.answers import samples

DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"
END = "<|im_end|>"
SHAPES = [*answers.PAIRS, *answers.LABELLED]
RULES = {rule for shape in SHAPES for rule in shape.rules}


def encoder(**keys: Any) -> turnmill.Encoder:
    recipe = {"tokenizer": DEMO, "template": "qwen3", "stop": [END], "max_rejects": 1.0}
    return turnmill.Encoder(turnmill.Recipe(**{**recipe, **keys}))


@cache
def plain() -> turnmill.Encoder:
    return encoder()


def text(ids: list[int]) -> str:
    return b"".join(turnmill.Tokenizer(DEMO)._token_bytes(ids)).decode()


def rendered(prompt: Any, answer: Any, tools: Any) -> str:
    """The text up to the terminator that ends the answer."""
    if isinstance(prompt, str):
        return f"{prompt}{answer}{END}"
    template = turnmill.Template("qwen3")
    whole = template.render(prompt + answer, tools=tools).text
    return whole[: whole.rindex(END) + len(END)]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.what)
def test_prompt_and_answers_are_those_that_are_meant(shape: Judged) -> None:
    encoded = plain().encode([shape.row])
    assert encoded.rejects.to_pylist() == []
    (row,) = encoded.table.to_pylist()
    made = [text(sample["input_ids"]) for _, sample in samples(row)]
    assert made == [rendered(shape.prompt, answer, shape.tools) for answer in shape.answers]
    assert row.get("label") is shape.label
    assert {rule: n for rule, n in encoded.counts.items() if rule in RULES} == shape.rules


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.what)
def test_only_the_answer_follows_the_prompt(shape: Judged) -> None:
    (row,) = plain().encode([shape.row]).table.to_pylist()
    names = ["completion_ids"] if shape.label is not None else ["chosen_ids", "rejected_ids"]
    for name, answer in zip(names, shape.answers, strict=True):
        said = answer if isinstance(answer, str) else answer[-1]["content"]
        assert text(row[name]).startswith(said)
        assert text(row[name]).endswith(END)
        assert text(row[name]).count(END) == 1
    if isinstance(shape.prompt, str):
        assert text(row["prompt_ids"]) == shape.prompt
    else:
        # The template puts an empty think block before an answer without reasoning.
        asked = turnmill.Template("qwen3").render(
            shape.prompt, tools=shape.tools, add_generation_prompt=True
        )
        assert text(row["prompt_ids"]) == asked.text + "<think>\n\n</think>\n\n"


@pytest.mark.parametrize(("_", "row", "rule"), answers.REFUSED)
def test_what_cannot_be_a_pair_is_left_out(_: str, row: dict[str, Any], rule: str) -> None:
    encoded = plain().encode([row])
    assert [reject["code"] for reject in encoded.rejects.to_pylist()] == [rule]


def test_labels_tell_which_parts_of_an_answer_are_trained() -> None:
    columns = [
        f"{side}_{name}" for side in ("chosen", "rejected") for name in ("input_ids", "labels")
    ]
    row = {"prompt": [shapes.user()], "chosen": answers.PARTS, "rejected": answers.BAD}
    encoded = encoder(columns=columns).encode([row])
    assert encoded.rejects.to_pylist() == []
    (made,) = encoded.table.to_pylist()
    (_, chosen), (_, rejected) = samples(made)
    trained = text([id_ for id_ in chosen["labels"] if id_ != -100])
    assert "<tool_call>" in trained
    assert trained.count(END) == 2
    assert shapes.tool()["content"] not in trained.partition(END)[0].partition("{")[0]
    assert "tool_response" in text(chosen["input_ids"])
    assert "tool_response" not in trained
    assert text([id_ for id_ in rejected["labels"] if id_ != -100]) == f"4{END}"


def test_a_reward_model_gets_whole_conversations() -> None:
    row = answers.PAIRS[0].row
    (pair,) = plain().encode([row]).table.to_pylist()
    (made,) = encoder(columns=["chosen_ids", "rejected_ids"]).encode([row]).table.to_pylist()
    for side in ("chosen_ids", "rejected_ids"):
        assert made[side] == pair["prompt_ids"] + pair[side]
    assert [sample for _, sample in samples(made)] == [sample for _, sample in samples(pair)]


@pytest.mark.parametrize(
    ("columns", "hint"),
    [
        (["chosen_ids"], "chosen_ids,rejected_ids"),
        (["chosen_input_ids", "rejected_input_ids"], "chosen_labels"),
        (["prompt_ids", "completion_ids", "label"], "--columns takes"),
        (["labels"], "--columns takes"),
    ],
)
def test_columns_that_no_trainer_of_pairs_reads_are_refused(columns: list[str], hint: str) -> None:
    with pytest.raises(RecipeError) as caught:
        encoder(columns=columns).encode([answers.PAIRS[0].row])
    assert caught.value.code == "unfit-columns"
    assert hint in str(caught.value.hint)


def test_reasoning_that_is_masked_needs_labels() -> None:
    thinking = [shapes.assistant(reasoning_content="I add.")]
    row = {"prompt": [shapes.user()], "chosen": thinking, "rejected": answers.BAD}
    encoded = encoder(reasoning="mask").encode([row])
    assert [reject["code"] for reject in encoded.rejects.to_pylist()] == ["answer-in-parts"]
    (made,) = encoder().encode([row]).table.to_pylist()
    assert "I add." in text(made["chosen_ids"])
    assert not text(made["prompt_ids"]).endswith("</think>\n\n")


def test_earlier_reasoning_of_the_prompt_is_left_out_as_at_inference() -> None:
    earlier = [
        shapes.user("Hi"),
        shapes.assistant("Hello.", reasoning_content="So."),
        shapes.user(),
    ]
    row = {"prompt": earlier, "chosen": answers.GOOD, "rejected": answers.BAD}
    encoded = plain().encode([row])
    assert encoded.rejects.to_pylist() == []
    (made,) = encoded.table.to_pylist()
    assert "So." not in text(made["prompt_ids"])


def test_equal_answers_are_counted() -> None:
    row = {"prompt": [shapes.user()], "chosen": answers.GOOD, "rejected": answers.GOOD}
    encoded = plain().encode([row])
    assert (encoded.table.num_rows, encoded.counts["equal-answers"]) == (1, 1)
    assert "equal-answers" not in plain().encode([answers.PAIRS[0].row]).counts


def test_pairs_and_conversations_need_outputs_of_their_own() -> None:
    talk = turnmill.Input([{"messages": [shapes.user(), shapes.assistant()]}])
    with pytest.raises(RecipeError) as caught:
        encoder().encode([turnmill.Input([answers.PAIRS[0].row]), talk])
    assert caught.value.code == "mixed-schemas"


def test_the_batch_of_an_engine_keeps_its_rows() -> None:
    rows = [
        answers.PAIRS[0].row,
        {"prompt": answers.TALK, "chosen": answers.GOOD, "rejected": None},
    ]
    names = ("prompt", "chosen", "rejected")
    made = plain()({name: [row[name] for row in rows] for name in names})
    assert [ids is None for ids in made["chosen_ids"]] == [False, True]
    assert [reject is None for reject in made["reject"]] == [True, False]
