"""The conversations that gave samples, as Parquet, for trainers that tokenize themselves.

Parquet cannot hold objects whose keys differ from row to row: it would give every call the
arguments of all the others, as nulls. So arguments of calls, tools and documents are JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from turnmill.errors import DataError
from turnmill.export.conversations import Conversation, conversations
from turnmill.export.result import Written
from turnmill.export.source import DataSet
from turnmill.export.targets.tables import PARQUET
from turnmill.export.targets.target import Packs, Target
from turnmill.output.trainers import NextStep

_SPOOL = ".rows.jsonl"
_GROUP_ROWS = 1000
_CALLS = pa.list_(
    pa.struct(
        {
            "id": pa.string(),
            "type": pa.string(),
            "function": pa.struct({"name": pa.string(), "arguments": pa.string()}),
        }
    )
)
_ORIGIN = ("source", "row")
"""Columns that lead back to the input row."""
_NO_TEXT = "a message has content that is not text"


@dataclass(frozen=True)
class Messages:
    """``messages``, and what else the rows hold: ``tools``, ``documents``, template variables."""

    name: str = "messages"
    labels: str = ""
    packs: Packs = "never"
    alone: str = "its rows are conversations"
    weights: bool = False
    needs_ids: bool = False

    def write(self, directory: Path, data_set: DataSet) -> Written:
        """Writes the rows in two steps: their columns are known once all were read."""
        written, columns = Written(), _Columns()
        spool = directory / _SPOOL
        with spool.open("w", encoding="utf-8", errors="surrogatepass") as file:
            for row in _checked(data_set, written):
                columns.see(row)
                file.write(json.dumps(row) + "\n")
        if not written.rows:
            message = f"there is no conversation to write: {', '.join(written.left_out)}"
            hint = "--to datasets takes samples of any kind"
            raise DataError(message, code="no-rows", path=str(data_set.output.path), hint=hint)
        PARQUET.write(directory, _batches(spool, columns.schema()), written)
        spool.unlink()
        return written

    def finish(self, directory: Path, splits: Sequence[str]) -> None:
        """Nothing: each data set is a directory."""

    def next_steps(self, place: str, data_sets: Sequence[DataSet]) -> list[NextStep]:
        """How the trainers are told to read it."""
        inside = f"{place}/{data_sets[0].split}" if data_sets[0].split else place
        reason = "it tokenizes itself; `turnmill check` reads what it makes"
        verl = ("verl", f"data.train_files={inside}/data-00000.parquet")
        loaded = f'load_dataset("{inside}", split="train")'
        of_prompts = (verl, ("TRL GRPOTrainer", f"GRPOTrainer(train_dataset={loaded}, ...)"))
        of_conversations = (
            verl,
            ("prime-rl", f'data.name = "{inside}"'),
            ("torchtitan", f'ChatDataset over load_dataset("{inside}")'),
            ("ms-swift", f"--dataset {inside}/data-00000.parquet"),
        )
        lines = of_prompts if data_sets[0].prompts else of_conversations
        return [NextStep(trainer, (line,), reason) for trainer, line in lines]


def _checked(data_set: DataSet, written: Written) -> Iterator[dict[str, Any]]:
    """The rows as JSON; counts them, and those that have no place."""
    for found in conversations(data_set):
        row = found if isinstance(found, str) else _row(found)
        if isinstance(row, str):
            written.left_out[row] = written.left_out.get(row, 0) + 1
            continue
        written.rows += 1
        yield row


def _row(found: Conversation) -> dict[str, Any] | str:
    if not all(isinstance(message.get("content") or "", str) for message in found.messages):
        return _NO_TEXT
    row = _prompt(found) if found.prompts else _conversation(found.messages, "messages")
    for name, value in (("tools", found.tools), ("documents", found.documents)):
        if value is not None:
            row[name] = _json(value)
    variables = dict(found.variables)
    if isinstance(variables.get("enable_thinking"), bool):
        row["enable_thinking"] = variables.pop("enable_thinking")
    if variables:
        row["chat_template_kwargs"] = _json(variables)
    return {**row, **dict(zip(_ORIGIN, (found.source, found.row), strict=True))}


def _conversation(messages: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    return {name: [_message(message) for message in messages]}


def _prompt(found: Conversation) -> dict[str, Any]:
    """A prompt under the names of TRL and verl, with what the row answers."""
    *asked, last = found.messages
    if last["role"] != "assistant":
        return {**_conversation(found.messages, "prompt"), "data_source": found.source}
    reference = _reference(last)
    return {
        **_conversation(asked, "prompt"),
        "reference": reference,
        "data_source": found.source,
        "reward_model": {"style": "rule", "ground_truth": reference},
    }


def _reference(message: dict[str, Any]) -> str:
    """The text of an answer; if it says more than that, all of it as JSON, as in the output."""
    more = any(value for key, value in message.items() if key not in {"role", "content"})
    content = message.get("content")
    return content if isinstance(content, str) and not more else _json(message)


def _message(message: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for key, value in message.items():
        if key == "tool_calls" and isinstance(value, list):
            told[key] = [_call(call) for call in value]
        elif value is not None:
            told[key] = value if isinstance(value, str) else _json(value)
    return told


def _call(call: Any) -> dict[str, Any]:
    function = call.get("function", call)
    arguments = function.get("arguments")
    told = {
        "type": call.get("type", "function"),
        "function": {
            "name": function.get("name"),
            "arguments": arguments if isinstance(arguments, str) else _json(arguments),
        },
    }
    return {"id": str(call["id"]), **told} if call.get("id") is not None else told


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


@dataclass
class _Columns:
    """The columns and the keys of messages that occur."""

    rows: dict[str, None] = field(default_factory=dict)
    messages: dict[str, None] = field(default_factory=lambda: {"role": None, "content": None})

    def see(self, row: dict[str, Any]) -> None:
        """Takes the keys of a row."""
        self.rows.update(dict.fromkeys(row))
        for message in row.get("prompt") or row["messages"]:
            self.messages.update(dict.fromkeys(message))

    def schema(self) -> pa.Schema:
        """Of text, but for calls, truth values and the number of the row."""
        keys = {key: _CALLS if key == "tool_calls" else pa.string() for key in self.messages}
        types = {
            "messages": pa.list_(pa.struct(keys)),
            "prompt": pa.list_(pa.struct(keys)),
            "reward_model": pa.struct({"style": pa.string(), "ground_truth": pa.string()}),
            "enable_thinking": pa.bool_(),
            "row": pa.int64(),
        }
        names = [name for name in self.rows if name not in _ORIGIN] + list(_ORIGIN)
        return pa.schema([(name, types.get(name, pa.string())) for name in names])


def _batches(spool: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    with spool.open(encoding="utf-8") as file:
        waiting: list[dict[str, Any]] = []
        for line in file:
            waiting.append(json.loads(line))
            if len(waiting) == _GROUP_ROWS:
                yield pa.RecordBatch.from_pylist(waiting, schema=schema)
                waiting = []
        if waiting:
            yield pa.RecordBatch.from_pylist(waiting, schema=schema)


MESSAGES: Target = Messages()
