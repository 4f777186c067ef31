"""The drop-in for Chinese-LLaMA-Alpaca-3 against its scripts, row by row and type by type."""

from __future__ import annotations

import json
import logging
import re
import shutil
from typing import Any

import datasets
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

import alpaca3_script as script
import turnmill
from fixtures import both, rows, spread, token_id, tokenizer_dir
from turnmill.compat.chinese_llama_alpaca_3 import (
    build_instruction_dataset,
    build_pretraining_dataset,
)
from turnmill.errors import DataError, TokenizerError

DATA = ("demo-alpaca", "ruozhiba_gpt4t_zh.json.zst")
CASES = list(zip(both("llama-3.2-instruct"), DATA, strict=True))
KEYS = ("instruction", "input", "output")


@pytest.fixture(scope="module", params=CASES, ids=[name for name, _ in CASES])
def case(request):
    """A tokenizer by its name, the one of transformers, and rows."""
    name, data = request.param
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_dir(name))
    chosen = [{key: row[key] for key in KEYS} for row in spread(rows(data), 300)]
    return name, tokenizer, chosen


def written(path, rows):
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    return path


def assert_same(ours, theirs):
    assert ours.features == theirs.features
    assert ours.column_names == theirs.column_names
    assert ours.data.table.combine_chunks() == theirs.with_format(None).data.table.combine_chunks()


def theirs_of(files, tokenizer, length, tmp_path, **options):
    return script.instruction_dataset(files, tokenizer, length, tmp_path / "theirs", **options)


@pytest.mark.parametrize("length", [96, 512])
def test_it_equals_the_script_bit_by_bit(case, length, tmp_path):
    _, tokenizer, chosen = case
    half = len(chosen) // 2
    files = [
        written(tmp_path / "z.json", [{**row, "id": at} for at, row in enumerate(chosen[:half])]),
        written(tmp_path / "a.json", [{**row, "tag": "x"} for row in chosen[half:]]),
    ]
    ours = build_instruction_dataset(files, tokenizer, length, compat=True)
    assert_same(ours, theirs_of(files, tokenizer, length, tmp_path))
    again = build_instruction_dataset(files, tokenizer, length, tmp_path / "x", 1, compat=True)
    assert again.data.table.combine_chunks() == ours.data.table.combine_chunks()


ODD = [
    {"instruction": "{a} {{b}}\r\n", "input": " ", "output": "  x \n"},
    {"instruction": "\nHello", "input": "\n\nthere", "output": "\nHello"},
    {"instruction": "a<|eot_id|>b", "input": "", "output": "c<|eot_id|>"},
    {"instruction": None, "input": "", "output": None},
    {"instruction": "", "input": None, "output": ""},
    {"instruction": "long " * 200, "input": "", "output": "never"},
]


@pytest.mark.parametrize(
    "chosen",
    [
        ODD,
        [{"instruction": "when?", "input": "", "output": "2024-05-30"}],
        [{"instruction": 1, "input": "", "output": True}, {"instruction": 2, "output": False}],
        [{"instruction": "a", "input": None, "output": 1}, {"instruction": "b", "output": 1.5}],
        [{"instruction": "a", "input": "", "output": ["x", "it's"]}],
        [{"instruction": "a", "input": "", "output": {"k": [None, "v"]}}],
        [{"history": [["q", "a"]], "instruction": "a", "input": "", "output": "b", "n": 1}],
        [{"labels": "old", "instruction": "a", "input": "", "output": "b", "n": 1}],
    ],
)
def test_odd_values_become_what_python_makes_of_them(chosen, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_dir("small-llama-3.2-instruct"))
    file = written(tmp_path / "odd.json", chosen)
    ours = build_instruction_dataset(file, tokenizer, 120, compat=True)
    assert_same(ours, theirs_of([file], tokenizer, 120, tmp_path))


@pytest.mark.parametrize(
    ("chosen", "raised"),
    [
        ([{"instruction": None, "input": "x", "output": "y"}], TypeError),
        ([{"instruction": 1, "input": 2, "output": "y"}], TypeError),
        ([{"instruction": "x", "output": "y"}], ValueError),
        ([], Exception),
    ],
)
def test_what_the_script_cannot_do_it_cannot_do_either(chosen, raised, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_dir("small-llama-3.2-instruct"))
    file = written(tmp_path / "odd.json", chosen)
    with pytest.raises(raised):
        theirs_of([file], tokenizer, 120, tmp_path)
    with pytest.raises(raised):
        build_instruction_dataset(file, tokenizer, 120, compat=True)


