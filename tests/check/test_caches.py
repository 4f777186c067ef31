"""Caches as other trainers leave them: every set of columns, container and ignore value."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import turnmill
from turnmill import cli
from turnmill.errors import DataError

DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"
STOP = 2
QUESTION = "<|im_start|>user\nHow are you?<|im_end|>\n<|im_start|>assistant\n"
ANSWERS = ["Fine, thank you.<|im_end|>", "Well.<|im_end|>", "I go on and on"]
"""The last one never ends."""


def rows():
    tokenizer = turnmill.Tokenizer(DEMO)
    made = []
    for answer in ANSWERS:
        prompt, target = (tokenizer.encode(text).tolist() for text in (QUESTION, answer))
        made.append((prompt + target, [-100] * len(prompt) + target))
    return made


def assert_one_endless(findings):
    assert findings.rows == 3
    assert [name for name, found in findings.rules.items() if found.severity == "error"] == [
        "missing-terminator"
    ]
    found = findings.rules["missing-terminator"]
    assert (found.count, found.rate) == (1, pytest.approx(1 / 3))
    place = found.evidence[0]
    assert (place["row"], place["turn"], place["message"]) == (2, 0, 1)


def llama_factory(ids, labels):
    mask = [1] * len(ids)
    return {"input_ids": ids, "attention_mask": mask, "labels": labels, "images": None}


def axolotl(ids, labels):
    return {
        "input_ids": ids,
        "labels": labels,
        "attention_mask": [1] * len(ids),
        "length": len(ids),
        "position_ids": list(range(len(ids))),
    }


def trl(ids, labels):
    return {
        "messages": [{"role": "user", "content": "How are you?"}],
        "input_ids": ids,
        "assistant_masks": [int(label != -100) for label in labels],
    }


def trl_completion(ids, labels):
    mask = [int(label != -100) for label in labels]
    return {"prompt": "p", "completion": "c", "input_ids": ids, "completion_mask": mask}


def megatron(ids, labels):
    """The mask of the next token, as Megatron stores it."""
    mask = [int(label != -100) for label in labels[1:]] + [0]
    return {"input_ids": ids, "loss_mask": mask, "seq_start_id": [0]}


SHAPES = [llama_factory, axolotl, trl, trl_completion, megatron]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_columns_of_each_trainer(shape, tmp_path):
    dataset = datasets.Dataset.from_list([shape(*row) for row in rows()])
    dataset.save_to_disk(str(tmp_path / "cache"))
    for data in (dataset, tmp_path / "cache"):
        assert_one_endless(turnmill.check(data, tokenizer=DEMO, max_length=999))


def test_a_cache_of_data_sets_below_a_directory(tmp_path):
    dataset = datasets.Dataset.from_list([axolotl(*row) for row in rows()])
    dataset.save_to_disk(str(tmp_path / "last_run_prepared" / "0123abcd"))
    assert_one_endless(
        turnmill.check(tmp_path / "last_run_prepared", tokenizer=DEMO, max_length=999)
    )


def test_the_files_that_map_leaves(tmp_path):
    made = rows()
    plain = datasets.Dataset.from_dict({"row": [0, 1, 2]})
    plain.map(
        lambda row: llama_factory(*made[row["row"]]),
        cache_file_name=str(tmp_path / "cache-0123.arrow"),
    )
    (tmp_path / "dataset_info.json").write_text(json.dumps({"features": {}}, indent=2))
    for data in (tmp_path / "cache-0123.arrow", tmp_path):
        assert_one_endless(turnmill.check(data, tokenizer=DEMO, max_length=999))


@pytest.mark.parametrize("kind", [pa.int32(), pa.int64(), pa.uint16(), pa.uint32()])
@pytest.mark.parametrize("list_of", [pa.list_, pa.large_list])
def test_every_width_of_ids(kind, list_of, tmp_path):
    ids = pa.array([ids for ids, _ in rows()], list_of(kind))
    labels = pa.array([labels for _, labels in rows()], list_of(pa.int64()))
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"input_ids": ids, "labels": labels}), path)
    assert_one_endless(turnmill.check(path, tokenizer=DEMO, max_length=999))


def with_ignored(value):
    made = rows()
    labels = [[value if label == -100 else label for label in labels] for _, labels in made]
    return pa.table({"input_ids": [ids for ids, _ in made], "labels": labels})


def test_another_negative_label_is_untrained_and_named():
    findings = turnmill.check(with_ignored(-1), tokenizer=DEMO, max_length=999)
    assert_one_endless(findings)
    found = findings.rules["other-ignore-label"]
    assert (found.rate, found.evidence[0]["note"]) == (1.0, "the label -1")
    told = turnmill.check(with_ignored(-1), tokenizer=DEMO, max_length=999, ignore_label=-1)
    assert_one_endless(told)
    assert "other-ignore-label" not in told.rules


def test_an_id_that_means_untrained_has_to_be_told(tmp_path, capsys):
    path = tmp_path / "rows.parquet"
    pq.write_table(with_ignored(0), path)
    words = ["check", str(path), "--tokenizer", str(DEMO), "--max-length", "999"]
    assert cli.main(words) == 1
    assert "add --ignore-label 0" in " ".join(capsys.readouterr().out.split())
    assert cli.main([*words, "--ignore-label", "0", "--json"]) == 1
    rules = json.loads(capsys.readouterr().out)["rules"]
    assert [name for name in rules if rules[name]["severity"] == "error"] == ["missing-terminator"]


def test_data_without_labels_says_so():
    findings = turnmill.check(pa.table({"input_ids": [ids for ids, _ in rows()]}), tokenizer=DEMO)
    assert any("no column says what is trained" in note for note in findings.facts["notes"])
    assert "prompt-in-loss" in findings.rules


def test_an_attention_mask_that_was_made_by_comparing_with_the_pad_id():
    """Two incidents: `input_ids.ne(pad)` where pad is eos leaves out the real terminators."""
    ids = [500, 501, STOP, 500, 501, STOP, STOP, STOP]
    row = {"input_ids": ids, "labels": [-100, 501, STOP, -100, 501, STOP, -100, -100]}

    def found(attended):
        findings = turnmill.check([{**row, "attention_mask": attended}], tokenizer=DEMO)
        assert findings.facts["turns"] == 2
        return findings.rules.get("pad-equals-terminator")

    broken = found([int(id_ != STOP) for id_ in ids])
    place = broken.evidence[0]
    assert (broken.count, place["row"], place["tokens"][2]["id"]) == (1, 0, STOP)
    assert "attention mask is 0" in place["note"]
    assert found([1, 1, 1, 1, 1, 1, 0, 0]) is None


def test_padding_of_rows_without_labels_is_no_text():
    rows = [{"input_ids": [500, 501, STOP, 0, 0], "attention_mask": [1, 1, 1, 0, 0]}]
    findings = turnmill.check(rows, tokenizer=DEMO)
    assert findings.ok
    assert "duplicate-terminator" not in findings.rules


@pytest.mark.parametrize("mask", ["loss_mask", "completion_mask", "assistant_masks"])
def test_labels_beside_a_mask_that_says_otherwise(mask):
    row = {"input_ids": [500, 501, STOP], "labels": [-100, 501, STOP]}
    rows = [{**row, mask: [0, 1, 1]}, {**row, mask: [0, 1, 0]}, {**row, mask: [1, 1, 1]}]
    notes = turnmill.check(rows, tokenizer=DEMO).facts["notes"]
    assert any("in 2 rows, first in row 1" in note for note in notes)
    notes = turnmill.check(rows[:1], tokenizer=DEMO).facts["notes"]
    assert not any("mask beside" in note for note in notes)


def test_a_mask_beside_labels_has_their_length():
    row = {"input_ids": [500, 501, STOP], "labels": [-100, 501, STOP], "loss_mask": [0, 1]}
    place = turnmill.check([row], tokenizer=DEMO).rules["length-mismatch"].evidence[0]
    assert "3 ids, but the mask gives 2" in place["note"]


def test_json_lines_with_a_broken_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps(llama_factory(*row)) for row in rows()]
    path.write_text("\n".join([lines[0], "{broken", *lines[1:]]))
    findings = turnmill.check(path, tokenizer=DEMO, max_length=999)
    assert findings.rows == 3
    place = findings.rules["invalid-json"].evidence[0]
    assert (place["row"], place["line"]) == (None, 2)


@pytest.mark.parametrize(
    ("line", "note"),
    [
        ('{"input_ids": "abc", "labels": [1]}', "`input_ids` is not a list of integers"),
        ('{"input_ids": [1, "2"], "labels": [1, 2]}', "`input_ids` is not a list of integers"),
        ('{"input_ids": [1], "labels": 1}', "`labels` is not a list of integers"),
        ("[1, 2]", "the row is not an object"),
    ],
)
def test_json_that_is_no_tokenized_row_is_named_and_ends_nothing(tmp_path, line, note):
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps(llama_factory(*row)) for row in rows()]
    path.write_text("\n".join([lines[0], line, *lines[1:]]))
    findings = turnmill.check(path, tokenizer=DEMO, max_length=999)
    assert findings.rows == 4
    found = findings.rules["schema-mismatch"]
    place = found.evidence[0]
    assert (found.count, found.rate) == (1, 0.25)
    assert (place["row"], place["line"], place["note"]) == (1, 2, note)


def test_rows_are_counted_in_their_file(tmp_path):
    """Also in a split of a `datasets` directory."""
    good = [{"input_ids": ids, "labels": labels} for ids, labels in rows()[:2]]
    bad = {name: good[1][name][:-1] for name in ("input_ids", "labels")}
    pq.write_table(pa.Table.from_pylist(good), tmp_path / "one.parquet")
    pq.write_table(pa.Table.from_pylist([good[0], bad]), tmp_path / "two.parquet")
    files = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    splits = datasets.DatasetDict(
        train=datasets.Dataset.from_list(good), test=datasets.Dataset.from_list([good[0], bad])
    )
    splits.save_to_disk(str(tmp_path / "splits"))
    for data, name in [
        (files, str(files[1])),
        (splits, "test"),
        (tmp_path / "splits", str(tmp_path / "splits" / "test")),
    ]:
        findings = turnmill.check(data, tokenizer=DEMO, max_length=999)
        place = findings.rules["missing-terminator"].evidence[0]
        assert (place["row"], place["file"]) == (1, name)
        assert findings.rows == 4


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet"])
def test_data_without_rows_is_not_ok(tmp_path, name, capsys):
    path = tmp_path / name
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"input_ids": pa.array([], pa.list_(pa.int32()))}), path)
    else:
        path.write_text("")
    assert cli.main(["check", str(path), "--tokenizer", str(DEMO)]) == 1
    assert "no rows" in capsys.readouterr().err


def test_raw_json_lines_whose_first_line_is_broken(tmp_path):
    path = tmp_path / "rows.jsonl"
    row = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "A"}]}
    path.write_text("{broken\n" + json.dumps(row) + "\n")
    findings = turnmill.check(path, tokenizer=DEMO)
    assert (findings.rows, findings.rules["invalid-json"].evidence[0]["line"]) == (2, 1)


def test_a_torch_like_batch_needs_no_torch():
    """What DataCollatorForSeq2Seq gives as numpy: padded rows, the pad token is the stop token."""
    import numpy as np
    from transformers import DataCollatorForSeq2Seq, PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(DEMO / "tokenizer.json"))
    tokenizer.eos_token = tokenizer.pad_token = "<|im_end|>"
    features = [{"input_ids": ids, "labels": labels} for ids, labels in rows()[:2]]
    collator = DataCollatorForSeq2Seq(tokenizer, return_tensors="np")
    batch = collator(features)
    assert batch["input_ids"].shape == batch["labels"].shape
    findings = turnmill.check_batch(batch, DEMO)
    assert (findings.ok, findings.rows, findings.facts["turns"]) == (True, 2, 2)
    masked = dict(batch, labels=np.where(batch["input_ids"] == STOP, -100, batch["labels"]))
    findings = turnmill.check_batch(masked, DEMO)
    assert findings.rules["terminator-masked"].count == 2


def packed():
    (first, one), (second, two), _ = rows()
    return first + second, one + two, [len(first), len(second)]


@pytest.mark.parametrize("kind", ["position_ids", "seq_lengths", "cu_seqlens"])
def test_a_packed_batch_keeps_its_boundaries(kind):
    ids, labels, lengths = packed()
    boundaries = {
        "position_ids": [[at for length in lengths for at in range(length)]],
        "seq_lengths": [lengths],
        "cu_seqlens": [[0, lengths[0], sum(lengths)]],
    }
    batch = {"input_ids": [ids], "labels": [labels], kind: boundaries[kind]}
    findings = turnmill.check_batch(batch, DEMO)
    assert (findings.ok, findings.facts["documents"], findings.facts["turns"]) == (True, 2, 2)
    labels = [-100 if id_ == STOP else label for id_, label in zip(ids, labels, strict=True)]
    findings = turnmill.check_batch({**batch, "labels": [labels]}, DEMO)
    place = findings.rules["terminator-masked"].evidence[1]
    assert (place["row"], place["document"], place["turn"]) == (0, 1, 0)


def test_the_flat_boundaries_of_a_flattened_batch():
    """cu_seqlens as flash attention takes it: one vector beside one row."""
    ids, labels, lengths = packed()
    batch = {"input_ids": [ids], "labels": [labels], "cu_seqlens": [0, lengths[0], sum(lengths)]}
    assert turnmill.check_batch(batch, DEMO).facts["documents"] == 2


@pytest.mark.parametrize("array", ["numpy", "tuple"])
def test_rows_in_memory_may_hold_arrays(array):
    import numpy as np

    made = {"numpy": np.array, "tuple": tuple}[array]
    data = [{"input_ids": made(ids), "labels": made(labels)} for ids, labels in rows()]
    assert_one_endless(turnmill.check(data, tokenizer=DEMO, max_length=999))
    broken = [{**data[0], "labels": np.array([data[0]["labels"]])}, *data[1:]]
    found = turnmill.check(broken, tokenizer=DEMO, max_length=999).rules["schema-mismatch"]
    assert (found.count, found.evidence[0]["row"]) == (1, 0)


@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_a_mask_of_floats_in_lists(weight, tmp_path):
    data = [
        {"input_ids": ids, "loss_mask": [weight * (label != -100) for label in labels]}
        for ids, labels in rows()
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in data))
    for given in (data, path):
        assert_one_endless(turnmill.check(given, tokenizer=DEMO, max_length=999))


@pytest.mark.parametrize(
    ("labels", "said"),
    [(None, "are None"), ([[1, 2], None], "`labels`"), ([[1, 2], ["a"]], "`labels`")],
)
def test_the_labels_of_a_batch_that_are_none(labels, said):
    with pytest.raises(DataError, match=said) as raised:
        turnmill.check_batch({"input_ids": [[500, STOP], [500, STOP]], "labels": labels}, DEMO)
    assert (raised.value.code, bool(raised.value.hint)) == ("schema-mismatch", True)
    batch = {"input_ids": [[500, STOP]], "labels": [[500, STOP]], "position_ids": None}
    assert turnmill.check_batch(batch, DEMO).rows == 1
