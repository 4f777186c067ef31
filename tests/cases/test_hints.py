"""The hint for rows that no schema knows reads them, and always under a chat template."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

import turnmill
from cases import shapes
from turnmill.cli import main

DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"
RECIPE = {"tokenizer": DEMO, "template": "qwen3", "stop": ["<|im_end|>"]}

ROWS: dict[str, dict[str, Any]] = {
    "question and answer": {"question": "2+3", "answer": "5"},
    "input and output": {"input": "2+3", "output": "5"},
    "prompt and response": {"prompt": "2+3", "response": "5", "id": 1},
    "problem and solution": {"problem": "2+3", "solution": "5"},
    "messages under another name": {"dialog": [shapes.user(), shapes.assistant()]},
    "sharegpt under another name": {
        "chat": [{"from": "human", "value": "2+3"}, {"from": "gpt", "value": "5"}]
    },
    "pairs of other names": {"turns": [{"user": "2+3", "bot": "5"}]},
    "odd keys of messages": {
        "turns": [{"speaker": "user", "text": "2+3"}, {"speaker": "assistant", "text": "5"}]
    },
}


def flags(hint: str) -> dict[str, Any]:
    """The recipe keys that the flags of a hint set."""
    words = shlex.split(hint.partition(": ")[2])
    given = dict(zip(words[::2], words[1::2], strict=True))
    fields = dict(pair.split("=") for pair in given.get("--fields", "").split(",") if pair)
    return {"schema": given["--schema"], "fields": fields}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_the_flags_of_the_hint_read_the_row(row: dict[str, Any]) -> None:
    with pytest.raises(turnmill.DataError) as raised:
        turnmill.Encoder(turnmill.Recipe(**RECIPE)).encode([row])
    assert raised.value.code == "unknown-schema"
    recipe = turnmill.Recipe(**RECIPE, **flags(raised.value.hint or ""))
    encoded = turnmill.Encoder(recipe).encode([row])
    meant = turnmill.Encoder(turnmill.Recipe(**RECIPE)).encode(
        [{"messages": [shapes.user(), shapes.assistant()]}]
    )
    assert encoded.table["input_ids"].to_pylist() == meant.table["input_ids"].to_pylist()
    assert encoded.table["labels"].to_pylist() == meant.table["labels"].to_pylist()


def test_rows_that_look_like_nothing_get_a_hint_without_a_guess() -> None:
    with pytest.raises(turnmill.DataError) as raised:
        turnmill.Encoder(turnmill.Recipe(**RECIPE)).encode([{"a": 1, "b": "x"}])
    assert "--schema messages --fields" in (raised.value.hint or "")


def refusal(row: dict[str, Any], **keys: Any) -> turnmill.DataError:
    with pytest.raises(turnmill.DataError) as raised:
        turnmill.Encoder(turnmill.Recipe(**RECIPE, **keys)).encode([row])
    assert raised.value.code == "unknown-schema"
    return raised.value


def test_of_two_answers_the_one_that_is_left_out_is_named(tmp_path: Path) -> None:
    row = {"problem": "2+3", "solution": "I add.", "answer": "5"}
    hint = refusal(row).hint or ""
    assert "--schema alpaca --fields problem=instruction,answer=output; `solution` is left" in hint
    fields = {"problem": "instruction", "answer": "output"}
    recipe = turnmill.Recipe(**RECIPE, schema="alpaca", fields=fields)
    run = turnmill.prepare([row], tmp_path / "out", recipe)
    assert run.totals.named == {"column-unread": {"solution": 1}}


@pytest.mark.parametrize(
    ("messages", "what"),
    [
        ([], "is an empty list"),
        ([[shapes.user(), shapes.assistant()]], "is a list of lists"),
        (["2+3", "5"], "is a list that begins with a string"),
        (5, "is an integer, not a list of messages"),
    ],
)
def test_messages_that_are_none_are_named_as_what_they_are(messages: Any, what: str) -> None:
    assert what in str(refusal({"messages": messages}))


def test_keys_that_nobody_knows_are_asked_for_by_name() -> None:
    hint = refusal({"turns": [{"who": 1, "said": "2+3"}]}).hint or ""
    assert "`turns` holds objects with the keys who, said" in hint
    assert "--fields turns=messages,ROLE=role,TEXT=content" in hint


def test_answers_that_are_ignored_are_found() -> None:
    row = {"prompt": "2+3", "chosen": "5", "rejected": "6"}
    hint = refusal(row, ignore=["chosen", "rejected"]).hint or ""
    assert hint.endswith("--fields prompt=instruction,chosen=output --ignore rejected")


def test_a_run_without_a_template_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "Hi", "completion": "Hello."}\n')
    arguments = ["prepare", str(rows), "-o", str(tmp_path / "out"), "--tokenizer", str(DEMO)]
    main(arguments)
    assert "without-template" in capsys.readouterr().err
