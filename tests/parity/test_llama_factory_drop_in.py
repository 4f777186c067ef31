"""`dataset_info.json` of LLaMA-Factory 0.9.5, read as it is.

What its converters make of a row is told here again in our own words: which columns and tags are
read, and how a question is put together. The conversation then goes through transformers' template.
"""

from __future__ import annotations

import json

import pytest
from transformers import AutoTokenizer

import turnmill
from fixtures import data_text, tokenizer_dir
from turnmill.errors import DataError
from turnmill.integrations.llama_factory import dataset_inputs

NAME = "small-qwen3"


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(tokenizer_dir(NAME))


def described(tmp_path, rows, **entry):
    (tmp_path / "rows.json").write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    info = {"other": {"hf_hub_url": "a/b"}, "ours": {"file_name": "rows.json", **entry}}
    (tmp_path / "dataset_info.json").write_text(json.dumps(info), "utf-8")
    return dataset_inputs(tmp_path, "ours")


def encoded(inputs, **keys):
    recipe = {"tokenizer": tokenizer_dir(NAME), "history": "as-rendered", **keys}
    return turnmill.Encoder(**recipe).encode(inputs)


def assert_reads(tokenizer, inputs, conversations, **keys):
    """The inputs give the ids of these conversations, and train their answers."""
    found = encoded(inputs, **keys)
    assert found.rejects.num_rows == 0, found.rejects.to_pylist()
    expected = tokenizer.apply_chat_template(conversations, return_dict=False)
    assert found.table["input_ids"].to_pylist() == expected


def question(*texts):
    return {"role": "user", "content": "\n".join(text for text in texts if text)}


def answer(text):
    return {"role": "assistant", "content": text}


ALPACA = [
    {"instruction": "Add.", "input": "2+3", "output": "5", "system": "unread", "extra": 1},
    {"instruction": "Say hi.", "input": "", "output": "hi"},
]


def test_alpaca_without_columns_reads_three_of_them(tmp_path, tokenizer):
    inputs = described(tmp_path, ALPACA)
    chats = [[question(r["instruction"], r["input"]), answer(r["output"])] for r in ALPACA]
    assert_reads(tokenizer, inputs, chats)


def test_alpaca_columns_are_what_is_read_and_nothing_else(tmp_path, tokenizer):
    rows = [
        {"q": "Add.", "input": "unread", "a": "5", "sys": "Be brief.", "past": [["1", "one"]]},
        {"q": "Say.", "input": "unread", "a": "hi", "sys": "", "past": []},
    ]
    columns = {"prompt": "q", "response": "a", "system": "sys", "history": "past"}
    chats = [
        [
            {"role": "system", "content": "Be brief."},
            question("1"),
            answer("one"),
            question("Add."),
            answer("5"),
        ],
        [question("Say."), answer("hi")],
    ]
    assert_reads(tokenizer, described(tmp_path, rows, columns=columns), chats)


def test_alpaca_columns_that_swap_names(tmp_path, tokenizer):
    rows = [{"output": "question", "instruction": "answer"}]
    inputs = described(tmp_path, rows, columns={"prompt": "output", "response": "instruction"})
    assert_reads(tokenizer, inputs, [[question("question"), answer("answer")]])


SHAREGPT = [
    {
        "conversations": [
            {"from": "human", "value": "Hi"},
            {"from": "gpt", "value": "Yo"},
            {"from": "human", "value": "And?"},
            {"from": "gpt", "value": "Nothing."},
        ],
        "system": "unread",
    }
]
CHAT = [question("Hi"), answer("Yo"), question("And?"), answer("Nothing.")]


def test_sharegpt_without_columns(tmp_path, tokenizer):
    assert_reads(tokenizer, described(tmp_path, SHAREGPT, formatting="sharegpt"), [CHAT])


def test_sharegpt_with_columns_and_tags(tmp_path, tokenizer):
    rows = [
        {
            "talk": [
                {"who": "sys", "what": "Be brief."},
                {"who": "client", "what": "Hi"},
                {"who": "bot", "what": "Yo"},
                {"who": "client", "what": "And?"},
                {"who": "bot", "what": "Nothing."},
            ]
        }
    ]
    tags = {
        "role_tag": "who",
        "content_tag": "what",
        "user_tag": "client",
        "assistant_tag": "bot",
        "system_tag": "sys",
    }
    inputs = described(
        tmp_path, rows, formatting="sharegpt", columns={"messages": "talk"}, tags=tags
    )
    assert_reads(tokenizer, inputs, [[{"role": "system", "content": "Be brief."}, *CHAT]])


