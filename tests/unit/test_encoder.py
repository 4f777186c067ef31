"""`turnmill.Encoder` in memory: kinds of rows, alignment, accounting, pickling."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import turnmill
from fixtures import ROOT
from turnmill import _core
from turnmill.encoder.session import ShardOptions

TOKENIZER = ROOT / "python" / "turnmill" / "demo" / "tokenizer"
DOCUMENTS = [{"text": "hello world"}, {"text": "你好"}, {"text": "a" * 40}]


@pytest.fixture(scope="module")
def encoder() -> turnmill.Encoder:
    return turnmill.Encoder(turnmill.Recipe(tokenizer=TOKENIZER))


def test_the_table_leads_back_to_the_rows(encoder: turnmill.Encoder) -> None:
    encoded = encoder.encode([DOCUMENTS[0], {"text": 3}, DOCUMENTS[2]])
    assert encoded.table.schema.field("row").type == pa.int64()
    assert encoded.table.schema.field("sample").type == pa.int32()
    assert encoded.table["row"].to_pylist() == [0, 2]
    assert encoded.rejects.column_names == ["row", "code", "reason", "message"]
    assert encoded.rejects["row"].to_pylist() == [1]
    assert encoded.rejects["code"].to_pylist() == ["non-string-content"]
    assert encoded.counts["non-string-content"] == 1


def kinds(tmp_path: Path) -> dict[str, Any]:
    """The same rows in every shape that holds rows."""
    table = pa.Table.from_pylist(DOCUMENTS)
    lines = tmp_path / "a.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in DOCUMENTS), "utf-8")
    array = tmp_path / "a.json"
    array.write_text(json.dumps(DOCUMENTS), "utf-8")
    parquet = tmp_path / "a.parquet"
    pq.write_table(table, parquet)
    return {
        "tuple": tuple(DOCUMENTS),
        "table": table,
        "chunked table": pa.concat_tables([table[:1], table[1:]]),
        "batch": table.to_batches()[0],
        "reader": table.to_reader(max_chunksize=2),
        "polars": pl.DataFrame(DOCUMENTS),
        "pandas": pd.DataFrame(DOCUMENTS),
        "iterator": iter(DOCUMENTS),
        "dataset": datasets.Dataset.from_list(DOCUMENTS),
        "shuffled dataset": datasets.Dataset.from_list(DOCUMENTS[::-1]).select([2, 1, 0]),
        "lines": str(lines),
        "array": array,
        "parquet": parquet,
        "large strings": table.cast(pa.schema({"text": pa.large_string()})),
        "string view": table.cast(pa.schema({"text": pa.string_view()})),
    }


KINDS = [
    *("tuple", "iterator", "table", "chunked table", "batch", "reader", "polars", "pandas"),
    "dataset",
    *("shuffled dataset", "lines", "array", "parquet", "large strings", "string view"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_rows_gives_the_same(
    encoder: turnmill.Encoder, tmp_path: Path, kind: str
) -> None:
    expected = encoder.encode(DOCUMENTS)
    encoded = encoder.encode(kinds(tmp_path)[kind])
    assert encoded.table.equals(expected.table)
    assert encoded.rejects.equals(expected.rejects)


@pytest.mark.parametrize(
    ("rows", "what", "hint"),
    [
        (DOCUMENTS[0], "one dict is not a list of rows", "give [row]"),
        (5, "an object of type int is not an input", "a list of dicts"),
        (pd.Series([1]), "an object of type Series holds no rows", "an Arrow table"),
        (
            [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}],
            "the rows fit no schema; keys of the first: role, content",
            'a row is a whole conversation, such as {"messages": [...]}',
        ),
    ],
)
def test_what_holds_no_rows_says_what_does(
    encoder: turnmill.Encoder, rows: Any, what: str, hint: str
) -> None:
    with pytest.raises(turnmill.DataError) as raised:
        encoder.encode(rows)
    assert str(raised.value).startswith(what)
    assert hint in str(raised.value.hint)


def test_several_inputs_are_numbered_on(encoder: turnmill.Encoder, tmp_path: Path) -> None:
    rows = kinds(tmp_path)
    encoded = encoder.encode([rows["lines"], rows["table"]])
    assert encoded.table["row"].to_pylist() == [0, 1, 2, 3, 4, 5]


def test_inputs_of_several_schemas_make_one_table(encoder: turnmill.Encoder) -> None:
    chats = pa.Table.from_pylist(CHAT[:1])
    encoded = encoder.encode([pa.Table.from_pylist(DOCUMENTS), chats])
    assert encoded.table["row"].to_pylist() == [0, 1, 2, 3]
    assert encoded.table["labels"].null_count == 0
    lists = encoder.encode([DOCUMENTS, CHAT[:1]])
    assert lists.table.equals(encoded.table)
    sets = encoder.encode([datasets.Dataset.from_list(DOCUMENTS), chats])
    assert sets.table.equals(encoded.table)


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_threads_change_nothing(encoder: turnmill.Encoder, threads: int) -> None:
    rows: list[dict[str, Any]] = [{"text": f"row {number} 你好"} for number in range(2500)]
    rows[1234] = {"text": None}
    one = encoder.encode(rows, threads=1)
    encoded = encoder.encode(rows, threads=threads)
    assert encoded.table.equals(one.table)
    assert encoded.rejects["row"].to_pylist() == [1234]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("\ud800", "lone-surrogate"),
        (dt.date(2024, 1, 1), "type-coerced-content"),
        (7, "non-string-content"),
        (None, "null-content"),
    ],
)
def test_a_bad_row_is_a_reject_not_an_exception(
    encoder: turnmill.Encoder, text: Any, code: str
) -> None:
    encoded = encoder.encode([*DOCUMENTS, {"text": text}])
    assert encoded.rejects.select(["row", "code"]).to_pylist() == [{"row": 3, "code": code}]


def test_columns_that_are_not_read_may_hold_anything(encoder: turnmill.Encoder) -> None:
    rows = [{**row, "made": dt.datetime(2024, 1, 1), "by": object()} for row in DOCUMENTS]  # noqa: DTZ001
    encoded = encoder.encode(rows)
    assert encoded.table.equals(encoder.encode(DOCUMENTS).table)


def test_a_row_whose_object_raises_is_a_reject(encoder: turnmill.Encoder) -> None:
    class Broken:
        def model_dump(self) -> dict[str, Any]:
            raise ZeroDivisionError("no")

    encoded = encoder.encode([*DOCUMENTS, {"text": Broken()}, 5])
    assert encoded.rejects["row"].to_pylist() == [3, 4]
    assert encoded.rejects["code"].to_pylist() == ["type-coerced-content", "schema-mismatch"]


@pytest.mark.parametrize("bad", [1, 300])
@pytest.mark.parametrize("make", ["column", "row", "message"])
def test_rows_with_keys_that_are_no_strings_are_accounted_for(
    encoder: turnmill.Encoder, bad: int, make: str, tmp_path: Path
) -> None:
    fine = CHAT[0]
    user, answer = fine["messages"][:2]
    odd = {
        "column": {**fine, "x": {1: 2}},
        "row": {1: 2, **fine},
        "message": {"messages": [{1: 2, **user}, answer]},
    }[make]
    rows = [odd] * bad + [fine]
    encoded = encoder.encode(rows)
    # A column that is not read may hold anything.
    rejected = 0 if make == "column" else bad
    assert encoded.rejects["code"].to_pylist() == ["schema-mismatch"] * rejected
    assert encoded.table["row"].to_pylist() == list(range(rejected, bad + 1))
    run = turnmill.prepare(
        rows, tmp_path / "out", dataclasses.replace(encoder.recipe, max_rejects=1.0)
    )
    assert (run.rows, run.samples) == (bad + 1, bad + 1 - rejected)


def test_messages_in_numpy_arrays_are_lists(encoder: turnmill.Encoder) -> None:
    """As pandas hands them over after reading Parquet."""
    rows = [{**row, "messages": np.array(row["messages"], dtype=object)} for row in CHAT]
    encoded = encoder.encode(rows)
    assert encoded.table.equals(encoder.encode(CHAT).table)
    assert encoded.rejects.equals(encoder.encode(CHAT).rejects)


@pytest.mark.parametrize("name", ["messages", "conversations"])
def test_messages_that_are_no_list_are_named(encoder: turnmill.Encoder, name: str) -> None:
    with pytest.raises(turnmill.DataError, match=f"`{name}` of the first is .*, not a list") as no:
        encoder.encode([{name: "user: hi"}])
    assert no.value.code == "unknown-schema"
    assert "not JSON of a list of objects" in str(no.value.hint)


def test_no_rows_give_empty_tables(encoder: turnmill.Encoder) -> None:
    encoded = encoder.encode([])
    assert (len(encoded.table), len(encoded.rejects)) == (0, 0)
    assert "input_ids" in encoded.table.column_names


def test_rows_of_no_schema_are_an_error(encoder: turnmill.Encoder) -> None:
    with pytest.raises(turnmill.TurnmillError) as raised:
        encoder.encode([{"foo": 1}])
    assert raised.value.hint


CHAT = [
    {
        "id": 1,
        "messages": [
            {"role": "user", "content": "1 + 1?"},
            {"role": "assistant", "content": "二"},
            {"role": "user", "content": "Sure?"},
            {"role": "assistant", "content": "Yes."},
        ],
    },
    {"id": 2, "messages": [{"role": "user", "content": "Anyone?"}]},
]


def trained(encoder: turnmill.Encoder, table: pa.Table, row: int) -> list[str]:
    """The text of each run of trained tokens."""
    tokenizer = turnmill.Tokenizer(encoder.recipe.tokenizer)
    ids, labels = table["input_ids"][row].as_py(), table["labels"][row].as_py()
    runs: list[list[int]] = []
    for position, (id_, label) in enumerate(zip(ids, labels, strict=True)):
        if label == -100:
            continue
        assert label == id_
        if position == 0 or labels[position - 1] == -100:
            runs.append([])
        runs[-1].append(id_)
    return [b"".join(tokenizer._token_bytes(run)).decode() for run in runs]


def test_conversations_train_the_turns_with_their_terminators(encoder: turnmill.Encoder) -> None:
    encoded = encoder.encode(CHAT)
    assert encoded.table["row"].to_pylist() == [0]
    assert trained(encoder, encoded.table, 0) == ["二<|im_end|>", "Yes.<|im_end|>"]
    assert encoded.table["length"].to_pylist() == [len(encoded.table["labels"][0])]
    assert encoded.rejects["code"].to_pylist() == ["no-assistant-turn"]


def test_conversations_from_arrow_and_from_objects_are_the_same(encoder: turnmill.Encoder) -> None:
    @dataclasses.dataclass
    class Message:
        role: str
        content: str

    expected = encoder.encode(CHAT)
    chats: list[Any] = CHAT
    objects = [{"messages": tuple(Message(**m) for m in row["messages"])} for row in chats]
    kinds: list[Any] = [pa.Table.from_pylist(CHAT), pl.DataFrame(CHAT), objects]
    for rows in kinds:
        encoded = encoder.encode(rows)
        assert encoded.table.equals(expected.table)
        assert encoded.rejects.equals(expected.rejects)


def test_the_message_that_costs_a_row_is_named(encoder: turnmill.Encoder) -> None:
    bad = {"messages": [*CHAT[0]["messages"][:3], {"role": "assistant", "content": 5}]}
    encoded = encoder.encode([CHAT[0], bad])
    assert encoded.rejects.to_pylist()[0]["message"] == 3


def test_a_date_in_text_costs_the_row_and_elsewhere_it_is_text(encoder: turnmill.Encoder) -> None:
    day = dt.date(2024, 1, 1)
    user, answer = CHAT[0]["messages"][:2]
    fine = {"messages": [{**user, "sent": day}, answer]}
    bad = {"messages": [{**user, "content": day}, answer]}
    encoded = encoder.encode([fine, bad])
    assert encoded.table["row"].to_pylist() == [0]
    assert encoded.rejects["code"].to_pylist() == ["type-coerced-content"]


BATCH = {"text": ["hello", None, "b"], "id": [1, 2, 3]}


def check_aligned(columns: dict[str, list[Any]]) -> None:
    assert [ids is None for ids in columns["input_ids"]] == [False, True, False]
    assert [reject is None for reject in columns["reject"]] == [True, False, True]
    assert columns["reject"][1]["code"] == "null-content"
    assert set(columns["reject"][1]) == {"code", "reason", "message"}


def test_a_batch_keeps_its_length_and_kind(encoder: turnmill.Encoder) -> None:
    table = pa.table(BATCH)
    as_dict, as_table = encoder(BATCH), encoder(table)
    as_batch = encoder(table.to_batches()[0])
    assert type(as_dict) is dict
    assert isinstance(as_table, pa.Table)
    assert isinstance(as_batch, pa.RecordBatch)
    for columns in (as_dict, as_table.to_pydict(), as_batch.to_pydict()):
        check_aligned(columns)


def test_engines_hand_over_numpy_columns(encoder: turnmill.Encoder) -> None:
    columns = {name: np.array(values, dtype=object) for name, values in BATCH.items()}
    check_aligned(encoder(columns))


@pytest.mark.parametrize("batch", [{"text": []}, pa.table({"text": pa.array([], pa.string())})])
def test_an_empty_batch_stays_empty(encoder: turnmill.Encoder, batch: Any) -> None:
    assert len(encoder(batch)["input_ids"]) == 0


@pytest.mark.parametrize("processes", [None, 2])
def test_datasets_map(encoder: turnmill.Encoder, processes: int | None) -> None:
    rows = datasets.Dataset.from_list(DOCUMENTS * 4)
    mapped = rows.map(encoder, batched=True, batch_size=5, num_proc=processes)
    assert mapped.column_names == ["text", "input_ids", "reject"]
    assert mapped["input_ids"][:3] == encoder.encode(DOCUMENTS).table["input_ids"].to_pylist()


@pytest.mark.parametrize("rejected", [slice(0, 5), slice(5, 10)])
@pytest.mark.parametrize("processes", [None, 2])
@pytest.mark.parametrize("form", [None, "arrow"])
def test_datasets_map_with_rejects(
    encoder: turnmill.Encoder, processes: int | None, rejected: slice, form: str | None
) -> None:
    rows = [CHAT[0]] * 10
    rows[rejected] = [CHAT[1]] * 5
    data = datasets.Dataset.from_list(rows).with_format(form)
    mapped = data.map(encoder, batched=True, batch_size=5, num_proc=processes).with_format(None)
    assert [reject is not None for reject in mapped["reject"]] == [row is CHAT[1] for row in rows]


def test_columns_of_a_dict_keep_their_types(encoder: turnmill.Encoder) -> None:
    table = encoder(pa.table({"text": ["a", "b"]}))
    columns = encoder({"text": ["a", "b"]})
    assert pa.table(columns).schema.equals(table.schema)
    assert columns["input_ids"] == table["input_ids"].to_pylist()
    assert columns["reject"] == [None, None]
    columns["reject"].append({"code": "mine", "reason": "added later", "message": 1})
    assert pa.array(columns["reject"]).to_pylist() == columns["reject"]


def test_it_pickles_as_paths_and_notices_changes(tmp_path: Path) -> None:
    copy = shutil.copytree(TOKENIZER, tmp_path / "copy")
    made = turnmill.Encoder(turnmill.Recipe(tokenizer=copy))
    stored = pickle.dumps(made)
    assert len(stored) < 5000
    same = pickle.loads(stored)
    assert same.encode(DOCUMENTS).table.equals(made.encode(DOCUMENTS).table)
    template = copy / "chat_template.jinja"
    template.write_text(template.read_text("utf-8") + "{# changed #}", "utf-8")
    with pytest.raises(turnmill.TokenizerError, match="not the one that was pickled") as caught:
        pickle.loads(stored)
    assert "embed=True" in str(caught.value.hint)


def test_a_process_loads_what_it_is_sent_once(tmp_path: Path) -> None:
    copy = shutil.copytree(TOKENIZER, tmp_path / "copy")
    for keys in ({"embed": True}, {}):
        stored = pickle.dumps(turnmill.Encoder(turnmill.Recipe(tokenizer=copy), threads=1, **keys))
        first, second = pickle.loads(stored), pickle.loads(stored)
        assert first._session is second._session
        other = pickle.dumps(turnmill.Encoder(turnmill.Recipe(tokenizer=copy, max_length=9)))
        assert pickle.loads(other)._session is not first._session


def test_the_second_run_of_datasets_map_hits_the_cache(tmp_path: Path) -> None:
    script = (
        "import sys, datasets, turnmill\n"
        "data = datasets.Dataset.from_parquet(sys.argv[1], cache_dir=sys.argv[2])\n"
        "encoder = turnmill.Encoder(tokenizer=sys.argv[3], threads=1)\n"
        "encoder.encode([{'text': 'used before'}])\n"
        "mapped = data.with_format('arrow').map(encoder, batched=True)\n"
        "print(mapped.cache_files[0]['filename'])\n"
    )
    pq.write_table(pa.Table.from_pylist(DOCUMENTS), tmp_path / "a.parquet")
    places = [str(tmp_path / "a.parquet"), str(tmp_path / "cache"), str(TOKENIZER)]
    made = []
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, "-c", script, *places], check=True, capture_output=True, text=True
        )
        made.append((run.stdout, Path(run.stdout.strip()).stat().st_mtime_ns))
    assert made[0] == made[1]


def test_embedded_files_travel_with_the_pickle(tmp_path: Path) -> None:
    copy = shutil.copytree(TOKENIZER, tmp_path / "copy")
    made = turnmill.Encoder(turnmill.Recipe(tokenizer=copy), embed=True)
    expected = made.encode(DOCUMENTS).table
    stored = pickle.dumps(made)
    shutil.rmtree(copy)
    same = pickle.loads(stored)
    assert same.encode(DOCUMENTS).table.equals(expected)
    assert pickle.loads(pickle.dumps(same)).encode(DOCUMENTS).table.equals(expected)


def test_another_build_that_reads_what_was_sent_otherwise_says_so() -> None:
    made = turnmill.Encoder(turnmill.Recipe(tokenizer=TOKENIZER), embed=True)
    identity = made._session.identity().encode()
    stored = pickle.dumps(made)
    assert stored.count(identity) == 1
    with pytest.raises(turnmill.TokenizerError, match="otherwise on this machine") as caught:
        pickle.loads(stored.replace(identity, b"0" * len(identity)))
    assert "the same build" in str(caught.value.hint)


def test_a_recipe_without_a_tokenizer_says_so() -> None:
    with pytest.raises(turnmill.RecipeError, match="names no tokenizer"):
        turnmill.Encoder(turnmill.Recipe())


def test_facts_are_the_same_each_time(encoder: turnmill.Encoder) -> None:
    facts = encoder._session.facts()
    assert json.loads(json.dumps(facts)) == facts
    again = turnmill.Encoder(dataclasses.replace(encoder.recipe))._session.facts()
    assert again == facts
    assert len(facts["tokenizer"]["sha256"]) == 64


@pytest.mark.parametrize("blocks", [1, 7, 10_000])
def test_a_shard_does_not_depend_on_its_blocks(encoder: turnmill.Encoder, blocks: int) -> None:
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in DOCUMENTS).encode()
    shard = encoder._session.open_shard(
        ShardOptions("text", "x", first_row=10, first_line=4, threads=2, chunk_rows=2)
    )
    outputs = [
        shard.feed_bytes(memoryview(data)[start : start + blocks])
        for start in range(0, len(data), blocks)
    ]
    outputs.append(shard.finish())
    index = pa.Table.from_batches([pa.record_batch(b) for out in outputs for b in out.index])
    assert index["row"].to_pylist() == [10, 11, 12]
    assert index["line"].to_pylist() == [4, 5, 6]
    assert sum(out.rows for out in outputs) == 3
    assert sum(out.tokens for out in outputs) == sum(index["length"].to_pylist())


def head(text: bytes) -> _core.Head:
    first = _core.Head()
    assert first.feed(text)
    return first


def test_a_head_is_fed_until_it_holds_a_row() -> None:
    first = _core.Head()
    assert not first.feed(b"\xef\xbb\xbf\n  ")
    assert not first.feed(b'{"text": ')
    assert not first.is_blank
    assert first.feed(b'"a"}\n')
    blank = _core.Head()
    assert not blank.feed(b" \n\t")
    assert blank.is_blank
    with pytest.raises(TypeError, match="the rows are not JSON"):
        _core.Head([{"text": "a"}]).feed(b"a")


def test_the_schema_is_asked_for_first(encoder: turnmill.Encoder) -> None:
    line = b'{"text": "a"}\n{"text": "cut of'
    assert encoder._session.inspect(head(line), "a.jsonl").schema == "text"
    batch = pa.RecordBatch.from_pylist(DOCUMENTS)
    assert encoder._session.inspect(_core.Head(batch), "a.parquet").schema == "text"
    with pytest.raises(turnmill.TurnmillError) as raised:
        encoder._session.inspect(head(b'{"foo": 1}\n'), "a.jsonl")
    assert raised.value.path == "a.jsonl"


def test_a_requested_schema_is_a_wish(encoder: turnmill.Encoder) -> None:
    shard = encoder._session.open_shard(ShardOptions("text", "x", threads=1))
    shard.feed_rows(DOCUMENTS)
    (batch,) = shard.finish().samples
    assert len(batch) == len(DOCUMENTS)
    names = pa.record_batch(batch).schema.names
    wide = pa.schema([(name, pa.large_list(pa.int64())) for name in names])
    _, array = batch.__arrow_c_array__(wide.__arrow_c_schema__())
    assert array is not None
    other = pa.schema([("something", pa.int32())])
    with pytest.raises(ValueError, match="the requested columns"):
        batch.__arrow_c_array__(other.__arrow_c_schema__())
    with pytest.raises(TypeError):
        batch.__arrow_c_array__("no schema")


def test_a_batch_that_is_no_batch(encoder: turnmill.Encoder) -> None:
    shard = encoder._session.open_shard(ShardOptions("text", "x", threads=1))
    with pytest.raises(TypeError, match="expected a record batch"):
        shard.feed_batch({"text": ["a"]})
    with pytest.raises(TypeError, match="expected rows"):
        shard.feed_batch(pa.array(["a"]))
