"""Rows that judge their answers are refused where no schema reads that, until it is ignored."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fixtures
import turnmill
from cases import shapes
from turnmill.errors import DataError, RecipeError

DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"
RECIPE: dict[str, Any] = {"tokenizer": DEMO, "template": "qwen3", "stop": ["<|im_end|>"]}
TALK = {"messages": [shapes.user(), shapes.assistant()]}
SAID = {"from": "gpt", "value": "5"}

JUDGED: dict[str, dict[str, Any]] = {
    "label": {**TALK, "label": False},
    "kto_tag": {**TALK, "kto_tag": True},
    "label as a number": {**TALK, "label": 0},
    "label as a number in a table": {"prompt": "2+3", "completion": "4", "label": "0"},
    "label as text": {"prompt": "2+3", "completion": "4", "label": "False"},
    "labels of steps": {"prompt": "2+3", "completion": "5", "labels": [True, False]},
    "rating": {**TALK, "rating": 2},
    "score": {"instruction": "2+3", "output": "5", "score": 0.5},
    "scores by name": {**TALK, "scores": {"helpful": 3, "note": None}},
    "chosen and rejected": {**TALK, "chosen": "5", "rejected": "4"},
}
NOT_JUDGED: dict[str, dict[str, Any]] = {
    "no value": {**TALK, "label": None, "score": None, "rating": "high"},
    "a class": {**TALK, "label": "greeting", "chosen": "yes"},
    "half a pair": {**TALK, "chosen": "5", "rejected": None},
    "the class of a document": {"text": "a good film", "label": 1},
    "one class of many": {**TALK, "label": 2},
}


def encoder(**keys: Any) -> turnmill.Encoder:
    return turnmill.Encoder(turnmill.Recipe(**RECIPE, **keys))


READ = {
    "label": "kto",
    "kto_tag": "kto",
    "label as a number": "kto",
    "label as a number in a table": "kto",
    "label as text": "kto",
    "chosen and rejected": "preference",
}
"""The schemas that are made for some of these rows."""


@pytest.mark.parametrize("name", JUDGED)
@pytest.mark.parametrize("schema", ["auto", "messages", "prompt-completion", "alpaca"])
def test_judged_rows_are_refused_where_no_schema_reads_the_verdict(name: str, schema: str) -> None:
    row = JUDGED[name]
    if "number" in name:
        with pytest.raises(DataError, match="a verdict on the answer, or the class") as caught:
            encoder(schema=schema).encode([row])
        assert caught.value.hint == (
            "--schema kto if 1 is a good answer; --ignore label if it is something else"
        )
        assert encoder(schema="kto").encode([row]).table["label"].to_pylist() == [False]
        return
    if schema == "auto" and name in READ:
        assert encoder().encode([row]).rejects.num_rows == 0
        return
    with pytest.raises(DataError) as caught:
        encoder(schema=schema).encode([row])
    hint = str(caught.value.hint)
    assert caught.value.code == "judged-rows"
    assert "--ignore" in hint or "chosen" in hint
    assert (f"--schema {READ.get(name)} is made for such rows" in hint) == (name in READ)


@pytest.mark.parametrize("row", JUDGED.values(), ids=list(JUDGED))
def test_a_column_that_is_ignored_judges_nothing(row: dict[str, Any]) -> None:
    ignore = [name for name in row if name not in {"messages", "prompt", "completion"}]
    ignore = [name for name in ignore if name not in {"instruction", "output"}]
    encoded = encoder(ignore=ignore).encode([row])
    assert (encoded.table.num_rows, encoded.rejects.num_rows) == (1, 0)


@pytest.mark.parametrize("row", NOT_JUDGED.values(), ids=list(NOT_JUDGED))
def test_other_columns_of_these_names_are_no_judgement(row: dict[str, Any]) -> None:
    assert encoder().encode([row]).rejects.num_rows == 0


@pytest.mark.parametrize("form", ["rows", "jsonl", "parquet"])
def test_a_row_after_the_first_ones_is_rejected(form: str, tmp_path: Path) -> None:
    rows = [{**TALK, "label": None}] * 1500 + [{**TALK, "label": False}]
    data: Any = rows
    if form == "jsonl":
        data = tmp_path / "rows.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif form == "parquet":
        data = tmp_path / "rows.parquet"
        pq.write_table(pa.Table.from_pylist(rows), data)
    run = turnmill.prepare(data, tmp_path / "out", turnmill.Recipe(**RECIPE))
    assert run.rejected == {"judged-row": 1}


def test_an_input_ignores_columns_of_its_own() -> None:
    inputs = [
        turnmill.Input([{**TALK, "label": True}], ignore=["label"]),
        turnmill.Input([{**TALK, "score": 1}]),
    ]
    recipe = turnmill.Recipe(**RECIPE, ignore="score")
    found = turnmill.check(inputs, tokenizer=DEMO, recipe=recipe)
    assert (found.rows, found.facts["rejected"]) == (2, 0)


def test_what_is_read_is_not_ignored() -> None:
    with pytest.raises(RecipeError, match="`ignore` leaves it unread"):
        turnmill.Recipe(**RECIPE, fields={"chosen": "completion"}, ignore=["chosen"])


def test_an_ignored_column_makes_nothing_ambiguous() -> None:
    row = {**TALK, "text": "a document"}
    with pytest.raises(DataError, match="ambiguous"):
        encoder().encode([row])
    assert encoder(ignore=["text"]).encode([row]).rejects.num_rows == 0


CHOSEN: dict[str, dict[str, Any]] = {
    "texts": {"prompt": "2+3", "chosen": "5", "rejected": "4", "score": 2},
    "question": {"question": "2+3", "chosen": "5", "rejected": "4"},
    "a prompt and an answer in messages": {
        "prompt": [shapes.user()],
        "chosen": [shapes.assistant()],
        "rejected": [shapes.assistant("4")],
    },
    "whole conversations": {
        "prompt": "2+3",
        "chosen": [shapes.user(), shapes.assistant()],
        "rejected": [shapes.user(), shapes.assistant("4")],
    },
    "whole conversations of sharegpt": {
        "chosen": [{"from": "human", "value": "2+3"}, SAID],
        "rejected": [{"from": "human", "value": "2+3"}, {**SAID, "value": "4"}],
    },
}


@pytest.mark.parametrize("row", CHOSEN.values(), ids=list(CHOSEN))
def test_the_flags_for_chosen_answers_train_them(row: dict[str, Any]) -> None:
    with pytest.raises(DataError) as caught:
        encoder(schema="text").encode([row])
    _, _, flags = str(caught.value.hint).partition("alone: ")
    words = shlex.split(flags)
    given = dict(zip(words[::2], words[1::2], strict=True))
    assert list(given) == ["--schema", "--fields", "--ignore"]
    fields = dict(pair.split("=") for pair in given["--fields"].split(","))
    keys: dict[str, Any] = {"fields": fields, "ignore": given["--ignore"].split(",")}
    encoded = encoder(schema=given["--schema"], **keys).encode([row])
    assert "without-template" not in encoded.counts
    (sample,) = encoded.table.to_pylist()
    trained = [id_ for id_ in sample["labels"] if id_ != -100]
    pieces = turnmill.Tokenizer(DEMO)._token_bytes(trained)
    assert b"".join(pieces) == b"5<|im_end|>"


def test_the_sets_of_llama_factory_are_read() -> None:
    for name, suffix in (("kto", ".json"), ("dpo", ".json.zst")):
        rows = fixtures.rows(f"llamafactory/{name}_en_demo{suffix}")
        encoded = encoder().encode(rows)
        assert (encoded.table.num_rows, encoded.rejects.num_rows) == (300, 0)


def test_a_set_of_which_no_flag_reads_the_answers_gets_no_wrong_cure() -> None:
    row = {"conversations": [{"from": "human", "value": "2+3"}], "chosen": SAID, "rejected": SAID}
    with pytest.raises(DataError) as caught:
        encoder(schema="sharegpt").encode([row])
    hint = str(caught.value.hint)
    assert "no flags read the chosen answers" in hint
    assert "--schema preference is made for such rows" in hint
