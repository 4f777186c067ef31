"""Inputs of a command line with settings of their own: weight, cap, carried columns."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import turnmill
from small_rows import TOKENIZER, rows
from turnmill.cli import main
from turnmill.cli.arguments import UsageError
from turnmill.cli.own_settings import given_input


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, first in (("a.jsonl", 0), ("b.jsonl", 40)):
        kept = [{**row, "id": n} for n, row in enumerate(rows(40, start=first))]
        Path(name).write_text("".join(json.dumps(row) + "\n" for row in kept), "utf-8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.jsonl", "a.jsonl"),
        ("data,with,commas.jsonl", "data,with,commas.jsonl"),
        ("a.jsonl,weight=0.2", turnmill.Input("a.jsonl", weight=0.2)),
        ("a.jsonl,weight=20%", turnmill.Input("a.jsonl", weight=0.2)),
        ("a.jsonl,weight=2epochs", turnmill.Input("a.jsonl", weight="2epochs")),
        ("a.jsonl,weight=1.5 epochs", turnmill.Input("a.jsonl", weight="1.5 epochs")),
        ("a.jsonl,weight=1epoch", turnmill.Input("a.jsonl", weight="1epoch")),
        (
            "x,y/*.jsonl,cap=5,carry=id+licence",
            turnmill.Input("x,y/*.jsonl", cap=5, carry=["id", "licence"]),
        ),
        (
            "data,schema=text,split=train,ignore=label",
            turnmill.Input("data", schema="text", split="train", ignore=["label"]),
        ),
    ],
)
def test_what_an_input_says(text: str, expected: str | turnmill.Input) -> None:
    assert given_input(text) == expected


def test_a_file_of_that_name_is_a_file() -> None:
    Path("a.jsonl,cap=5").write_text("")
    assert given_input("a.jsonl,cap=5") == "a.jsonl,cap=5"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a.jsonl,wieght=2", "did you mean `weight`"),
        ("a.jsonl,cap=many", "an input takes weight=0.2"),
        ("a.jsonl,weight=heavy", "an input takes weight=0.2"),
        ("a.jsonl,weight=3", "a share of the set between 0 and 1"),
        ("a.jsonl,weight=0epochs", "how often each row is written"),
        ("a.jsonl,cap=0", "a whole number of rows above 0"),
        ("a.jsonl,cap=5,cap=6", "leave one of them out"),
        ("a.jsonl,schema=nonsense", "messages"),
    ],
)
def test_what_is_no_setting(text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        given_input(text)
    assert says in (caught.value.hint or "")


def test_the_set_is_that_of_the_same_settings_in_python() -> None:
    words = ["a.jsonl,weight=1.5epochs,carry=id", "b.jsonl,cap=7"]
    code = main(["prepare", *words, "-o", "out", "--tokenizer", str(TOKENIZER), "-q"])
    assert code == 0
    inputs = [
        turnmill.Input("a.jsonl", weight="1.5 epochs", carry=["id"]),
        turnmill.Input("b.jsonl", cap=7),
    ]
    turnmill.prepare(inputs, "same", tokenizer=TOKENIZER)
    records = [json.loads(Path(name, "turnmill.json").read_text()) for name in ("out", "same")]
    assert records[0]["shards"] == records[1]["shards"]
    assert [one["train_rows"] for one in records[0]["inputs"]] == [60, 7]
    [index] = {shard["index"] for shard in records[0]["shards"] if shard["source"] == "a.jsonl"}
    assert "id" in pq.read_schema(Path("out", index)).names


def test_an_input_with_a_bad_setting_is_not_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "a.jsonl,cap=x", "-o", "out", "--tokenizer", str(TOKENIZER)]) == 2
    assert "no input is named" not in capsys.readouterr().err


def test_problems_are_told_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "a.jsonl,cap=x", "b.jsonl,cup=2", "-o", "out"]) == 2
    said = capsys.readouterr().err
    assert "`cap` cannot be `x`" in said
    assert "no setting `cup`" in said
    assert "no tokenizer is named" in said