TEXT = st.text(st.sampled_from("ab {}\n\r\u00e9\u4f60<|>_eot1-"), max_size=12) | st.sampled_from(
    ["<|eot_id|>", "2024-05-30", "<|start_header_id|>", "\u2028", "1e5"]
)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.fixed_dictionaries(
            {"instruction": TEXT, "input": TEXT | st.none(), "output": TEXT | st.none()}
        ),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 90),
)
def test_any_texts(tmp_path_factory, chosen, length):
    directory = tmp_path_factory.mktemp("any")
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_dir("small-llama-3.2-instruct"))
    file = written(directory / "rows.json", chosen)
    try:
        theirs = theirs_of([file], tokenizer, length, directory)
    except TypeError as error:
        # A column in which every text is a date is read as dates, which join no other text.
        with pytest.raises(TypeError, match=re.escape(str(error))):
            build_instruction_dataset(file, tokenizer, length, compat=True)
    else:
        assert_same(build_instruction_dataset(file, tokenizer, length, compat=True), theirs)
    shutil.rmtree(directory)


def test_a_token_that_was_added_after_loading_counts(tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_dir("small-llama-3.2-instruct"))
    file = written(tmp_path / "a.json", [{"instruction": "<new>", "input": "", "output": "<new>"}])
    before = build_instruction_dataset(file, tokenizer, 99, compat=True)
    tokenizer.add_tokens(["<new>"])
    after = build_instruction_dataset(file, tokenizer, 99, compat=True)
    assert_same(after, theirs_of([file], tokenizer, 99, tmp_path))
    assert len(after[0]["input_ids"]) < len(before[0]["input_ids"])


def test_the_contract_holds_by_default_and_clean_rows_are_the_same(case, tmp_path, caplog):
    name, tokenizer, chosen = case
    file = written(tmp_path / "a.json", chosen)
    exact = build_instruction_dataset(file, tokenizer, 1 << 20, compat=True).with_format(None)
    limit = sorted(len(ids) for ids in exact["input_ids"])[-20]
    fit = [row for row in exact if len(row["input_ids"]) <= limit]
    with caplog.at_level(logging.WARNING):
        ours = build_instruction_dataset(tmp_path, tokenizer, limit)
    findings = turnmill.check(ours.with_format(None), tokenizer=tokenizer_dir(name))
    assert findings.rules.keys().isdisjoint({"truncated-terminator", "missing-terminator"})
    assert len(ours) == len(fit) < len(chosen)
    assert f"overlong-sample ({len(chosen) - len(fit)})" in caplog.text
    end = token_id(name, "<|eot_id|>")
    for mine, other in zip(ours.with_format(None), fit, strict=True):
        assert mine["labels"][-1] == end
        assert mine["input_ids"] == other["input_ids"]
        assert mine["labels"] == other["labels"]


def test_equal_to_the_script_means_that_its_faults_are_told(tmp_path, caplog):
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_dir("small-llama-3.2-instruct"))
    chosen = [{"instruction": "a", "input": "", "output": "b " * 400}]
    file = written(tmp_path / "a.json", chosen)
    build_instruction_dataset(file, tokenizer, 400, compat=True)
    assert "truncated-terminator (1)" in caplog.text


def test_no_stale_and_no_shared_cache(tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_dir("small-llama-3.2-instruct"))

    def answers(files, **options):
        built = build_instruction_dataset(files, tokenizer, 200, **options).with_format(None)
        ids = [[id_ for id_ in row["labels"] if id_ != -100][:-1] for row in built]
        return tokenizer.batch_decode(ids)

    def one(path, answer):
        return written(path, [{"instruction": "q", "input": "", "output": answer}])

    same_name = [
        one(tmp_path / "x" / "train.json", "one"),
        one(tmp_path / "y" / "train.json", "two"),
    ]
    same_stem = [one(tmp_path / "d.v1.json", "three"), one(tmp_path / "d.v2.json", "four")]
    for compat in (True, False):
        assert answers(same_name, compat=compat) == ["one", "two"]
        assert answers(same_stem, compat=compat) == ["three", "four"]
        assert answers(same_stem[::-1], compat=compat) == ["four", "three"]
        edited = one(tmp_path / "edited.json", "before")
        assert answers(edited, compat=compat) == ["before"]
        assert answers(one(edited, "after"), compat=compat) == ["after"]
        kept = sorted(tmp_path.rglob("*"))
        assert answers(edited, compat=compat) == ["after"]
        assert sorted(tmp_path.rglob("*")) == kept


