"""The generation test on generators whose rates are known, and on what they may return."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

import turnmill
from turnmill.errors import ArgumentError, DataError
from turnmill.stop_test import stop_test
from turnmill.stop_test.generation import Generation
from turnmill.stop_test.measures import MEASURES
from turnmill.stop_test.prompts import draw_prompts, trained_turns
from turnmill.stop_test.rates import Rate
from turnmill.stop_test.result import StopTest

TOKENIZER = turnmill.Tokenizer(Path(turnmill.__file__).parent / "demo" / "tokenizer")
STOP, IGNORED = 2, -100
PROMPTS = 150
SHARES = [0.0, 0.3, 1.0]


def ids(text: str) -> list[int]:
    return TOKENIZER.encode(text).tolist()


def row(number: int, length: int = 20) -> dict[str, list[int]]:
    """A prompt of its own, and an answer that repeats nothing and ends in the stop token."""
    prompt = ids(f"<|im_start|>user\nsay {number}<|im_end|>\n<|im_start|>assistant\n")
    answer = [*random.Random(number).sample(range(300, 2900), length), STOP]
    return {"input_ids": prompt + answer, "labels": [IGNORED] * len(prompt) + answer}


ROWS = [row(number) for number in range(PROMPTS)]
ANSWER = {
    tuple(row["input_ids"][: row["labels"].count(IGNORED)]): row["labels"][
        row["labels"].count(IGNORED) :
    ]
    for row in ROWS
}


def without_end(answer, room):
    """More than there is room for, without a stop token and without a repetition."""
    return [*answer[:-1], *random.Random(f"{room}").sample(range(300, 2900), room)]


SYMPTOMS = {
    # What a faulty answer is made of, and the measures that are to see it.
    "over_run": (lambda answer, _room: [*without_end(answer, 25), STOP], {"over_run"}),
    "premature": (lambda answer, _room: [answer[0], STOP], {"premature"}),
    "ran_past": (lambda answer, _room: [*answer, *ids("and so on")], {"ran_past"}),
    "foreign_stop": (
        lambda answer, room: [*answer[:-1], *ids("</s>"), *without_end([], room)],
        {"foreign_stop", "no_stop"},
    ),
    "role_leak": (
        lambda answer, _room: [*answer[:-1], *ids("<|im_start|>user\nand then?"), STOP],
        {"role_leak", "no_stop"},
    ),
    "restart": (
        lambda answer, room: [*answer[:-1], 3, *answer[:-1], 4, *without_end([], room)],
        {"restart", "no_stop"},
    ),
    "repetition": (
        lambda answer, room: [*answer[:-1], *[400, 401, 402] * room],
        {"repetition", "no_stop"},
    ),
    "no_stop": (without_end, {"no_stop"}),
}


def faulty(symptom: str, share: float, seed: int = 0):
    """A generator of which a known share of answers has a symptom; the others are right."""
    coin = random.Random(seed)
    spoil, _ = SYMPTOMS[symptom]

    def generate(prompts, rooms):
        answers = []
        for prompt, room in zip(prompts, rooms, strict=True):
            right = ANSWER[tuple(prompt)]
            answers.append(spoil(right, room)[:room] if coin.random() < share else list(right))
        return answers

    return generate


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("symptom", SYMPTOMS)
def test_rates_of_known_generators_lie_in_their_intervals(symptom: str, share: float) -> None:
    result = stop_test(ROWS, faulty(symptom, share), tokenizer=TOKENIZER, prompts=PROMPTS)
    assert result.prompts == PROMPTS
    _, seen = SYMPTOMS[symptom]
    for name in MEASURES:
        expected = share if name in seen else 0.0
        if name == "stop":
            expected = 1 - share if "no_stop" in seen else 1.0
        low, high = result.rates[name].interval
        assert low <= expected <= high, name


@pytest.mark.slow
def test_nineteen_of_twenty_intervals_hold_the_rate_of_their_generator() -> None:
    """Fewer than 33 of 40 come about once in 1,400 such tests; the seeds are always these."""
    inside = 0
    for seed in range(40):
        result = stop_test(ROWS, faulty("no_stop", 0.3, seed), tokenizer=TOKENIZER, prompts=PROMPTS)
        low, high = result.rates["stop"].interval
        inside += low <= 0.7 <= high
    assert inside >= 33


def test_a_good_model_is_ok_and_a_model_that_never_stops_is_not() -> None:
    good = stop_test(ROWS, faulty("no_stop", 0.0), tokenizer=TOKENIZER)
    bad = stop_test(ROWS, faulty("no_stop", 1.0), tokenizer=TOKENIZER)
    assert good.ok
    assert good.failures == []
    assert bad.problems == ["stop"]
    assert {why for failure in bad.failures for why in failure.why} == {"no_stop"}


def test_going_on_after_the_stop_token_is_not_ok_although_all_reach_it() -> None:
    result = stop_test(ROWS, faulty("ran_past", 0.1), tokenizer=TOKENIZER)
    assert result.rates["stop"].share == 1
    assert result.problems == ["ran_past"]


def test_padding_after_the_stop_token_is_no_generation() -> None:
    def padded(prompts, _rooms):
        answers = [ANSWER[tuple(prompt)] for prompt in prompts]
        return np.array([[*answer, *[0] * (30 - len(answer))] for answer in answers])

    assert stop_test(ROWS, padded, tokenizer=TOKENIZER).ok


def test_a_server_that_ended_without_a_known_token_stopped() -> None:
    def texts(prompts, _rooms):
        return [Generation(ANSWER[tuple(prompt)][:-1], True, exact=False) for prompt in prompts]

    assert stop_test(ROWS, texts, tokenizer=TOKENIZER).ok


def test_ending_on_a_token_outside_of_the_stop_set_is_a_foreign_stop() -> None:
    def elsewhere(prompts, _rooms):
        return [Generation([*ANSWER[tuple(prompt)][:-1], 777], True) for prompt in prompts]

    result = stop_test(ROWS, elsewhere, tokenizer=TOKENIZER)
    assert result.rates["stop"].count == 0
    assert result.rates["foreign_stop"].share == 1


def test_what_the_data_itself_says_is_no_leak() -> None:
    answer = [*ids("### Instruction: stir. Its end is </s>"), STOP]
    rows = [
        {"input_ids": [5, number, *answer], "labels": [-100, -100, *answer]} for number in (7, 8)
    ]
    result = stop_test(rows, lambda prompts, _: [answer for _ in prompts], tokenizer=TOKENIZER)
    assert result.ok
    assert result.rates["role_leak"].count == result.rates["foreign_stop"].count == 0


def test_data_without_terminators_shows_in_the_column_of_the_data() -> None:
    rows = [
        {**row, "labels": [IGNORED if label == STOP else label for label in row["labels"]]}
        for row in ROWS
    ]
    result = stop_test(rows, faulty("no_stop", 1.0), tokenizer=TOKENIZER)
    assert result.references["stop"].count == 0
    assert "references do not end in the stop set" in str(result)


def test_lengths_and_sources_are_told_apart(tmp_path: Path) -> None:
    for name, length in (("short", 4), ("long", 40)):
        lines = [json.dumps(row(number, length)) for number in range(length, length + 40)]
        Path(tmp_path, f"{name}.jsonl").write_text("\n".join(lines), "utf-8")

    def only_short(_prompts, rooms):
        return [[300, STOP] if room < 100 else list(range(300, 300 + room)) for room in rooms]

    files = [tmp_path / "short.jsonl", tmp_path / "long.jsonl"]
    result = stop_test(files, only_short, tokenizer=TOKENIZER)
    assert {Path(name).stem: rate.share for name, rate in result.by_source.items()} == {
        "short": 1,
        "long": 0,
    }
    assert {name: rate.share for name, rate in result.by_length.items()} == {"5": 1, "6 to 41": 0}


def test_a_fall_from_the_baseline_is_not_ok(tmp_path: Path) -> None:
    before = stop_test(ROWS, faulty("no_stop", 0.0), tokenizer=TOKENIZER)
    file = tmp_path / "before.json"
    file.write_text(json.dumps(before.to_dict()), "utf-8")
    assert StopTest.load(file) == before
    worse = faulty("no_stop", 0.3)
    after = stop_test(ROWS, worse, tokenizer=TOKENIZER, min_stop=0, baseline=file)
    assert after.problems == ["baseline"]
    low, high = after.change
    assert low < -0.2 < high + 0.1 < 0.1
    assert after.to_dict()["baseline"]["same_prompts"]
    assert "before, 100 % of 100 stopped" in str(after)
    same = stop_test(ROWS, faulty("no_stop", 0.0), tokenizer=TOKENIZER, baseline=before)
    assert same.ok


def test_a_baseline_on_other_prompts_is_said_to_be_one() -> None:
    before = stop_test(ROWS, faulty("no_stop", 0.0), tokenizer=TOKENIZER, seed=1)
    after = stop_test(ROWS, faulty("no_stop", 0.0), tokenizer=TOKENIZER, baseline=before)
    assert "on other prompts" in str(after)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda _: [[1]], "1 answers for 8 prompts"),
        (lambda _: None, "None for 8 prompts"),
        (lambda _: ["text"] * 8, "an object of type str as an answer"),
        (lambda _: [[0.5]] * 8, "not made of ids"),
        (lambda prompts: [[*prompt, 2] for prompt in prompts], "the prompt before the answer"),
    ],
)
def test_what_is_no_answer_is_refused(given, said: str) -> None:
    with pytest.raises(ArgumentError, match=said) as refused:
        stop_test(ROWS, lambda prompts, _: given(prompts), tokenizer=TOKENIZER)
    assert refused.value.code == "invalid-generation"


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ({"prompts": 0}, "invalid-prompts"),
        ({"min_stop": 95}, "invalid-min-stop"),
        ({"budget": 0.5}, "invalid-budget"),
        ({"stop": ["<none>"]}, "unknown-stop"),
    ],
)
def test_bad_arguments_are_named(keys, code: str) -> None:
    with pytest.raises(ArgumentError) as refused:
        stop_test(ROWS, faulty("no_stop", 0.0), **{"tokenizer": TOKENIZER, **keys})
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([{"messages": []}], "not-tokenized"),
        ([{"input_ids": [1, 2], "labels": [1, 2]}], "no-prompt"),
    ],
)
def test_data_without_prompts_is_refused(rows, code: str) -> None:
    with pytest.raises(DataError) as refused:
        stop_test(rows, faulty("no_stop", 0.0), tokenizer=TOKENIZER)
    assert refused.value.code == code


def test_without_a_tokenizer_the_stop_set_is_needed() -> None:
    with pytest.raises(ArgumentError, match="should end in"):
        stop_test(ROWS, faulty("no_stop", 0.0))
    assert stop_test(ROWS, faulty("no_stop", 0.0), stop=[STOP]).ok


@pytest.mark.parametrize(
    ("ids", "labels", "turns"),
    [
        ([9, 5, 2, 9, 9, 6, 2], [-100, 5, 2, -100, -100, 6, 2], [(1, 3), (5, 7)]),
        ([9, 5, 2, 6, 2, 9], [-100, 5, 2, 6, 2, -100], [(1, 3), (3, 5)]),
        ([9, 5, 9, 6, 2, 9], [-100, 5, -100, 6, 2, -100], [(1, 5)]),  # masked reasoning
        ([9, 5, 2, 9, 6, 2], [-100, 5, -100, -100, 6, -100], [(1, 2), (4, 5)]),  # masked ends
        ([9, 5, 2], [-100, -100, -100], []),
    ],
)
def test_turns_are_found_by_labels(ids, labels, turns) -> None:
    assert trained_turns(ids, labels, {2}) == turns


@pytest.mark.parametrize(
    "packed", [{"seq_lengths": [4, 4]}, {"position_ids": [0, 1, 2, 3, 0, 1, 2, 3]}]
)
def test_packed_rows_fall_into_their_documents(packed) -> None:
    rows = [{"input_ids": [5, 6, 7, 2] * 2, "labels": [-100, -100, 7, 2] * 2, **packed}]
    prompts = draw_prompts(rows, frozenset({2}), 9, 0).prompts
    assert [(prompt.ids, prompt.reference) for prompt in prompts] == [([5, 6], [7, 2])] * 2


def test_the_validation_set_is_taken_where_there_is_one(tmp_path: Path) -> None:
    words = [[random.Random(n).choice("abcdefgh") for n in range(k, k + 5)] for k in range(60)]
    data = [
        {
            "messages": [
                {"role": "user", "content": f"{k}"},
                {"role": "assistant", "content": " ".join(said)},
            ]
        }
        for k, said in enumerate(words)
    ]
    run = turnmill.prepare(data, tmp_path / "out", tokenizer=TOKENIZER.path, validation=0.3)
    held = run.totals.splits["validation"]["samples"]
    result = stop_test(tmp_path / "out", lambda prompts, _: [[STOP]] * len(prompts))
    assert (result.prompts, result.held_out) == (held, True)
    assert [stop["id"] for stop in result.stop] == [2, 0]
    assert result.references["stop"].share == 1


# Newcombe, Statistics in Medicine 17 (1998), 857-872 and 873-890.
@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_intervals_are_the_published_ones(count: int, of: int, low: float, high: float) -> None:
    assert Rate(count, of).interval == pytest.approx((low, high), abs=5e-5)


def test_the_interval_of_a_change_is_the_published_one() -> None:
    assert Rate(56, 70).change_from(Rate(48, 80)) == pytest.approx((0.0524, 0.3339), abs=5e-5)
