"""The type `Json` of `datasets` is read as `ds[0]` gives it, from every kind of storage."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import turnmill
from cases import shapes

datasets = pytest.importorskip("datasets")
from datasets import Dataset, Features, Json, List, Value  # noqa: E402

DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"
ARGUMENTS = {"b": 3, "a": [2, None, {"c": "ü"}], "x": 1.5, "t": True, "n": None}
CALLING = shapes.calling(shapes.call(ARGUMENTS))
TEXT = Value("string")

CALLS = List({"type": TEXT, "function": {"name": TEXT, "arguments": Json()}})
KINDS: dict[str, tuple[Any, Features]] = {
    "arguments": (
        {"messages": [shapes.user(), CALLING, shapes.tool(), shapes.assistant()]},
        Features({"messages": List({"role": TEXT, "content": TEXT, "tool_calls": CALLS})}),
    ),
    "calls": (
        {"messages": [shapes.user(), CALLING]},
        Features({"messages": List({"role": TEXT, "content": TEXT, "tool_calls": Json()})}),
    ),
    "each message": (
        {"messages": [shapes.user(name="Ann"), shapes.assistant()], "tools": [shapes.TOOL]},
        Features({"messages": List(Json()), "tools": List(Json())}),
    ),
    "all messages and tools": (
        {"messages": [shapes.user(), CALLING], "tools": [shapes.TOOL]},
        Features({"messages": Json(), "tools": Json()}),
    ),
}

Store = Callable[[Dataset, Path], Any]


def parquet(data: Dataset, path: Path) -> Any:
    data.to_parquet(path / "data.parquet")
    return path / "data.parquet"


def saved(data: Dataset, path: Path) -> Any:
    data.save_to_disk(path / "saved")
    return path / "saved"


def ipc(data: Dataset, path: Path) -> Any:
    with pa.OSFile(str(path / "data.arrow"), "wb") as file:
        table = data.with_format("arrow")[:]
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    return path / "data.arrow"


def memory(data: Dataset, _: Path) -> Any:
    return data


def table(data: Dataset, _: Path) -> Any:
    return data.with_format("arrow")[:]


def encoded(data: Any, out: Path, **keys: Any) -> list[list[int]]:
    recipe = turnmill.Recipe(
        tokenizer=DEMO, template="qwen3", stop=["<|im_end|>"], history="as-rendered", **keys
    )
    turnmill.prepare(data, out, recipe)
    return datasets.load_from_disk(str(out))["input_ids"][:]


@pytest.mark.parametrize("store", [parquet, saved, ipc, memory, table])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wire", ["normalise", "keep"])
def test_json_is_the_value_that_datasets_gives(
    tmp_path: Path, kind: str, store: Store, wire: str
) -> None:
    row, features = KINDS[kind]
    data = Dataset.from_list([row, row], features=features)
    # A struct of Arrow holds a null for what a message lacks, and `datasets` gives it.
    meant = json.loads(json.dumps(data[0]))
    for message in meant["messages"]:
        for key in [key for key, value in message.items() if value is None]:
            del message[key]
    expected = encoded([meant, meant], tmp_path / "meant", wire=wire)
    found = encoded(store(data, tmp_path), tmp_path / "out", wire=wire)
    assert found == expected


def test_what_datasets_writes_by_itself_is_read(tmp_path: Path) -> None:
    rows = [{"messages": [shapes.user(name="Ann"), shapes.assistant()]}]
    data = Dataset.from_list(rows, on_mixed_types="use_json")
    assert data.features["messages"] == List(Json())
    data.to_parquet(tmp_path / "data.parquet")
    found = encoded(tmp_path / "data.parquet", tmp_path / "out")
    expected = encoded(rows, tmp_path / "meant")
    assert found == expected


def test_text_of_the_type_that_is_no_json_rejects_its_row() -> None:
    texts = pa.array(['[{"role": "user", "content": "a"}', "null"], pa.string())
    good = pa.array(['[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]'])
    column = pa.ExtensionArray.from_storage(pa.json_(), pa.concat_arrays([good, texts]))
    recipe = turnmill.Recipe(tokenizer=DEMO, template="qwen3", stop=["<|im_end|>"], max_rejects=1.0)
    made = turnmill.Encoder(recipe).encode(pa.table({"messages": column}))
    assert made.table["row"].to_pylist() == [0]
    assert made.rejects["code"].to_pylist() == ["invalid-json", "schema-mismatch"]


def test_carried_columns_of_the_type_stay_readable(tmp_path: Path) -> None:
    plain = pa.array(["{broken", "[1]"])
    odd = pa.ExtensionArray.from_storage(pa.json_(), plain)
    messages = [[shapes.user(), shapes.assistant()]] * 2
    found = encoded(pa.table({"messages": messages, "meta": odd}), tmp_path / "out")
    assert len(found) == 2
