"""Columns and keys that say something and are not read are counted by name; metadata is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import turnmill
from cases import shapes

DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"
RECIPE: dict[str, Any] = {"tokenizer": DEMO, "template": "qwen3", "stop": ["<|im_end|>"]}
TALK = {"messages": [shapes.user(), shapes.assistant()]}
ROWS = [
    {**TALK, "id": 1, "source": "web", "lang": "en", "images": ["a.png"], "prefix": "So"},
    {**TALK, "id": 2, "source": "web", "lang": "en", "images": [], "prefix": ""},
    {**TALK, "id": 3, "source": None, "lang": "en", "images": ["b", "c"], "prefix": None},
]


@pytest.mark.parametrize("form", ["rows", "jsonl", "parquet", "table"])
def test_each_column_is_named_with_the_rows_that_have_it(form: str, tmp_path: Path) -> None:
    data: Any = ROWS
    if form == "jsonl":
        data = tmp_path / "rows.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif form == "parquet":
        data = tmp_path / "rows.parquet"
        pq.write_table(pa.Table.from_pylist(ROWS), data)
    elif form == "table":
        data = pa.Table.from_pylist(ROWS)
    run = turnmill.prepare(data, tmp_path / "out", turnmill.Recipe(**RECIPE))
    assert run.totals.named == {"column-unread": {"images": 2, "prefix": 1}}
    assert "  column-unread  3  images 2, prefix 1" in str(run).splitlines()
    record = json.loads((tmp_path / "out" / "turnmill.json").read_text())
    assert record["totals"]["named"] == run.totals.named


def counted(row: dict[str, Any], **keys: Any) -> int:
    recipe = turnmill.Recipe(**{**RECIPE, **keys})
    return turnmill.Encoder(recipe).encode([row]).counts.get("column-unread", 0)


def test_what_a_schema_reads_is_not_counted() -> None:
    row = {**TALK, "system": "Be brief.", "tools": [shapes.TOOL], "weight": 1}
    assert counted(row) == 0
    document = {"text": "a b", "system": "Be brief.", "tools": [shapes.TOOL], "weight": 1}
    assert counted(document, schema="text") == 2


def test_what_keep_leaves_is_counted() -> None:
    row = {**TALK, "system": "Be brief.", "functions": [shapes.FUNCTION], "weight": 0.5}
    assert counted(row, wire="keep") == 3
    assert counted(row) == 0


def test_what_is_ignored_or_mapped_is_not_counted() -> None:
    row = {**TALK, "images": ["a.png"], "prompt": "2+3"}
    assert counted(row) == 2
    assert counted(row, ignore=["images", "prompt"]) == 0
    assert counted(row, carry=["images", "prompt"]) == 0  # the index has them
    other = {"chat": TALK["messages"], "prompt": "Be brief."}
    assert counted(other, schema="messages", fields={"chat": "messages", "prompt": "system"}) == 0


def test_text_that_cannot_be_encoded_is_something_too() -> None:
    assert counted({**TALK, "prefix": "\ud800"}) == 1


def test_a_check_names_them_too() -> None:
    found = turnmill.check(ROWS, tokenizer=DEMO, recipe=turnmill.Recipe(**RECIPE))
    assert found.rules["column-unread"].count == 3
    note = "column-unread: images 2, prefix 1; the server's prompts are rendered without them"
    assert note in found.facts["notes"]


def test_keys_of_messages_are_named(tmp_path: Path) -> None:
    said = shapes.assistant(name="Ann", reasoning_details=[{"text": "I add."}])
    row = {"messages": [shapes.user(name="Bob"), said]}
    run = turnmill.prepare([row], tmp_path / "out", turnmill.Recipe(**RECIPE))
    assert run.totals.named == {"field-lost": {"name": 2, "reasoning_details": 1}}


def test_other_spellings_of_calls_and_reasoning_are_named(tmp_path: Path) -> None:
    said = shapes.assistant(thought="I add.", tool_call={"name": "add"}, tool_results=[{"sum": 5}])
    row = {"messages": [shapes.user(), said], "system_message": "Be brief.", "rationale": "It is."}
    run = turnmill.prepare([row], tmp_path / "out", turnmill.Recipe(**RECIPE))
    assert run.totals.named == {
        "column-unread": {"rationale": 1, "system_message": 1},
        "field-lost": {"thought": 1, "tool_call": 1, "tool_results": 1},
    }


def test_the_second_of_two_names_of_one_field_is_named(tmp_path: Path) -> None:
    row = {
        "instruction": "Add.",
        "output": "5",
        "response": "6",
        "system": "A",
        "system_prompt": "A",
    }
    run = turnmill.prepare([row], tmp_path / "out", turnmill.Recipe(**RECIPE))
    assert run.totals.named == {"column-unread": {"response": 1}}


@pytest.mark.parametrize(
    ("role", "ours"), [("model", "assistant"), ("Assistant", "assistant"), ("client", "user")]
)
def test_a_role_is_mapped_to_what_it_may_mean(role: str, ours: str) -> None:
    row = {"messages": [shapes.user(), {"role": role, "content": "5"}]}
    (reject,) = turnmill.Encoder(turnmill.Recipe(**RECIPE)).encode([row]).rejects.to_pylist()
    assert f"--roles {role}={ours}" in reject["reason"]


def test_reasoning_that_is_given_twice_is_named_where_it_is_not_printed(tmp_path: Path) -> None:
    said = shapes.assistant(reasoning="I add.", reasoning_content="I count.")
    asked = shapes.user(reasoning_content="A sum, I think.")
    same = shapes.assistant(reasoning="I add.", reasoning_content="I add.")
    rows = [{"messages": [asked, said]}, {"messages": [shapes.user(), same]}]
    run = turnmill.prepare(rows, tmp_path / "out", turnmill.Recipe(**RECIPE))
    assert run.totals.named == {"field-lost": {"reasoning": 1, "reasoning_content": 1}}


def test_documents_that_are_not_printed_are_counted() -> None:
    row = {**TALK, "documents": [{"title": "Sums", "text": "2 and 3 are 5."}]}
    assert turnmill.Encoder(turnmill.Recipe(**RECIPE)).encode([row]).counts["tools-lost"] == 1
    template = (
        "{% for d in documents %}{{ d.text }}{% endfor %}"
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    printing = turnmill.Recipe(**{**RECIPE, "template": template})
    assert turnmill.Encoder(printing).encode([row]).counts.get("tools-lost", 0) == 0


def test_a_result_that_is_an_error_is_named(tmp_path: Path) -> None:
    def row(**keys: Any) -> dict[str, Any]:
        use = {"type": "tool_use", "id": "c", "name": "add", "input": {}}
        result = {"type": "tool_result", "tool_use_id": "c", "content": "no", **keys}
        talk = [shapes.user(), shapes.assistant([use]), shapes.user([result]), shapes.assistant()]
        return {"messages": talk}

    rows = [row(is_error=True), row(is_error=False), row()]
    run = turnmill.prepare(rows, tmp_path / "out", turnmill.Recipe(**RECIPE))
    assert run.totals.named == {"field-lost": {"is_error": 1}}


def named(row: dict[str, Any], place: Path) -> dict[str, dict[str, int]]:
    named: dict[str, dict[str, int]] = turnmill.prepare(
        [row], place, turnmill.Recipe(**RECIPE)
    ).totals.named
    return named


def test_a_second_content_of_a_message_is_named(tmp_path: Path) -> None:
    question = {"from": "human", "value": "2+3", "content": "1+1"}
    answer = {"from": "gpt", "value": "5", "content": "5"}
    found = named({"conversations": [question, answer]}, tmp_path / "a")
    assert found == {"field-lost": {"content": 1}}
    said = {**shapes.user(), "value": "1+1"}
    found = named({"messages": [said, shapes.assistant()]}, tmp_path / "b")
    assert found == {"field-lost": {"value": 1}}


@pytest.mark.parametrize(
    ("part", "medium"),
    [
        ({"type": "image"}, "image"),
        ({"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}}, "image"),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}, "audio"),
        ({"type": "text", "text": "An image?"}, None),
    ],
)
def test_a_medium_that_is_a_placeholder_in_the_text_is_named(
    part: dict[str, Any], medium: str | None, tmp_path: Path
) -> None:
    template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{% for part in m.content %}"
        "{% if part.type == 'text' %}{{ part.text }}{% else %}<medium>{% endif %}{% endfor %}"
        "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    answer = {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]}
    row = {"messages": [{"role": "user", "content": [part]}, answer]}
    recipe = turnmill.Recipe(**{**RECIPE, "template": template})
    run = turnmill.prepare([row], tmp_path / "out", recipe)
    assert run.rows == 1
    assert run.totals.named == ({"field-lost": {medium: 1}} if medium else {})


def test_keys_of_pairs_are_named(tmp_path: Path) -> None:
    pair = {"human": "2+3", "assistant": "5", "system": "Be brief.", "id": 7}
    assert named({"conversation": [pair]}, tmp_path / "out") == {"field-lost": {"system": 1}}


def test_variables_that_the_template_does_not_read_are_named(tmp_path: Path) -> None:
    read = {**TALK, "chat_template_kwargs": {"enable_thinking": False}}
    assert named(read, tmp_path / "a") == {}
    unread = {**TALK, "chat_template_kwargs": {"enable_thinking": False, "thinking_budget": 5}}
    assert named(unread, tmp_path / "b") == {"column-unread": {"chat_template_kwargs": 1}}


def test_what_the_run_counted_is_said_by_a_check_of_its_output(tmp_path: Path) -> None:
    odd = {"messages": [shapes.user(), shapes.assistant("5</s>")], "images": ["a.png"]}
    run = turnmill.prepare([TALK, odd], tmp_path / "out", turnmill.Recipe(**RECIPE))
    assert run.totals.rules["foreign-terminator-text"] == 1
    found = turnmill.check(tmp_path / "out")
    assert found.rules["foreign-terminator-text"].count == 1
    (place,) = found.rules["foreign-terminator-text"].evidence
    assert (place["row"], place["message"]) == (1, 1)
    assert found.rules["column-unread"].count == 1
    assert found.ok


def test_two_system_messages_are_counted_by_an_encoder() -> None:
    row = {"messages": [shapes.system(), shapes.system("Be kind."), *TALK["messages"]]}
    encoded = turnmill.Encoder(turnmill.Recipe(**RECIPE)).encode([row])
    assert encoded.counts["role-order"] == 1


BESIDE: dict[str, dict[str, Any]] = {
    "messages": TALK,
    "sharegpt": {
        "conversations": [{"from": "human", "value": "2+3"}, {"from": "gpt", "value": "5"}]
    },
    "prompt-completion": {"prompt": "2+3", "completion": "5"},
    "alpaca": {"instruction": "2+3", "output": "5"},
    "text": {"text": "a b"},
}


@pytest.mark.parametrize("schema", BESIDE)
def test_instructions_and_examples_beside_a_conversation_are_counted(schema: str) -> None:
    row = BESIDE[schema]
    told = {"instructions": "Be brief.", "examples": ["1+1 is 2"]}
    assert counted(row | told, schema=schema) == 2
    assert counted(row | dict.fromkeys(told, ""), schema=schema) == 0
    assert counted(row | {"example": 7, "id": 1, "created": 5}, schema=schema) == 0


@pytest.mark.parametrize("schema", BESIDE)
@pytest.mark.parametrize("form", ["rows", "parquet", "jsonl"])
def test_columns_in_other_spellings_are_counted(schema: str, form: str, tmp_path: Path) -> None:
    told = {"System": "Be brief.", "Input": "3+4", "systemInstruction": "Be kind."}
    row = {**BESIDE[schema], **told, "Id": 7, "Source": "web"}
    data: Any = [row]
    if form == "parquet":
        data = tmp_path / "rows.parquet"
        pq.write_table(pa.Table.from_pylist([row]), data)
    elif form == "jsonl":
        data = tmp_path / "rows.jsonl"
        data.write_text(json.dumps(row) + "\n")
    recipe = turnmill.Recipe(**RECIPE, schema=schema)
    run = turnmill.prepare(data, tmp_path / "out", recipe)
    assert run.totals.named == {"column-unread": dict.fromkeys(told, 1)}
    ignoring = turnmill.Recipe(**RECIPE, schema=schema, ignore=sorted(told))
    assert turnmill.Encoder(ignoring).encode([row]).counts.get("column-unread", 0) == 0
