"""JSON and Arrow rows are read as Python's ``json`` and pyarrow read them."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import demo_rows
import fixtures
from turnmill import DataError, _core

DATA = (
    "demo/alpaca.jsonl",
    "demo/prompt-completion.jsonl",
    "demo/sharegpt.json",
    "demo/text.jsonl",
    "alpaca_en_52k.json.zst",
    "alpaca_zh_20k.json.zst",
    "code_alpaca_2k.json",
    "gsm8k_train.jsonl.zst",
    "llamafactory/c4_demo.jsonl",
    "llamafactory/dpo_en_demo.json.zst",
    "llamafactory/glaive_toolcall_en_demo.json",
    "llamafactory/identity.json",
    "llamafactory/kto_en_demo.json",
    "llamafactory/reason_tool_use_demo_50.jsonl",
    "llamafactory/v1_sft_demo.jsonl",
    "ruozhiba_gpt4t_zh.json.zst",
    "sharegpt_dev.jsonl.zst",
    "smilechat_zh_dev.jsonl.zst",
    "tau_bench_airline_gpt4o_dev.jsonl.zst",
    "toolrl_think_sft_dev.json",
)


def exact(value: Any) -> Any:
    """A form in which equal means the same value of the same type, NaN included."""
    if isinstance(value, dict):
        return ("dict", [(key, exact(item)) for key, item in value.items()])
    if isinstance(value, list):
        return ("list", [exact(item) for item in value])
    if isinstance(value, float):
        return ("float", value.hex() if math.isfinite(value) else str(value))
    return (type(value).__name__, value)


def has_surrogate(value: Any) -> bool:
    """Whether a string anywhere in ``value`` cannot be encoded."""
    if isinstance(value, dict):
        return any(has_surrogate(key) or has_surrogate(item) for key, item in value.items())
    if isinstance(value, list):
        return any(has_surrogate(item) for item in value)
    return isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value)


def python_reads(data: bytes) -> Any:
    """What ``json.loads`` makes of UTF-8 bytes; it alone would also guess UTF-16 and UTF-32."""
    return json.loads(data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogatepass"))


def assert_read_alike(data: bytes) -> None:
    """Both read the same value, or both refuse."""
    surrogates: list[bool] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        # A surrogate that a duplicate key overwrites still stands in the text.
        surrogates.extend(has_surrogate(key) or has_surrogate(item) for key, item in items)
        return dict(items)

    try:
        expected = python_reads(data)
        text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogatepass")
        json.loads(text, object_pairs_hook=pairs)
    except ValueError:
        with pytest.raises(DataError) as refused:
            _core._parse_json(data)
        assert refused.value.code == "invalid-json"
        return
    if any(surrogates) or has_surrogate(expected):
        with pytest.raises(DataError) as refused:
            _core._parse_json(data)
        assert refused.value.code == "lone-surrogate"
        return
    assert exact(_core._parse_json(data)[0]) == exact(expected)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**400), max_value=10**400)
    | st.floats()
    | st.text()
    | st.text(alphabet=st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)


@pytest.mark.slow
@given(values, st.booleans(), st.sampled_from([None, 2]))
@settings(max_examples=400, deadline=None)
def test_what_python_writes(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert_read_alike(text.encode("utf-8", "surrogatepass"))


@pytest.mark.slow
@given(values, st.randoms(use_true_random=False))
@settings(max_examples=400, deadline=None)
def test_broken_text(value: Any, chance: random.Random) -> None:
    data = bytearray(
        json.dumps(value, ensure_ascii=chance.random() < 0.5).encode("utf-8", "replace")
    )
    for _ in range(chance.randint(1, 3)):
        place = chance.randint(0, len(data))
        edit = chance.randint(0, 2)
        if edit == 0:
            data[place:place] = chance.choice(
                [
                    b'"',
                    b"\\",
                    b"{",
                    b"}",
                    b"[",
                    b"]",
                    b",",
                    b":",
                    b"-",
                    b".",
                    b"e",
                    b"0",
                    b"\\u",
                    b"\\ud83d",
                    b"NaN",
                    b"Infinity",
                    b" ",
                    b"\n",
                    b"\x01",
                    b"\xed\xa0\x80",
                    b"\xff",
                ]
            )
        elif edit == 1:
            del data[place : place + chance.randint(1, 3)]
        else:
            data[place:place] = data[: chance.randint(0, 8)]
    assert_read_alike(bytes(data))


@pytest.mark.slow
@given(st.binary(max_size=40))
@settings(max_examples=300, deadline=None)
def test_bytes(data: bytes) -> None:
    assert_read_alike(data)


@pytest.mark.slow
@given(st.from_regex(r"-?(0|[1-9]\d{0,25})(\.\d{0,25})?([eE][+-]?\d{0,4})?", fullmatch=True))
@settings(max_examples=500, deadline=None)
def test_numbers(text: str) -> None:
    assert_read_alike(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "9" * 4300,
        "9" * 4301,
        "-" + "9" * 4300,
        "-" + "9" * 4301,
        "1." + "9" * 5000,
        '{"a": 1, "b": 2, "a": {"a": 1, "a": 2}}',
        '{"a": "\\ud800", "a": 1}',
        "\u2028[1]",
        "[1\u00a0]",
        "\ufeff1",
        '"\x7f\u0080\u2028"',
        "[" * 200 + "]" * 200,
    ],
)
def test_corner_cases(text: str) -> None:
    assert_read_alike(text.encode())


def test_duplicate_keys_are_counted() -> None:
    assert _core._parse_json(b'{"a": 1, "b": {"c": 0, "c": 1}, "a": 2}') == (
        {"a": 2, "b": {"c": 1}},
        2,
    )


@pytest.mark.parametrize("name", DATA)
def test_real_files(name: str) -> None:
    text = fixtures.data_text(name).encode()
    lines = text.split(b"\n") if ".jsonl" in name else [text]
    for line in lines:
        if line.strip():
            assert _core._parse_json(line)[0] == json.loads(line)


def without_nulls(value: Any) -> Any:
    """Null fields of structs dropped at every depth; nulls in lists stay."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def read_table(table: pa.Table) -> list[Any]:
    return [row for batch in table.to_batches() for row in _core._read_batch(batch)]


