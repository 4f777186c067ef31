"""`turnmill.check` on tokenized data of every container, and its command line."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import turnmill
from turnmill import cli
from turnmill.check.document import page
from turnmill.errors import DataError, TokenizerError
from turnmill.rules import rules

DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tokenizer():
    return turnmill.Tokenizer(DEMO)


@pytest.fixture(scope="module")
def stop(tokenizer):
    return turnmill._core.stop_set(tokenizer._core)[0]


@pytest.fixture(scope="module")
def rows(tokenizer, stop):
    """Three good rows and one without its terminator."""
    answers = ["Paris.", "Four.", "I do not know.", "Endless"]
    made = []
    for number, answer in enumerate(answers):
        prompt = tokenizer.encode(f"Question {number}? ").tolist()
        target = tokenizer.encode(answer).tolist() + ([stop] if number < 3 else [])
        made.append({"input_ids": prompt + target, "labels": [-100] * len(prompt) + target})
    return made


def check(data, **options):
    return turnmill.check(data, tokenizer=DEMO, max_length=100, **options)


def assert_one_missing(findings):
    assert findings.rows == 4
    assert not findings.ok
    missing = findings.rules["missing-terminator"]
    assert (missing.count, missing.rate) == (1, 0.25)
    assert missing.evidence[0]["row"] == 3
    assert missing.evidence[0]["tokens"][-1]["trained"]


def test_every_container_gives_the_same_findings(rows, tmp_path):
    table = pa.Table.from_pylist(rows)
    pq.write_table(table, tmp_path / "rows.parquet")
    with pa.ipc.new_file(str(tmp_path / "rows.arrow"), table.schema) as writer:
        writer.write_table(table)
    lines = tmp_path / "rows.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    dataset = datasets.Dataset.from_list(rows)
    dataset.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": dataset}).save_to_disk(str(tmp_path / "split"))
    capitals = [{**row, "text": "left alone"} for row in rows]
    for data in [
        *(tmp_path / name for name in ("rows.parquet", "rows.arrow", "rows.jsonl")),
        *(tmp_path / name for name in ("one", "split")),
        *(table, rows, dataset, table.to_batches()[0], capitals),
    ]:
        assert_one_missing(check(data))


def test_int64_large_lists_and_masks_read_the_same(rows):
    ids = pa.array([row["input_ids"] for row in rows], pa.large_list(pa.int64()))
    mask = [[label != -100 for label in row["labels"]] for row in rows]
    for name in ("loss_mask", "completion_mask", "assistant_masks"):
        for kind in (pa.bool_(), pa.int8(), pa.uint8(), pa.float32(), pa.float64()):
            column = pa.array(mask, pa.list_(pa.bool_())).cast(pa.list_(pa.int8()))
            column = column.cast(pa.list_(kind))
            assert_one_missing(check(pa.table({"input_ids": ids, name: column})))


def test_a_rate_can_be_allowed(rows):
    assert not check(rows, max_rates={"missing-terminator": 0.1}).ok
    assert check(rows, max_rates={"missing-terminator": 0.25}).ok
    with pytest.raises(DataError, match="no rule") as raised:
        check(rows, max_rates={"missing-teminator": 0.25})
    assert raised.value.hint == "did you mean missing-terminator?"


@pytest.mark.parametrize("data", [[1, 2], [None], [["a"]]])
def test_rows_in_memory_that_are_no_dicts(data):
    with pytest.raises(DataError, match=r"the first row is .*, not an object") as raised:
        check(data)
    assert "messages" in raised.value.hint
    assert "--fields" not in raised.value.hint


def test_the_verdict_says_that_a_rate_was_allowed(rows):
    strict, allowed = check(rows), check(rows, max_rates={"missing-terminator": 0.25})
    assert str(strict).startswith("not ok: 25 % of the rows teach the model not to stop\n")
    assert "not to stop, within the limit that was given\n" in str(allowed)


def test_a_tokenizer_is_needed(rows):
    with pytest.raises(TokenizerError, match="no tokenizer"):
        turnmill.check(rows)


def test_another_stop_set(rows, tokenizer, stop):
    findings = check(rows[:3], stop=[stop + 1])
    assert findings.rules["wrong-terminator"].rate == 1.0
    assert check(rows[:3], stop=[tokenizer._token_bytes([stop])[0].decode()]).ok


def test_two_files_with_the_same_rows(rows, tmp_path):
    for name, some in (("one", rows), ("two", rows), ("other", rows[:2])):
        pq.write_table(pa.Table.from_pylist(some), tmp_path / f"{name}.parquet")
    findings = check([tmp_path / "one.parquet", tmp_path / "two.parquet"])
    assert "one.parquet" in findings.rules["cache-key-collision"].evidence[0]["note"]
    other = check([tmp_path / "one.parquet", tmp_path / "other.parquet"])
    assert "cache-key-collision" not in other.rules


def test_a_stop_token_that_the_model_does_not_know(rows, stop):
    other = [
        {name: [stop + 5 if id_ == stop else id_ for id_ in row[name]] for name in row}
        for row in rows[:3]
    ]
    findings = check(other, stop=[stop, stop + 5])
    assert findings.facts["terminators"] == [[stop + 5, 3]]
    assert "lm_head" in findings.rules["untrained-terminator-embedding"].evidence[0]["note"]
    # A stop token that ends no turn of the data needs no training.
    assert "untrained-terminator-embedding" not in check(rows, stop=[stop, stop + 5]).rules


def test_a_response_marker_that_occurs_nowhere(rows):
    masked = [{**row, "labels": [-100] * len(row["labels"])} for row in rows]
    assert "response-marker-not-found" in check(masked, response_marker="### Answer").rules
    assert "response-marker-not-found" not in check(masked, response_marker="Question").rules


def test_a_terminator_of_several_pieces(rows):
    findings = check(rows[:3], stop=["<|no such token|>"])
    assert "tokens" in findings.rules["terminator-not-atomic"].evidence[0]["note"]
    assert "unset-terminator" in findings.rules


def test_tokenized_rows_and_conversations_are_not_mixed(rows, tmp_path):
    tokenized, raw = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    tokenized.write_text(json.dumps(rows[0]))
    raw.write_text(json.dumps({"messages": [{"role": "user", "content": "hi"}]}))
    with pytest.raises(DataError, match="some are conversations"):
        check([tokenized, raw])


def test_the_report_is_wrapped_and_not_cut(rows, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    findings = check(rows, stop=["<|no such token|>"])
    lines = str(findings).splitlines()
    assert max(map(len, lines)) <= 60
    said = " ".join(" ".join(lines).split())
    assert "…" not in said
    for name in findings.rules:
        assert rules()[name].meaning in said


def test_the_command_line(rows, tmp_path, capsys):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["check", str(path), "--tokenizer", str(DEMO), "--max-length", "100"]
    assert cli.main([*words, "--json"]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert list(shown) == ["rows", "ok", "rules", "notes"]
    assert shown == check(rows).to_dict()
    assert (shown["rows"], shown["ok"]) == (4, False)
    assert set(shown["rules"]["missing-terminator"]) == {"severity", "count", "rate", "evidence"}
    place = shown["rules"]["missing-terminator"]["evidence"][0]
    assert {"row", "turn", "message", "tokens"} <= set(place)
    assert {"id", "text", "label"} <= set(place["tokens"][0])
    assert cli.main([*words, "--max-rate", "missing-terminator=30%"]) == 0
    assert "missing-terminator" in capsys.readouterr().out


def test_a_rule_that_does_not_exist_is_wrong_usage(rows, tmp_path, capsys):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(rows[0]))
    words = ["check", str(path), "--tokenizer", str(DEMO)]
    assert cli.main(["check", "--explain", "missing-teminator"]) == 2
    assert cli.main([*words, "--max-rate", "missing-teminator=1%"]) == 2
    assert capsys.readouterr().err.count("did you mean missing-terminator?") == 2
    assert cli.main([*words, "--max-rate", "missing-terminator=x"]) == 2
    assert cli.main([*words, "--quiet"]) == 0


@pytest.mark.parametrize("value", ["x", "-3", "1.5"])
def test_evidence_is_a_number(value, tmp_path, capsys):
    command = ["check", str(tmp_path), "--tokenizer", str(DEMO), f"--evidence={value}"]
    assert cli.main(command) == 2
    assert "--evidence takes a whole number" in capsys.readouterr().err


def test_no_evidence_may_be_wanted(rows, tmp_path, capsys):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    command = ["check", str(path), "--tokenizer", str(DEMO), "--evidence", "0", "--json"]
    assert cli.main(command) == 1
    assert json.loads(capsys.readouterr().out)["rules"]["missing-terminator"]["evidence"] == []


def test_explain_all_as_json(capsys):
    assert cli.main(["check", "--explain", "all", "--json"]) == 0
    assert [rule["name"] for rule in json.loads(capsys.readouterr().out)] == list(rules())


def test_explain_has_one_source(capsys):
    assert cli.main(["check", "--explain", "pad-equals-terminator"]) == 0
    out = capsys.readouterr().out
    assert "Cure:" in out
    assert "collator" in out
    assert cli.main(["check", "--explain", "all"]) == 0
    assert capsys.readouterr().out == page()
    assert (ROOT / "docs" / "rules.md").read_text("utf-8") == page()
    assert all(name in page() for name in rules())


def test_a_collated_batch(rows, stop):
    good = rows[:3]
    width = max(len(row["input_ids"]) for row in good)

    def padded(name, fill):
        return np.array([row[name] + [fill] * (width - len(row[name])) for row in good])

    batch = {
        "input_ids": padded("input_ids", stop),
        "labels": padded("labels", -100),
        "attention_mask": padded("input_ids", -1) != -1,
    }
    assert turnmill.check_batch(batch, DEMO).ok
    masked = {**batch, "labels": np.where(batch["input_ids"] == stop, -100, batch["labels"])}
    findings = turnmill.check_batch(masked, DEMO)
    assert findings.rules["terminator-masked"].count == 3
    with pytest.raises(DataError, match="input_ids"):
        turnmill.check_batch({"labels": [[1]]}, DEMO)