def test_a_cache_of_the_script_beside_the_data_is_not_read(tmp_path):
    """Its directory loads as it is: the old cache there is neither used nor taken for data."""
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_dir("small-llama-3.2-instruct"))
    chosen = [{"instruction": "q", "input": "", "output": "new"}]
    written(tmp_path / "train.json", chosen)
    (tmp_path / "notes.txt").write_text("not data")
    old = datasets.Dataset.from_dict({"input_ids": [[1]], "labels": [[1]]})
    datasets.DatasetDict(train=old).save_to_disk(str(tmp_path / "train_200"))
    for compat in (True, False):
        built = build_instruction_dataset(tmp_path, tokenizer, 200, compat=compat)
        assert len(built) == 1
        assert len(built.with_format(None)[0]["input_ids"]) > 1


@pytest.mark.parametrize(("workers", "length"), [(None, 7), (1, 64), (3, 64), (None, 100_000)])
def test_pretraining_equals_the_script(case, workers, length, tmp_path):
    _, tokenizer, chosen = case
    texts = [row["output"] for row in chosen] * 4
    files = [tmp_path / "a.txt", tmp_path / "b.txt"]
    files[0].write_text("\n".join(texts), "utf-8", newline="")
    files[1].write_text("one\r\n\n  two \rthree", "utf-8", newline="")
    ours = build_pretraining_dataset(files, tokenizer, length, None, workers, compat=True)
    cache = tmp_path / "theirs"
    assert_same(ours, script.pretraining_dataset(files, tokenizer, length, cache, workers))


def test_pretraining_with_the_contract_ends_every_document_and_loses_only_the_rest(case, tmp_path):
    name, tokenizer, _ = case
    lines = [f"document {number}" for number in range(30_000 if name[:5] != "small" else 300)]
    file = tmp_path / "a.txt"
    file.write_text("\n\n".join(lines), "utf-8")
    built = build_pretraining_dataset(file, tokenizer, 32).with_format(None)
    table = built.data.table
    ids = table.column("input_ids").combine_chunks().flatten()
    encoder = turnmill.Encoder(tokenizer=tokenizer_dir(name), schema="text")
    documents = encoder.encode([{"text": line} for line in lines]).table.column("input_ids")
    whole = pa.concat_arrays(documents.chunks).flatten()
    assert ids.to_pylist() == whole[: len(whole) // 32 * 32].to_pylist()
    assert documents[0].as_py()[-1] == tokenizer.eos_token_id
    assert table.column("labels").combine_chunks().flatten().cast(pa.int32()).equals(ids)
    assert {len(row) for row in built["input_ids"]} == {32}


def test_errors_name_what_is_wrong(tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_dir("small-llama-3.2-instruct"))
    with pytest.raises(FileNotFoundError):
        build_instruction_dataset(tmp_path / "none.json", tokenizer, 10)
    nothing: list[Any] = [[], tmp_path]
    for none in nothing:
        with pytest.raises(DataError, match="files"):
            build_instruction_dataset(none, tokenizer, 10)
    file = written(tmp_path / "a.json", [{"instruction": "a", "input": "", "output": "b"}])
    other = AutoTokenizer.from_pretrained(tokenizer_dir("small-qwen3"))
    with pytest.raises(TokenizerError, match="eot_id"):
        build_instruction_dataset(file, other, 10)
    with pytest.raises(TokenizerError, match="no fast tokenizer"):
        build_instruction_dataset(file, object(), 10)
    (tmp_path / "short.txt").write_text("few")
    with pytest.raises(DataError, match="100 tokens of one block"):
        build_pretraining_dataset(tmp_path / "short.txt", tokenizer, 100)
