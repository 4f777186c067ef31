"""Pairs from a file to a written data set, to the rows on screen, to a check of both."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_from_disk

import turnmill
from cases import answers
from turnmill.errors import DataError, RecipeError
from turnmill.prepare.result import Run

DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"
RECIPE: dict[str, Any] = {"tokenizer": DEMO, "template": "qwen3", "stop": ["<|im_end|>"]}
PAIRS = [shape.row for shape in answers.PAIRS]
LABELLED = [shape.row for shape in answers.LABELLED]
LABELS = [f"{side}_{name}" for side in ("chosen", "rejected") for name in ("input_ids", "labels")]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def prepare(tmp_path: Path, rows: list[dict[str, Any]], **recipe: Any) -> Run:
    data = write(tmp_path / "rows.jsonl", rows)
    return turnmill.prepare(data, tmp_path / "out", turnmill.Recipe(**{**RECIPE, **recipe}))


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (PAIRS, ["prompt_ids", "chosen_ids", "rejected_ids"]),
        (LABELLED, ["prompt_ids", "completion_ids", "label"]),
    ],
    ids=["preference", "kto"],
)
def test_a_written_set_is_loaded_as_trainers_load_it(
    tmp_path: Path, rows: list[dict[str, Any]], columns: list[str]
) -> None:
    run = prepare(tmp_path, rows)
    assert (run.samples, run.rejected) == (len(rows), {})
    loaded = load_from_disk(str(tmp_path / "out"))
    assert loaded.column_names == columns
    assert len(loaded) == len(rows)
    index = pq.read_table(next((tmp_path / "out").glob("index-*.parquet")))
    lengths = [sum(len(ids) for ids in row.values() if isinstance(ids, list)) for row in loaded]
    prompts = [len(row["prompt_ids"]) for row in loaded]
    twice = [n + p * (columns[-1] != "label") for n, p in zip(lengths, prompts, strict=True)]
    assert index["length"].to_pylist() == twice
    assert sum(twice) == run.totals.tally.tokens
    assert run.next_steps[0].trainer == f"TRL {'KTO' if 'label' in columns else 'DPO'}Trainer"


@pytest.mark.parametrize(
    "recipe", [{}, {"columns": ["chosen_ids", "rejected_ids"]}, {"columns": LABELS}]
)
@pytest.mark.parametrize("format_", ["arrow", "parquet"])
def test_a_check_of_a_written_set_finds_nothing_more(
    tmp_path: Path, recipe: dict[str, Any], format_: str
) -> None:
    prepare(tmp_path, PAIRS, format=format_, **recipe)
    findings = turnmill.check(tmp_path / "out")
    # What the run counted as it read and encoded the rows is told again.
    counted = {"messages-parsed", "without-template", "terminator-cut", "eos-inserted"}
    assert findings.rules.keys() <= counted
    assert findings.rows == 2 * len(PAIRS)
    replay = findings.facts["replay"]
    assert (replay["rate"], replay["turns"]) == (1.0, 2 * len(PAIRS))


@pytest.mark.parametrize("side", ["chosen_ids", "rejected_ids"])
def test_a_check_finds_an_answer_that_does_not_end(tmp_path: Path, side: str) -> None:
    rows = prepare(tmp_path, PAIRS)
    table = pa.ipc.open_stream((rows.output / rows_file(tmp_path)).read_bytes()).read_all()
    cut = [ids[:-1] if i == 3 else ids for i, ids in enumerate(table[side].to_pylist())]
    place = table.column_names.index(side)
    pq.write_table(table.set_column(place, side, pa.array(cut)), tmp_path / "cut.parquet")
    findings = turnmill.check(tmp_path / "cut.parquet", tokenizer=DEMO, stop=["<|im_end|>"])
    (place_,) = findings.rules["missing-terminator"].evidence
    assert place_["row"] == 3
    assert place_["file"].endswith(f"({side.removesuffix('_ids')})")


def rows_file(tmp_path: Path) -> str:
    return next((tmp_path / "out").glob("data-*.arrow")).name


def test_both_answers_are_shown(tmp_path: Path) -> None:
    prepare(tmp_path, PAIRS)
    for data, keys in (
        (tmp_path / "out", {}),
        (tmp_path / "rows.jsonl", {"recipe": turnmill.Recipe(**RECIPE)}),
    ):
        (row,) = turnmill.show(data, row=0, **keys)
        assert [sample.name for sample in row.samples] == ["chosen", "rejected"]
        trained = [
            "".join(piece.text for piece in sample.pieces if piece.kind != "masked")
            for sample in row.samples
        ]
        assert trained == ["5<|im_end|>", "4<|im_end|>"]
        assert "row 0, rejected" in str(turnmill.show(data, row=0, **keys))


def test_the_label_of_an_answer_is_shown(tmp_path: Path) -> None:
    prepare(tmp_path, LABELLED)
    names = [row.samples[0].name for row in turnmill.show(tmp_path / "out", n=2)]
    assert names == ["good answer", "bad answer"]


def test_both_answers_lose_the_same_start_of_the_prompt(tmp_path: Path) -> None:
    (whole,) = turnmill.Encoder(turnmill.Recipe(**RECIPE)).encode(PAIRS[:1]).table.to_pylist()
    length = len(whole["prompt_ids"]) + len(whole["chosen_ids"])
    run = prepare(tmp_path, PAIRS[:1], max_length=length - 1, over_length="oldest-turns")
    (row,) = load_from_disk(str(run.output))
    text = turnmill.Tokenizer(DEMO)._token_bytes(row["prompt_ids"])
    assert b"Hello." not in b"".join(text)
    assert b"Be brief." in b"".join(text)
    assert row["chosen_ids"] == whole["chosen_ids"]
    assert row["rejected_ids"] == whole["rejected_ids"]
    lost = len(whole["prompt_ids"]) - len(row["prompt_ids"])
    tally = run.totals.tally
    assert (tally.lost_turns, tally.lost_tokens, tally.lost_rejected_tokens) == (1, 2 * lost, lost)
    assert f"chosen {lost}, rejected {lost}" in str(run)


@pytest.mark.parametrize("policy", ["whole-turns", "reject"])
def test_a_pair_that_is_too_long_is_rejected_whole(tmp_path: Path, policy: str) -> None:
    rows = [PAIRS[0], {**PAIRS[0], "rejected": [{"role": "assistant", "content": "no " * 60}]}]
    (whole, _) = turnmill.Encoder(turnmill.Recipe(**RECIPE)).encode(rows).table.to_pylist()
    most = len(whole["prompt_ids"]) + len(whole["chosen_ids"])
    run = prepare(tmp_path, rows, max_length=most, over_length=policy)
    assert (run.samples, run.rejected) == (1, {"overlong-sample": 1})


def test_pairs_are_not_packed(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as refused:
        prepare(tmp_path, PAIRS, pack=512, max_length=512)
    assert refused.value.code == "pack-of-answers"
    prepare(tmp_path, PAIRS)
    with pytest.raises(DataError) as caught:
        turnmill.pack(tmp_path / "out", 512)
    assert caught.value.code == "pack-of-answers"


def test_pairs_of_a_table_are_read_like_those_of_a_file(tmp_path: Path) -> None:
    rows = [shape.row for shape in answers.PAIRS[:1]] * 3
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    recipe = turnmill.Recipe(**RECIPE)
    encoder = turnmill.Encoder(recipe)
    assert encoder.encode(tmp_path / "rows.parquet").table.equals(encoder.encode(rows).table)


def test_a_validation_share_and_dedup_take_pairs(tmp_path: Path) -> None:
    run = prepare(tmp_path, PAIRS * 2, validation=0.4, dedup="exact")
    kept = run.totals.tally
    assert kept.rows - kept.rejected == kept.samples
    assert run.rejected == {"duplicate-conversation": kept.rows - kept.samples}
    sides = load_from_disk(str(run.output))
    assert sum(len(side) for side in sides.values()) == kept.samples


@pytest.mark.parametrize("kind", ["pairs", "judged"])
def test_pages_and_numbers_tell_the_answers_apart(kind: str, tmp_path: Path) -> None:
    user, good, bad = (
        {"role": role, "content": text}
        for role, text in (("user", "Which?"), ("assistant", "This one."), ("assistant", "No."))
    )
    if kind == "pairs":
        rows = [{"prompt": [user], "chosen": [good], "rejected": [bad]}]
        names = ["chosen", "rejected"]
    else:
        rows = [
            {"messages": [user, good], "label": True},
            {"messages": [user, bad], "label": False},
        ]
        names = ["good answer", "bad answer"]
    turnmill.prepare(rows, tmp_path / "out", tokenizer=DEMO)
    counted = turnmill.stats(tmp_path / "out")
    ends = {token.token: (token.count, token.trained) for token in counted.control_tokens}
    assert ends["<|im_end|>"] == (4, 2)
    assert {role.role: role.trained > 0 for role in counted.roles} == {
        "user": False,
        "assistant": True,
    }
    assert sum(role.tokens for role in counted.roles) == counted.totals["tokens"]
    page = turnmill.report(tmp_path / "out").html
    with turnmill.view(tmp_path / "out") as served:
        listed, row = (
            urllib.request.urlopen(served.url + place, timeout=60).read().decode()
            for place in ("", "row/0")
        )
    for name in names:
        assert f'<p class="answer">{name}</p>' in page
        assert f'<p class="answer">{name}</p>' in listed
    assert f'<h3 id="sample-0">{names[0]}: ' in row


def _said(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


@pytest.mark.parametrize("judged", ["pair", "answer"])
def test_an_answer_stands_at_the_end_whatever_history_says(judged: str, tmp_path: Path) -> None:
    before = [_said("user", "Hi"), _said("assistant", "Hello."), _said("user", "Well?")]
    answer = {"chosen": [_said("assistant", "Yes.")], "rejected": [_said("assistant", "No.")]}
    row: dict[str, Any] = {"prompt": before, **answer}
    if judged == "answer":
        row = {"messages": [*before, _said("assistant", "Yes.")], "label": True}
    for history in ("as-rendered", "expand", "last-turn"):
        out = tmp_path / history
        turnmill.prepare([row], out, tokenizer=DEMO, history=history)
        [data] = out.glob("data-*.arrow")
        assert data.read_bytes() == next((tmp_path / "as-rendered").glob("data-*")).read_bytes()


def test_a_check_takes_equal_answers_for_no_second_input(tmp_path: Path) -> None:
    row = {"prompt": [{"role": "user", "content": "2+3"}], "chosen": "5", "rejected": "5"}
    prepare(tmp_path, [row])
    found = turnmill.check(tmp_path / "out")
    assert set(found.rules) == {"equal-answers"}


def test_answers_to_different_prompts_are_no_pair(tmp_path: Path) -> None:
    def talk(question: str, answer: str) -> list[dict[str, str]]:
        return [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]

    first = talk("Hi", "Hello.")
    numbered = [{**message, "id": number} for number, message in enumerate(talk("2+3", "5"))]
    pairs = [
        {"chosen": talk("2+3", "5"), "rejected": talk("2+4", "5")},
        {"chosen": first + talk("2+3", "5"), "rejected": first + talk("2+4", "5")},
        {"chosen": talk("2+3", "5"), "rejected": talk("2+3", "4")},
        {"chosen": numbered, "rejected": [dict(reversed(m.items())) for m in talk("2+3", "4")]},
    ]
    run = prepare(tmp_path, pairs)
    assert run.rejected == {"schema-mismatch": 2}
    assert "answer different prompts" in pq.read_table(tmp_path / "out" / "rejects.parquet")[
        "reason"
    ].to_pylist().pop(0)
    assert turnmill.check(tmp_path / "out").ok


def test_labels_of_a_table_of_texts_are_verdicts(tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("prompt,completion,label\n2+3=,5,True\n2+3=,4,False\n")
    turnmill.prepare(table, tmp_path / "out", turnmill.Recipe(**RECIPE))
    assert load_from_disk(str(tmp_path / "out"))["label"][:] == [True, False]
