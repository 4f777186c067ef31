"""Rows from the wild, from the input to the trained text; and whole data sets of such rows."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fixtures
import turnmill
from cases import shapes
from turnmill.errors import DataError

DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"
END = "<|im_end|>"


@cache
def encoder(**keys: Any) -> turnmill.Encoder:
    keys = {"tokenizer": DEMO, "template": "qwen3", "stop": (END,), **keys}
    return turnmill.Encoder(turnmill.Recipe(history="as-rendered", **keys))


def shown(row: dict[str, Any]) -> str:
    """The sample of a row, its trained text between brackets."""
    encoded = encoder().encode([row])
    assert encoded.rejects.to_pylist() == []
    (sample,) = encoded.table.to_pylist()
    token_bytes = turnmill.Tokenizer(DEMO)._token_bytes
    text, inside = b"", False
    for id_, label in zip(sample["input_ids"], sample["labels"], strict=True):
        if (label != -100) != inside:
            text += ("⟧" if inside else "⟦").encode()
            inside = not inside
        text += token_bytes([id_])[0]
    return text.decode() + ("⟧" if inside else "")


def trained(row: dict[str, Any]) -> list[str]:
    """The trained pieces of a row."""
    return [piece.partition("⟧")[0] for piece in shown(row).split("⟦")[1:]]


CALLED = '<tool_call>\n{"name": "add", "arguments": %s}\n</tool_call>'


def test_arguments_that_are_text_are_trained_as_what_the_model_writes() -> None:
    row = {"messages": [shapes.user(), shapes.calling(shapes.call('{"a": 2}'))]}
    assert trained(row) == [CALLED % '{"a": 2}' + END]


def test_an_old_function_call_is_a_call_and_its_result_a_result() -> None:
    call = shapes.assistant("", function_call={"name": "add", "arguments": "{}"})
    result = {"role": "function", "name": "add", "content": "5"}
    row = {"messages": [shapes.user(), call, result, shapes.assistant()]}
    assert trained(row)[0] == CALLED % "{}" + END
    assert "<tool_response>\n5\n</tool_response>" in shown(row)


def test_the_rows_own_system_text_leads() -> None:
    row = {"system": "Be brief.", "messages": [shapes.user(), shapes.assistant()]}
    assert shown(row).startswith(f"<|im_start|>system\nBe brief.{END}")


def test_a_developer_is_the_system_where_the_template_knows_none() -> None:
    developer = {"role": "developer", "content": "Answer in German."}
    row = {"messages": [developer, shapes.user(), shapes.assistant()]}
    assert shown(row).startswith(f"<|im_start|>system\nAnswer in German.{END}")


def test_a_developer_stays_where_the_template_prints_it() -> None:
    developer = {"role": "developer", "content": "Answer in German."}
    row = {"messages": [developer, shapes.user(), shapes.assistant()]}
    encoded = encoder(template="chatml").encode([row])
    assert "developer-as-system" not in encoded.counts
    (ids,) = encoded.table["input_ids"].to_pylist()
    text = b"".join(turnmill.Tokenizer(DEMO)._token_bytes(ids)).decode()
    assert text.startswith("<|im_start|>developer\nAnswer in German.")


def test_text_and_call_are_one_turn() -> None:
    row = next(shape.row for shape in shapes.WIRE if "turns-joined" in shape.rules)
    assert trained(row)[0] == "I add.\n" + CALLED % '{"a": 2}' + END


def test_no_calls_are_no_calls() -> None:
    row = {"messages": [shapes.user(), shapes.assistant("Hello.", tool_calls="")]}
    assert trained(row) == [f"Hello.{END}"]


def test_show_says_what_was_changed() -> None:
    row = {"messages": [shapes.user(), shapes.calling(*[shapes.call("{}")] * 2)]}
    view = turnmill.show([row], tokenizer=DEMO, template="qwen3", stop=[END])
    assert view[0].to_dict()["notes"]["arguments-parsed"] == 2
    assert "noted: arguments-parsed (2)" in str(view)


def test_answers_in_a_row_are_counted_once_in_a_run_and_in_a_check() -> None:
    row = {"messages": [shapes.user(), shapes.assistant(), shapes.assistant()]}
    assert encoder().encode([row]).counts["role-order"] == 1
    recipe = turnmill.Recipe(tokenizer=DEMO, template="qwen3", stop=[END])
    found = turnmill.check([row], tokenizer=DEMO, recipe=recipe)
    assert found.rules["role-order"].count == 1


def test_a_call_of_another_weight_is_a_turn_of_its_own() -> None:
    call = shapes.calling(shapes.ADD)
    row = {"messages": [shapes.user(), shapes.assistant("I add.", weight=0), call]}
    assert trained(row) == [CALLED % '{"a": 2}' + END]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("prefix", True),
        ("prefix", "true"),
        ("partial", 1),
        ("finish_reason", "length"),
        ("stop_reason", "max_tokens"),
        ("status", "incomplete"),
    ],
)
def test_an_answer_that_is_only_begun_trains_nothing(key: str, value: Any) -> None:
    begun = shapes.assistant('{"a":', **{key: value})
    code = encoder().encode([{"messages": [shapes.user(), begun]}]).rejects["code"]
    assert code.to_pylist() == ["unfinished-turn"]
    earlier = {"messages": [shapes.user(), begun, shapes.user(), shapes.assistant()]}
    (reject,) = encoder().encode([earlier]).rejects.to_pylist()
    assert (reject["code"], reject["message"]) == ("unfinished-turn", 1)
    assert f"`{key}` is " in reject["reason"]
    last = encoder(train_on="last-turn").encode([earlier])
    assert last.rejects.to_pylist() == []
    untrained = {
        "messages": [shapes.user(), shapes.assistant(), shapes.user(), {**begun, "loss": 0}]
    }
    assert trained(untrained) == [f"5{END}"]


def test_an_answer_that_says_that_it_is_whole_is_trained() -> None:
    said = {"prefix": False, "partial": 0, "finish_reason": "stop", "status": "completed"}
    assert trained({"messages": [shapes.user(), shapes.assistant(**said)]}) == [f"5{END}"]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ({"function": {"arguments": {"a": 2}}}, "has no name; its keys: arguments"),
        ({"name": " ", "arguments": {}}, "has no name; its keys: name, arguments"),
        ({"custom": {"name": "add"}}, "has no name; its keys: custom"),
        (5, "`tool call` is an integer, not an object"),
    ],
)
def test_a_call_that_names_nothing_is_refused(call: Any, told: str) -> None:
    row = {"messages": [shapes.user(), shapes.calling(call)]}
    (reject,) = encoder().encode([row]).rejects.to_pylist()
    assert (reject["code"], reject["message"]) == ("schema-mismatch", 1)
    assert told in reject["reason"]


def test_messages_that_are_text_are_read_from_tables(tmp_path: Path) -> None:
    talks = [[shapes.user(), shapes.assistant(str(number))] for number in range(3)]
    table = pa.table({"messages": [json.dumps(talk) for talk in talks]})
    pq.write_table(table, tmp_path / "rows.parquet")
    for data in (table, tmp_path / "rows.parquet", table.to_pylist()):
        encoded = encoder().encode(data)
        assert (encoded.table.num_rows, encoded.counts["messages-parsed"]) == (3, 3)
    with pytest.raises(DataError, match="not a list of messages"):
        encoder(wire="keep").encode(table)
    for text in ("[1, 2]", "[]", "Hello.", '{"role": "user"}', "[{"):
        with pytest.raises(DataError, match="not a list of messages"):
            encoder().encode([{"messages": text}])
    mapped = turnmill.Encoder(
        turnmill.Recipe(
            tokenizer=DEMO,
            template="qwen3",
            stop=[END],
            schema="messages",
            fields={"talk": "messages"},
        )
    )
    assert mapped.encode([{"talk": json.dumps(talks[0])}]).table.num_rows == 1


@pytest.mark.parametrize("schema", ["text", "prompt-completion"])
def test_the_weight_of_a_row_counts_for_texts_too(schema: str) -> None:
    texts = encoder(schema=schema, columns=("input_ids", "labels", "weights"))
    said = {"text": "a b"} if schema == "text" else {"prompt": "a", "completion": " b"}
    rows = [{**said, "weight": weight} for weight in (1, 0, 0.5, True, "much")]
    encoded = texts.encode(rows)
    assert encoded.table["row"].to_pylist() == [0, 2, 3]
    assert [max(weights) for weights in encoded.table["weights"].to_pylist()] == [1.0, 0.5, 1.0]
    assert encoded.rejects["code"].to_pylist() == ["all-labels-masked", "schema-mismatch"]


def test_a_weight_that_has_no_column_is_named() -> None:
    for key in ("weight", "loss_weight"):
        row = {"messages": [shapes.user(), shapes.assistant(**{key: 0.5})]}
        assert encoder().encode([row]).counts["weight-unwritten"] == 1
    whole = {"messages": [shapes.user(), shapes.assistant(weight=0), shapes.assistant(weight=1)]}
    assert "weight-unwritten" not in encoder().encode([whole]).counts
    columns = ("input_ids", "labels", "weights")
    assert "weight-unwritten" not in encoder(columns=columns).encode([row]).counts


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(width=32) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(arguments=JSON)
def test_arguments_are_what_a_server_reads(arguments: Any) -> None:
    """An engine calls `json.loads` and takes what comes."""
    text = json.dumps(arguments)
    row = {"messages": [shapes.user(), shapes.calling(shapes.call(text))]}
    found = encoder()._session.look(json.dumps(row).encode(), "messages")
    assert found is not None
    read = found["messages"][1]["tool_calls"][0]["function"]["arguments"]
    # Not a number is not equal to itself, its text is.
    assert json.dumps(read) == json.dumps(json.loads(text))


@given(rows=st.lists(JSON, max_size=4))
def test_any_value_in_place_of_calls_is_read_or_rejected(rows: list[Any]) -> None:
    for value in rows:
        for key in ("tool_calls", "function_call"):
            for given_value in (value, json.dumps(value)):
                row = {"messages": [shapes.user(), shapes.assistant(**{key: given_value})]}
                made = encoder().encode([row])
                assert made.table.num_rows + made.rejects.num_rows == 1


def test_the_calls_of_a_log_without_contents_are_read() -> None:
    """tau-bench keeps the messages of OpenAI's API, whose calls have no content and text inside."""
    qwen = fixtures.tokenizer_dir("qwen3")
    rows = fixtures.rows("tau_bench_airline_gpt4o_dev.jsonl.zst")
    encoded = encoder(tokenizer=qwen, template=None, schema="messages", ignore=("reward",)).encode(
        rows
    )
    assert Counter(encoded.rejects["code"].to_pylist()) == {}
    assert encoded.counts["arguments-parsed"] > len(rows)
