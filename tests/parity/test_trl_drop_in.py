"""`turnmill.integrations.trl` against the preparation of TRL's `SFTTrainer`, row by row."""

from __future__ import annotations

import json
import pickle

import datasets
import pyarrow as pa
import pytest
from transformers import AutoTokenizer

import fixtures
import trl_preparation
import turnmill
from conversations import TOOLS, assistant, system, user
from fixtures import TOKENIZERS, spread, stops, template_text, tokenizer_dir
from oracle import Row, messages, sharegpt
from turnmill.errors import ArgumentError, DataError, RecipeError
from turnmill.integrations.trl import as_trl_prepares, lazy_sft_dataset, sft_dataset

CHAT = [user("Hi"), assistant(" I am\n"), user("And?"), assistant("\u4f60\U0001f600 no")]
ROWS = [
    {"messages": CHAT},
    {"messages": [system("Be brief."), *CHAT]},
    {"messages": [user("a<|im_end|>b"), assistant("c" * 90)]},
]
COMPLETIONS = [{"prompt": row["messages"][:-1], "completion": row["messages"][-1:]} for row in ROWS]
STRINGS = [
    {"prompt": "Say it: ", "completion": "it"},
    {"prompt": "Say ", "completion": " \u4f60"},
    {"prompt": "", "completion": "x"},
]


def chats(tokenizer, count=30):
    rows = [messages(row) for row in spread(fixtures.rows("demo-messages"), count)]
    rows += [sharegpt(row) for row in spread(fixtures.rows("demo-sharegpt"), count)]
    found = [row.messages for row in rows if isinstance(row, Row) and row.tools is None]
    return [{"messages": chat} for chat in found if renders(tokenizer, chat)]


def renders(tokenizer, chat):
    try:
        tokenizer.apply_chat_template(chat, tokenize=False)
    except Exception:  # noqa: BLE001 - templates raise anything
        return False
    return all(isinstance(message.get("content"), str) for message in chat)


def assert_same(rows, tokenizer, **keys):
    made = as_trl_prepares(datasets.Dataset.from_list(rows), tokenizer, **keys).train
    expected = list(trl_preparation.prepared(rows, tokenizer, **keys))
    assert [(row["input_ids"], row["labels"]) for row in made] == expected


@pytest.mark.parametrize("name", TOKENIZERS)
def test_conversations_answers_and_texts_as_trl_prepares_them(name):
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_dir(name))
    kept = [row for row in ROWS if renders(tokenizer, row["messages"])]
    assert_same(kept, tokenizer)
    assert_same(chats(tokenizer), tokenizer)
    answers = [{"prompt": row["messages"][:-1], "completion": row["messages"][-1:]} for row in kept]
    assert_same(answers, tokenizer)
    assert_same(answers, tokenizer, completion_only_loss=False)
    assert_same(STRINGS, tokenizer)
    assert_same([{"text": "a\nb"}, {"text": ""}, {"text": f"c{tokenizer.eos_token}"}], tokenizer)


TWINS = [
    ("small-qwen3", "trl.qwen3_training"),
    ("small-qwen3", "trl.qwen2_5_training"),
    ("small-llama-3.2-instruct", "trl.llama3_training"),
    ("small-phi-3-mini", "trl.phi3_training"),
    ("small-qwen3", "built-in/qwen3"),
    ("small-qwen3", "built-in/chatml"),
]


@pytest.mark.parametrize(("name", "template"), TWINS)
def test_assistant_only_loss_under_training_templates(name, template):
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_dir(name))
    keys = {"assistant_only_loss": True, "chat_template": template_text(template)}
    assert_same(ROWS[:2], tokenizer, **keys)
    assert_same(COMPLETIONS[:2], tokenizer, **keys)
    assert_same(COMPLETIONS[:2], tokenizer, completion_only_loss=False, **keys)


def test_tools_and_variables_of_rows():
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_dir("small-qwen3"))
    tools = json.dumps(TOOLS)
    rows = [
        {"messages": CHAT, "tools": tools, "chat_template_kwargs": {"enable_thinking": False}},
        {"messages": CHAT, "tools": None, "chat_template_kwargs": {"enable_thinking": True}},
        {"messages": CHAT[:2], "tools": tools, "chat_template_kwargs": {"enable_thinking": True}},
    ]
    assert_same(rows, tokenizer)


def test_assistant_only_loss_needs_assistants():
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_dir("small-qwen3"))
    with pytest.raises(ArgumentError, match="conversations"):
        as_trl_prepares(
            datasets.Dataset.from_list([{"text": "x"}]), tokenizer, assistant_only_loss=True
        )
    with pytest.raises(ArgumentError, match="no token of an assistant"):
        as_trl_prepares(
            datasets.Dataset.from_list([{"messages": CHAT[:1]}]),
            tokenizer,
            assistant_only_loss=True,
        )


def demo(tmp_path, count=60):
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_dir("small-qwen3"))
    rows = chats(tokenizer, count)
    file = tmp_path / "chats.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return tokenizer, rows, file


