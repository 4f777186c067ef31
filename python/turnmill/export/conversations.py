"""The conversations that gave the samples of a data set, read again from the inputs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from turnmill.encoder.session import Session
from turnmill.errors import DataError
from turnmill.export.source import DataSet
from turnmill.inputs.find import Input, find_inputs
from turnmill.inputs.rows import PickedRow, rows_of
from turnmill.output.answers import SCHEMAS
from turnmill.output.reader import Output
from turnmill.storage.local import read_table

_TEXTS = "they are text, not conversations"
_JUDGED = "they are answers that are judged, not conversations"


@dataclass(frozen=True)
class Conversation:
    """A row that gave samples, as it was read."""

    source: str
    row: int
    messages: list[dict[str, Any]]
    tools: Any
    documents: Any
    variables: dict[str, Any]
    """What the row tells its template, such as ``enable_thinking``."""
    prompts: bool = False
    """Whether the rows are prompts; an assistant message at the end is what they answer."""


def conversations(data_set: DataSet) -> Iterator[Conversation | str]:
    """The conversation of each row with samples in the data set, in the order of the inputs.

    A row that has none gives the reason instead.

    Raises:
        DataError: An input is gone, or has changed since.
    """
    session = _session(data_set.output)
    for planned in data_set.output.record["inputs"]:
        wanted = _rows(data_set, planned["name"])
        if not wanted.any():
            continue
        input_ = _input(data_set.output, planned)
        for picked in rows_of(input_):
            if picked.row < len(wanted) and wanted[picked.row]:
                yield _read(session, input_, planned, picked)


def _session(output: Output) -> Session:
    tokenizer = output.tokenizer
    if tokenizer is None:
        message = "the run record names no tokenizer"
        raise DataError(message, code="broken-output", path=str(output.path))
    return Session(output.recipe(tokenizer))


def _rows(data_set: DataSet, source: str) -> npt.NDArray[np.bool_]:
    """Which rows of an input have samples in the data set."""
    wanted = np.zeros(0, np.bool_)
    for shard in data_set.shards:
        index = read_table(data_set.output.path / shard["index"], ["source", "row"])
        for chunk in index.filter(pc.field("source") == source)["row"].chunks:
            rows = np.from_dlpack(chunk)
            if len(rows) and rows.max() >= len(wanted):
                wanted = np.append(wanted, np.zeros(rows.max() + 1 - len(wanted), np.bool_))
            wanted[rows] = True
    return wanted


def _input(output: Output, planned: dict[str, Any]) -> Input:
    """An input where it is now.

    Raises:
        DataError: It was in memory, was given twice, or has changed.
    """
    name = planned["name"]
    if output.sources.count(name) > 1:
        message = "the input was given twice, so its rows cannot be told apart"
        raise DataError(message, code="no-input", path=name, hint="prepare with it once")
    if planned["format"] in {"dicts", "table", "dataset"}:
        message = "rows that were in memory are gone"
        raise DataError(message, code="no-input", path=name, hint="prepare from files")
    [input_] = find_inputs([output.input(name)], output.record["recipe"].get("split"))
    digest, _ = input_.survey(threading.Event())
    if not digest.startswith(planned["key"]):
        message = "the input has changed since the output was made of it"
        hint = "prepare again: only shards of inputs that have changed are made again"
        raise DataError(message, code="other-input", path=name, hint=hint)
    return input_


def _read(
    session: Session, input_: Input, planned: dict[str, Any], picked: PickedRow
) -> Conversation | str:
    text = picked.data if isinstance(picked.data, bytes) else _json_text(picked.data)
    found = session.look(text, planned["schema"], input_.overrides)
    if found is None:
        return _JUDGED if planned["schema"] in SCHEMAS else _TEXTS
    if "messages" not in found:
        raise DataError(
            f"a row that gave samples is rejected now: {found['reject'][1]}",
            code="other-input",
            path=planned["name"],
            row=picked.row,
            hint="prepare again with this version",
        )
    return Conversation(
        planned["name"],
        picked.row,
        found["messages"],
        found["tools"],
        found["documents"],
        found["variables"],
        session.recipe.train_on == "none",
    )


def _json_text(row: pa.RecordBatch) -> bytes:
    """A row of a table as JSON; null fields of structs are dropped, as they are when it is read."""
    [values] = row.to_pylist()
    kept = {name: _without_nulls(value) for name, value in values.items()}
    return json.dumps(kept, ensure_ascii=False, default=str).encode()


def _without_nulls(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value