def test_openai_with_tags(tmp_path, tokenizer):
    rows = [{"messages": CHAT}]
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user"}
    tags |= {"assistant_tag": "assistant", "system_tag": "system"}
    inputs = described(
        tmp_path, rows, formatting="openai", columns={"messages": "messages"}, tags=tags
    )
    assert_reads(tokenizer, inputs, [CHAT])


def test_calls_and_results_under_tags_of_their_own(tmp_path):
    calls = json.dumps({"name": "add", "arguments": {"a": 2}})
    tools = json.dumps([{"name": "add", "description": "Adds.", "parameters": {}}])
    plain = [
        {"from": "human", "value": "2+3"},
        {"from": "function_call", "value": calls},
        {"from": "observation", "value": "5"},
        {"from": "gpt", "value": "It is 5."},
    ]
    renamed = {"human": "u", "function_call": "f", "observation": "o", "gpt": "a"}
    rows = [{"talk": [{**m, "from": renamed[m["from"]]} for m in plain], "t": tools}]
    inputs = described(
        tmp_path,
        rows,
        formatting="sharegpt",
        columns={"messages": "talk", "tools": "t"},
        tags={
            "role_tag": "from",
            "content_tag": "value",
            "user_tag": "u",
            "assistant_tag": "a",
            "observation_tag": "o",
            "function_tag": "f",
        },
    )
    expected = encoded([{"conversations": plain, "tools": tools}], schema="sharegpt")
    assert expected.table.num_rows == 1
    found = encoded(inputs)
    assert found.rejects.to_pylist() == []
    assert found.table["input_ids"].to_pylist() == expected.table["input_ids"].to_pylist()
    assert found.table["labels"].to_pylist() == expected.table["labels"].to_pylist()


def test_ranking_and_kto(tmp_path):
    pair = {"instruction": "Add.", "input": "2+3", "good": "5", "bad": "4", "output": "unread"}
    columns = {"prompt": "instruction", "query": "input", "chosen": "good", "rejected": "bad"}
    inputs = described(tmp_path, [pair], ranking=True, columns=columns)
    own = [{"instruction": "Add.", "input": "2+3", "chosen": "5", "rejected": "4"}]
    found, expected = encoded(inputs), encoded(own, schema="preference")
    assert found.table.num_rows == 1
    assert found.table.drop(["row"]) == expected.table.drop(["row"])
    talk = [{"from": "human", "value": "2+3"}]
    row = {"conversations": talk, "chosen": {"from": "gpt", "value": "5"}}
    row["rejected"] = {"from": "gpt", "value": "4"}
    inputs = described(
        tmp_path,
        [row],
        formatting="sharegpt",
        ranking=True,
        columns={"messages": "conversations", "chosen": "chosen", "rejected": "rejected"},
    )
    expected = encoded([row], schema="preference")
    assert encoded(inputs).table.drop(["row"]) == expected.table.drop(["row"])
    judged = [{"messages": CHAT[:2], "good": True}, {"messages": CHAT[:2], "good": False}]
    inputs = described(
        tmp_path,
        judged,
        formatting="sharegpt",
        columns={"messages": "messages", "kto_tag": "good"},
        tags={
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
        },
    )
    assert encoded(inputs).table["label"].to_pylist() == [True, False]


def test_num_samples_is_the_most_rows(tmp_path):
    inputs = described(tmp_path, ALPACA * 5, num_samples=3)
    run = turnmill.prepare(inputs, tmp_path / "out", tokenizer=tokenizer_dir(NAME))
    assert run.samples == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [("other", "not a file here"), ("none", "describes no data set"), ("pictures", "images")],
)
def test_what_cannot_be_read_is_said(tmp_path, name, message):
    described(tmp_path, ALPACA)
    file = tmp_path / "dataset_info.json"
    info = json.loads(file.read_text("utf-8"))
    info["pictures"] = {"file_name": "rows.json", "columns": {"images": "images"}}
    file.write_text(json.dumps(info), "utf-8")
    with pytest.raises(DataError, match=message):
        dataset_inputs(file, ["ours", name])
    with pytest.raises(DataError, match="cannot be read"):
        dataset_inputs(tmp_path / "nowhere", name)


def test_the_projects_own_demo_files(tmp_path, tokenizer):
    """Its demo of identities, described as its ``dataset_info.json`` describes it."""
    text = data_text("llamafactory/identity.json")
    rows = json.loads(text)
    chats = [[question(r["instruction"], r["input"]), answer(r["output"])] for r in rows]
    assert_reads(tokenizer, described(tmp_path, rows), chats)
