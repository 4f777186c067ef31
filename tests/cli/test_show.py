"""`show` never refuses to look, and says of written rows what was counted of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import turnmill
from turnmill.cli import main
from turnmill.errors import ArgumentError, DataError, RecipeError

DEMO = Path(turnmill.__file__).parent / "demo"
TOKENIZER = DEMO / "tokenizer"
STOP = 2
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    shutil.copytree(TOKENIZER, "model")
    shutil.copy(DEMO / "data" / "messages.jsonl", "chat.jsonl")


def texts(row: Any) -> list[tuple[str, str]]:
    return [(piece.kind, piece.text) for piece in row.samples[0].pieces]


def ids(text: str) -> list[int]:
    return [int(id_) for id_ in turnmill.Tokenizer(TOKENIZER).encode(text)]


PROMPT, ANSWER = ids("Is it? "), [*ids("It is."), STOP]
MARKED: dict[str, dict[str, Any]] = {
    "labels": {"labels": [-100] * len(PROMPT) + ANSWER},
    "loss_mask": {"loss_mask": [0] * len(PROMPT) + [1] * len(ANSWER)},
    "assistant_masks": {"assistant_masks": [0] * len(PROMPT) + [1] * len(ANSWER)},
}


@pytest.mark.parametrize("marks", MARKED)
@pytest.mark.parametrize("container", ["rows", "jsonl", "parquet", "arrow", "datasets"])
def test_rows_that_another_tool_tokenized(container: str, marks: str) -> None:
    row = {"input_ids": PROMPT + ANSWER, **MARKED[marks]}
    table = pa.Table.from_pylist([row, row])
    data: Any = [row, row]
    if container == "jsonl":
        data = "rows.jsonl"
        Path(data).write_text(json.dumps(row) + "\n" + json.dumps(row) + "\n")
    elif container == "parquet":
        data = "rows.parquet"
        pq.write_table(table, data)
    elif container == "arrow":
        data = "rows.arrow"
        with pa.ipc.new_file(data, table.schema) as writer:
            writer.write_table(table)
    elif container == "datasets":
        data = "saved"
        datasets.Dataset.from_list([row, row]).save_to_disk(data)
    shown = turnmill.show(data, tokenizer="model")
    assert len(shown) == 2
    assert texts(shown[1]) == [
        ("masked", "Is it? "),
        ("trained", "It is."),
        ("terminator", "<|im_end|>"),
    ]
    assert len(turnmill.show(data, tokenizer="model", row=1)) == 1
    with pytest.raises(RecipeError, match="the rows are ids, and no tokenizer is named"):
        turnmill.show(data)


def test_rows_without_labels_are_trained_where_they_are_not_padding() -> None:
    row = {"tokens": [*ANSWER, 0], "attention_mask": [1] * len(ANSWER) + [0]}
    (shown,) = turnmill.show([row], tokenizer="model")
    assert [kind for kind, _ in texts(shown)] == ["trained", "terminator", "masked"]
    (odd,) = turnmill.show([row, {"tokens": "x"}], tokenizer="model", row=1)
    assert odd.reject is not None
    assert odd.reject[0] == "invalid-ids"
    (other,) = turnmill.show([row], tokenizer="model", stop=[ANSWER[0]])
    assert texts(other)[0][0] == "terminator"


@pytest.mark.parametrize("served", ["another", "nothing"])
def test_a_stop_set_that_does_not_fit_is_no_reason_not_to_look(
    served: str, capsys: Captured
) -> None:
    config = json.loads(Path("model/tokenizer_config.json").read_text())
    config["eos_token"] = "<|endoftext|>" if served == "another" else None
    Path("model/tokenizer_config.json").write_text(json.dumps(config))
    Path("model/generation_config.json").unlink()
    with pytest.raises((turnmill.RecipeError, turnmill.TokenizerError)):
        turnmill.prepare("chat.jsonl", "out", tokenizer="model")
    assert main(["show", "chat.jsonl", "--tokenizer", "model", "-n", "1"]) == 0
    shown = capsys.readouterr().out
    assert "<|im_end|>■⟧" in shown
    assert "shown with what the template ends turns with" in " ".join(shown.split())


@pytest.mark.parametrize(
    ("keys", "end"),
    [
        ({"stop": ["<|endoftext|>"]}, "<|im_end|>"),
        ({"stop": ["<|nonsense|>"]}, "<|im_end|>"),
        ({"stop": [999_999]}, "<|im_end|>"),
        ({"template": "llama-3"}, "|>"),
        ({"template": "gemma-2", "stop": ["<|nonsense|>"]}, ">"),
    ],
    ids=str,
)
def test_no_stop_set_is_a_reason_not_to_look(keys: dict[str, Any], end: str) -> None:
    talk = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    with pytest.raises(turnmill.TurnmillError):
        turnmill.Encoder(turnmill.Recipe(tokenizer="model", **keys))
    shown = turnmill.show([talk], tokenizer="model", **keys)
    assert "shown with what the template ends turns with" in (shown.note or "")
    assert shown[0].reject is None
    assert [text.strip() for kind, text in texts(shown[0]) if kind == "terminator"] == [end]


def test_a_written_row_says_what_was_counted_of_it() -> None:
    call = {"type": "function", "function": {"name": "add", "arguments": '{"a": 2}'}}
    messages = [
        {"role": "user", "content": "2+3"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
    ]
    Path("api.jsonl").write_text(json.dumps({"system": "Be brief.", "messages": messages}) + "\n")
    turnmill.prepare("api.jsonl", "out", tokenizer="model", template="qwen3")
    (raw,) = turnmill.show("api.jsonl", tokenizer="model", template="qwen3")
    (written,) = turnmill.show("out")
    assert {"arguments-parsed", "system-added"} <= set(written.notes)
    assert written.notes == raw.notes
    assert written.samples == raw.samples
    Path("api.jsonl").write_text('{"text": "something else"}\n')
    (written,) = turnmill.show("out")
    assert written.notes == {}
    Path("api.jsonl").unlink()
    (written,) = turnmill.show("out")
    assert written.samples == raw.samples


def test_an_output_is_shown_and_checked_from_any_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured
) -> None:
    place = tmp_path / "deep" / "er"
    place.mkdir(parents=True)
    turnmill.prepare("chat.jsonl", place / "out", tokenizer="model")
    here = str(turnmill.show(place / "out", n=2))
    monkeypatch.chdir("/")
    assert str(turnmill.show(place / "out", n=2)) == here
    (place / "out" / "run.json").unlink()
    assert str(turnmill.show(place / "out", n=2)) == here
    assert main(["check", str(place / "out")]) == 1, "a file that was written is missing"
    said = " ".join(capsys.readouterr().out.split())
    assert "run.json" in said
    assert "prompts rendered by the template" in said


def test_rows_at_random() -> None:
    turnmill.prepare("chat.jsonl", "out", tokenizer="model")
    total = len(turnmill.show("chat.jsonl", tokenizer="model", n=10_000))

    def drawn(data: str, **choice: int) -> list[int]:
        rows = turnmill.show(data, tokenizer="model", **choice)
        return [row.row for row in rows]

    for data in ("chat.jsonl", "out"):
        first = drawn(data, random=5)
        assert first == drawn(data, random=5, seed=0)
        assert first == sorted(set(first))
        assert len(first) == 5
        assert len({tuple(drawn(data, random=5, seed=seed)) for seed in range(8)}) > 1
    often = {row for seed in range(20) for row in drawn("chat.jsonl", random=60, seed=seed)}
    assert {0, 1, total - 1} <= often
    assert drawn("chat.jsonl", random=10_000) == list(range(total))
    with pytest.raises(ArgumentError, match="row and random name a row each"):
        turnmill.show("out", row=1, random=2)
    with pytest.raises(ArgumentError, match="random cannot be 0"):
        turnmill.show("out", random=0)
    assert main(["show", "out", "--random", "2", "--seed", "3"]) == 0


def test_the_run_record_that_is_not_one() -> None:
    turnmill.prepare("chat.jsonl", "out", tokenizer="model")
    Path("out/turnmill.json").write_text("[]")
    with pytest.raises(DataError, match="its run record is not one"):
        turnmill.show("out")
