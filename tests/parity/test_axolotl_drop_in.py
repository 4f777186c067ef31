"""`turnmill.integrations.axolotl`: configurations as they are, and Axolotl's own labels.

`tests/trainers/test_axolotl.py` compares the labels with Axolotl itself; here they are read.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer

import turnmill
from conversations import assistant, system, user
from fixtures import tokenizer_dir
from turnmill.errors import DataError
from turnmill.integrations.axolotl import as_axolotl_prepares, dataset_inputs, recipe_keys

NAME = "small-qwen3"
CHAT = [user("Hi"), assistant("Yo"), user("And?"), assistant("Nothing.")]


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(tokenizer_dir(NAME))


def written(tmp_path, rows, **options):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    return {"path": str(path), "type": "chat_template", **options}


def config_of(*entries, **rest):
    return {"base_model": str(tokenizer_dir(NAME)), "datasets": list(entries), **rest}


def encoded(config):
    keys = recipe_keys(config)
    return turnmill.Encoder(history="as-rendered", **keys).encode(dataset_inputs(config))


def trained(found, tokenizer, row=0):
    labels = found["labels"][row]
    ids = found["input_ids"][row]
    assert all(label in (-100, id_) for label, id_ in zip(labels, ids, strict=True))
    return tokenizer.decode([label for label in labels if label != -100])


def test_a_configuration_of_plain_rows(tmp_path, tokenizer):
    config = config_of(written(tmp_path, [{"messages": CHAT}]), sequence_len=512, val_set_size=0.1)
    assert recipe_keys(config) == {
        "train_on": "assistant",
        "tokenizer": str(tokenizer_dir(NAME)),
        "max_length": 512,
        "validation": 0.1,
    }
    found = encoded(config).table.to_pydict()
    assert found["input_ids"] == [tokenizer.apply_chat_template(CHAT, return_dict=False)]
    assert trained(found, tokenizer) == "Yo<|im_end|>Nothing.<|im_end|>"


def test_names_roles_and_flags_of_messages(tmp_path, tokenizer):
    talk = [
        {"from": "human", "value": "Hi"},
        {"from": "gpt", "value": "Yo", "train": False},
        {"from": "client", "value": "And?"},
        {"from": "gpt", "value": "Nothing."},
    ]
    entry = written(
        tmp_path,
        [{"talk": talk}],
        field_messages="talk",
        message_property_mappings={"role": "from", "content": "value"},
        message_field_training="train",
        roles={"user": ["human", "client"], "assistant": ["gpt"]},
        roles_to_train=["gpt"],
    )
    found = encoded(config_of(entry)).table.to_pydict()
    assert found["input_ids"] == [tokenizer.apply_chat_template(CHAT, return_dict=False)]
    assert trained(found, tokenizer) == "Nothing.<|im_end|>"


def test_several_files_are_several_inputs(tmp_path):
    entry = written(tmp_path, [{"messages": CHAT}])
    other = tmp_path / "other.jsonl"
    other.write_bytes(Path(entry["path"]).read_bytes())
    config = config_of(entry | {"data_files": [entry["path"], str(other)]})
    assert [input_.path for input_ in dataset_inputs(config)] == [entry["path"], str(other)]
    run = turnmill.prepare(dataset_inputs(config), tmp_path / "out", **recipe_keys(config))
    assert (run.rows, run.samples) == (2, 2)


def test_a_configuration_without_data_sets():
    with pytest.raises(DataError, match="no data sets under `datasets`"):
        recipe_keys({"datasets": []})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shards": 4}, "shards is not read"),
        ({"chat_template_jinja": "missing.jinja"}, "missing.jinja: No such file"),
    ],
)
def test_what_its_own_labels_do_not_read(tokenizer, options, message):
    with pytest.raises(DataError, match=message):
        as_axolotl_prepares([{"messages": CHAT}], tokenizer, options)


def test_the_file_is_yaml(tmp_path):
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    config = config_of(written(tmp_path, [{"messages": CHAT}]))
    file = tmp_path / "config.yml"
    file.write_text(yaml.safe_dump(config), "utf-8")
    assert dataset_inputs(file) == dataset_inputs(config)
    assert recipe_keys(file) == recipe_keys(config)
    file.write_text("datasets: [", "utf-8")
    with pytest.raises(DataError, match="not YAML"):
        dataset_inputs(file)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"type": "alpaca"}, "its type is 'alpaca'"),
        ({"path": "tatsu-lab/alpaca"}, "not a file here"),
        ({"split": "train[:10]"}, r"split: train\[:10\] of"),
        ({"split": "test"}, "split: test of"),
        ({"train_on_eos": "last"}, "train_on_eos: last"),
        ({"message_field_training": "keep"}, "message_field_training: keep"),
        ({"message_field_training_detail": "detail"}, "message_field_training_detail is not read"),
        ({"message_property_mappings": {"role": "role", "name": "who"}}, "the field who"),
    ],
)
def test_what_is_not_read_is_said(tmp_path, options, message):
    entry = written(tmp_path, [{"messages": CHAT}]) | options
    with pytest.raises(DataError, match=message):
        dataset_inputs(config_of(entry))


@pytest.mark.parametrize(
    ("rest", "options", "message"),
    [
        ({"train_on_inputs": True}, {}, "train_on_inputs"),
        ({"val_set_size": 500}, {}, "val_set_size: 500 is a number of rows"),
        ({}, {"roles_to_train": []}, "roles_to_train is empty"),
        ({"chat_template": "llama3"}, {}, "a template of Axolotl's own"),
    ],
)
def test_keys_that_a_recipe_does_not_have(tmp_path, rest, options, message):
    entry = written(tmp_path, [{"messages": CHAT}]) | options
    with pytest.raises(DataError, match=message):
        recipe_keys(config_of(entry, **rest))


def test_data_sets_that_train_other_roles(tmp_path):
    entry = written(tmp_path, [{"messages": CHAT}])
    with pytest.raises(DataError, match="differs between the data sets"):
        recipe_keys(config_of(entry, {**entry, "roles_to_train": ["user"]}))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "Yo<|im_end|>Nothing.<|im_end|>"),
        ({"train_on_eos": "none"}, "YoNothing."),
        ({"train_on_eos": "last"}, "YoNothing.<|im_end|>"),
        ({"roles_to_train": ["user"]}, "Hi<|im_end|>And?<|im_end|>"),
        (
            {"train_on_eos": "all"},
            "<|im_end|><|im_end|>Yo<|im_end|><|im_end|>Nothing.<|im_end|>",
        ),
    ],
)
def test_ends_are_trained_as_there(tokenizer, options, text):
    rows = [{"messages": [system("Be brief."), *CHAT]}]
    found = as_axolotl_prepares(rows, tokenizer, options)
    assert trained(found, tokenizer) == text
    assert found["attention_mask"][0] == [1] * len(found["input_ids"][0])


def test_parts_of_a_turn(tokenizer):
    text = "Let me think. The answer is 4."
    detail = [
        {"begin_offset": 0, "end_offset": 12, "train": False},
        {"begin_offset": 13, "end_offset": len(text) - 1, "train": True},
    ]
    parts = [{"text": text[:13], "train": False}, {"text": text[13:], "weight": 1}]
    rows = [
        {"messages": [user("2+2"), {**assistant(text), "detail": detail}]},
        {"messages": [user("2+2"), {"role": "assistant", "content": parts}]},
    ]
    found = as_axolotl_prepares(rows, tokenizer, {"message_field_training_detail": "detail"})
    assert trained(found, tokenizer, 0) == " The answer is 4.<|im_end|>"
    assert found["labels"][0] == found["labels"][1]


def test_a_row_without_messages(tokenizer):
    with pytest.raises(DataError, match="no list `messages`"):
        as_axolotl_prepares([{"text": "a"}], tokenizer)