@pytest.mark.parametrize(
    "name",
    [
        *demo_rows.SETS,
        "llamafactory/reason_tool_use_demo_50.jsonl",
        "llamafactory/v1_sft_demo.jsonl",
        "llamafactory/glaive_toolcall_en_demo.json",
        "tau_bench_airline_gpt4o_dev.jsonl.zst",
        "ruozhiba_gpt4t_zh.json.zst",
    ],
)
def test_tables_of_real_rows(name: str) -> None:
    rows = fixtures.rows(name)
    table = pa.Table.from_pylist(rows)
    expected = [
        {key: without_nulls(value) for key, value in row.items()} for row in table.to_pylist()
    ]
    assert read_table(table) == expected
    assert read_table(table.slice(7, 11)) == expected[7:18]
    assert [row.get("messages") for row in expected] == [
        row.get("messages") for row in map(without_nulls, rows)
    ]


TYPES = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.dictionary(pa.int8(), pa.string()),
    pa.dictionary(pa.uint32(), pa.large_string()),
]


@pytest.mark.parametrize("text", TYPES, ids=str)
@pytest.mark.parametrize("make_list", [pa.list_, pa.large_list, pa.list_view, pa.large_list_view])
def test_types_of_text_and_lists(text: pa.DataType, make_list: Any) -> None:
    rows = [
        [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "中文, longer than twelve"},
        ],
        None,
        [],
        [{"role": "user", "content": None}],
    ]
    plain = pa.array(rows, pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])))
    content = plain.flatten().field("content")
    if pa.types.is_dictionary(text):
        content = content.dictionary_encode().cast(text)
    else:
        content = content.cast(text)
    messages = pa.StructArray.from_arrays(
        [plain.flatten().field("role"), content], names=["role", "content"]
    )
    counts = [2, 0, 0, 1]
    kind = make_list(messages.type)
    if make_list in (pa.list_view, pa.large_list_view):
        factory = pa.ListViewArray if make_list is pa.list_view else pa.LargeListViewArray
        size = pa.int32() if make_list is pa.list_view else pa.int64()
        array = factory.from_arrays(
            pa.array([0, 2, 2, 2], size),
            pa.array(counts, size),
            messages,
            mask=pa.array([False, True, False, False]),
        )
    else:
        factory = pa.ListArray if make_list is pa.list_ else pa.LargeListArray
        size = pa.int32() if make_list is pa.list_ else pa.int64()
        array = factory.from_arrays(
            pa.array([0, 2, 2, 2, 3], size), messages, mask=pa.array([False, True, False, False])
        )
    assert array.type == kind
    batch = pa.record_batch({"messages": array})
    expected = [{"messages": without_nulls(row)} for row in rows]
    assert _core._read_batch(batch) == expected
    assert _core._read_batch(batch.slice(1, 3)) == expected[1:]


def test_numbers_of_arrow() -> None:
    columns = {
        "i8": pa.array([-1, None], pa.int8()),
        "u64": pa.array([2**64 - 1, 0], pa.uint64()),
        "f16": pa.array([0.5, None], pa.float16()),
        "f32": pa.array([0.1, math.inf], pa.float32()),
        "bool": pa.array([True, None]),
        "null": pa.nulls(2),
        "map": pa.array([[("a", 1), ("b", None)], None], pa.map_(pa.string(), pa.int32())),
        "fixed": pa.array([[1, None], None], pa.list_(pa.int32(), 2)),
    }
    batch = pa.record_batch(columns)
    expected = [
        {**row, "map": None if row["map"] is None else dict(row["map"])}
        for row in batch.to_pylist()
    ]
    assert _core._read_batch(batch) == expected


def test_a_date_in_place_of_text_is_refused() -> None:
    days = pa.array(["2024-05-30"]).cast(pa.timestamp("s"))
    with pytest.raises(DataError, match="timestamp") as refused:
        _core._read_batch(pa.record_batch({"output": days}))
    assert refused.value.code == "type-coerced-content"