def test_the_written_set_is_what_prepare_writes_and_needs_no_preparation(tmp_path):
    tokenizer, rows, file = demo(tmp_path)
    made = sft_dataset(file, tmp_path / "out", tokenizer=tokenizer)
    encoder = turnmill.Encoder(tokenizer=tokenizer_dir("small-qwen3"))
    encoded = encoder.encode(rows).table
    assert made.train["input_ids"][:] == encoded["input_ids"].to_pylist()
    assert made.train["labels"][:] == encoded["labels"].to_pylist()
    assert made.train.column_names == ["input_ids", "labels"]
    assert made.config == {
        "max_length": None,
        "packing": False,
        "dataset_kwargs": {"skip_prepare_dataset": True},
    }
    stop = set(stops("small-qwen3"))
    for row in made.train:
        ends = [
            label
            for label, after in zip(row["labels"], [*row["labels"][1:], -100], strict=True)
            if label != -100 and after == -100
        ]
        assert ends
        assert set(ends) <= stop


def test_packed_rows_hold_every_sample_once_and_say_where_each_ends(tmp_path):
    tokenizer, _, file = demo(tmp_path)
    longest = 4096
    made = sft_dataset(
        file, tmp_path / "out", tokenizer=tokenizer, pack=longest, max_length=longest
    )
    assert made.config["padding_free"] is True
    assert made.config["packing"] is False
    assert made.model_kwargs == {"attn_implementation": "flash_attention_2"}
    single = datasets.load_from_disk(str(tmp_path / "out"))["input_ids"][:]
    found = []
    for row in made.train:
        assert sum(row["seq_lengths"]) == len(row["input_ids"]) <= longest
        start = 0
        for length in row["seq_lengths"]:
            found.append(row["input_ids"][start : start + length])
            assert row["labels"][start] == -100
            start += length
    assert sorted(found) == sorted(single)
    assert len(made.train) < len(single)


def test_a_validation_set(tmp_path):
    tokenizer, rows, file = demo(tmp_path)
    made = sft_dataset(file, tmp_path / "out", tokenizer=tokenizer, validation=0.3)
    assert len(made.train) + len(made.validation) == len(rows)
    assert len(made.validation)


@pytest.mark.parametrize("kind", ["file", "list", "table", "dataset"])
def test_the_lazy_set_has_the_samples_of_the_written_one(kind, tmp_path):
    tokenizer, rows, file = demo(tmp_path)
    given = {
        "file": file,
        "list": rows,
        "table": pa.Table.from_pylist(rows),
        "dataset": datasets.Dataset.from_list(rows),
    }[kind]
    made = lazy_sft_dataset(given, tokenizer=tokenizer)
    written = sft_dataset(file, tmp_path / "out", tokenizer=tokenizer).train
    assert len(made.train) == len(rows) == len(written)
    order = [5, 0, 0, len(rows) - 1]
    for number, row in zip(order, made.train.__getitems__(order), strict=True):
        assert row["input_ids"].tolist() == written[number]["input_ids"]
        assert row["labels"].tolist() == written[number]["labels"]
        assert row["labels"].dtype == "int64"
    assert made.train[3]["input_ids"].tolist() == written[3]["input_ids"]
    assert made.config["remove_unused_columns"] is False
    assert made.config["dataset_kwargs"] == {"skip_prepare_dataset": True}


def test_a_row_that_cannot_be_used_gives_way_to_the_next(tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_dir("small-qwen3"))
    good = [{"messages": [user(f"q{n}"), assistant(f"a{n}")]} for n in range(4)]
    bad = {"messages": [user("q"), assistant(None)]}
    file = tmp_path / "rows.jsonl"
    lines = [good[0], bad, bad, good[1], "", good[2], bad]
    text = "\ufeff" + "\r\n".join(json.dumps(line) if line else "  " for line in lines)
    file.write_text(text, "utf-8", newline="")
    train = lazy_sft_dataset(file, tokenizer=tokenizer).train
    assert len(train) == 6
    decoded = [tokenizer.decode(row["input_ids"]) for row in train]
    assert [text[text.index("q") + 1] for text in decoded] == ["0", "1", "1", "1", "2", "0"]
    transform = train.format["format_kwargs"]["transform"]
    assert sum(transform.counts.values()) == 3
    again = pickle.loads(pickle.dumps(train))
    assert again[0]["input_ids"].tolist() == train[0]["input_ids"].tolist()


def test_what_has_no_rows_by_number(tmp_path):
    _, rows, file = demo(tmp_path, 5)
    directory = tokenizer_dir("small-qwen3")
    array = tmp_path / "rows.json"
    array.write_text(json.dumps(rows))
    with pytest.raises(ArgumentError, match="no rows by number"):
        lazy_sft_dataset(array, tokenizer=directory)
    with pytest.raises(RecipeError, match="several samples"):
        lazy_sft_dataset(file, tokenizer=directory, history="expand")
    for nothing in ("\n\n", "\ufeff", "  "):
        (tmp_path / "empty.jsonl").write_text(nothing, "utf-8")
        with pytest.raises(DataError, match="no rows"):
            lazy_sft_dataset(tmp_path / "empty.jsonl", tokenizer=directory, schema="messages")
    only_bad = [{"messages": [user("q"), assistant(None)]}] * 3
    with pytest.raises(DataError, match="cannot be used"):
        _ = lazy_sft_dataset(only_bad, tokenizer=directory, schema="messages").train[0]
