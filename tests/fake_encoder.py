"""An encoder in Python for tests of files, shards and commits: its tokens are code points.

It reads ``{"messages": [...]}`` rows, and offers what ``turnmill.prepare.protocol`` asks for.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

LIST = pa.list_(pa.int32())
SAMPLES = pa.schema(
    {
        "input_ids": LIST,
        "labels": LIST,
        "attention_mask": pa.list_(pa.int8()),
        "length": pa.int32(),
    }
)
INDEX = pa.schema(
    {
        "row": pa.int64(),
        "line": pa.int64(),
        "sample": pa.int32(),
        "turns": pa.int32(),
        "length": pa.int32(),
        "trained": pa.int32(),
        "hash": pa.uint64(),
    }
)
REJECTS = pa.schema(
    {
        "row": pa.int64(),
        "line": pa.int64(),
        "code": pa.string(),
        "reason": pa.string(),
        "turn": pa.int32(),
    }
)
STOP = 0


@dataclass
class Output:
    """As the protocol says."""

    samples: list[Any] = field(default_factory=list)
    index: list[Any] = field(default_factory=list)
    rejects: list[Any] = field(default_factory=list)
    rows: int = 0
    rejected: int = 0
    tokens: int = 0
    trained: int = 0
    lost_turns: int = 0
    lost_tokens: int = 0


class FakeShard:
    """Encodes the rows of one shard."""

    def __init__(self, *, array: bool, first_row: int, first_line: int) -> None:
        self._array = array
        self._row = first_row
        self._line = first_line
        self._text = b""
        self._tables: dict[str, list[dict[str, Any]]] = {"samples": [], "index": [], "rejects": []}
        self._given = dict.fromkeys(self._tables, 0)
        self._counts: dict[str, int] = {}
        self._evidence: list[tuple[str, int, int | None, int | None]] = []

    def feed_bytes(self, data: Any, /) -> Output:
        self._text += bytes(data)
        output = Output()
        if not self._array:
            *lines, self._text = self._text.split(b"\n")
            for line in lines:
                self._line_done(line, output)
        return self._flush(output)

    def feed_batch(self, batch: Any, /) -> Output:
        output = Output()
        for row in pa.record_batch(batch).to_pylist():
            self._row_done(row, None, output)
        return self._flush(output)

    def feed_rows(self, rows: list[Any], /) -> Output:
        output = Output()
        for row in rows:
            self._row_done(row, None, output)
        return self._flush(output)

    def finish(self) -> Output:
        output = Output()
        if self._array:
            for row in json.loads(self._text):
                self._row_done(row, 1, output)
        elif self._text:
            self._line_done(self._text, output)
        return self._flush(output, last=True)

    def counts(self) -> dict[str, int]:
        return self._counts

    def evidence(self) -> list[tuple[str, int, int | None, int | None]]:
        return self._evidence

    def _line_done(self, line: bytes, output: Output) -> None:
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError:
                self._reject("invalid-json", "not JSON", self._line, output)
            else:
                self._row_done(row, self._line, output)
        self._line += 1

    def _reject(self, code: str, reason: str, line: int | None, output: Output) -> None:
        self._tables["rejects"].append(
            {"row": self._row, "line": line, "code": code, "reason": reason, "turn": None}
        )
        self._counts[code] = self._counts.get(code, 0) + 1
        self._evidence.append((code, self._row, line, None))
        self._row += 1
        output.rows += 1
        output.rejected += 1

    def _row_done(self, row: dict[str, Any], line: int | None, output: Output) -> None:
        if not any(m["role"] == "assistant" for m in row["messages"]):
            self._reject("no-assistant-turn", "no assistant message", line, output)
            return
        ids, labels = [], []
        for message in row["messages"]:
            text = [ord(character) for character in message["content"]] + [STOP]
            ids += text
            labels += text if message["role"] == "assistant" else [-100] * len(text)
        trained = sum(label != -100 for label in labels)
        self._tables["samples"].append(
            {
                "input_ids": ids,
                "labels": labels,
                "attention_mask": [1] * len(ids),
                "length": len(ids),
            }
        )
        self._tables["index"].append(
            {
                "row": self._row,
                "line": line,
                "sample": 0,
                "turns": 1,
                "length": len(ids),
                "trained": trained,
                "hash": zlib.crc32(json.dumps(row, sort_keys=True).encode()),
            }
        )
        self._row += 1
        output.rows += 1
        output.tokens += len(ids)
        output.trained += trained

    def _flush(self, output: Output, *, last: bool = False) -> Output:
        schemas = {"samples": SAMPLES, "index": INDEX, "rejects": REJECTS}
        for name, schema in schemas.items():
            rows = self._tables[name]
            while len(rows) >= 1000 or (last and (rows or not self._given[name])):
                batch = pa.RecordBatch.from_pylist(rows[:1000], schema=schema)
                getattr(output, name).append(batch)
                self._given[name] += 1
                rows = self._tables[name] = rows[1000:]
        return output


class FakeEncoder:
    """Makes shards; every schema is ``messages``."""

    def _inspect_bytes(self, _data: bytes, **_rest: Any) -> str:
        return "messages"

    def _history_prices(self, _path: str, _own_keys: str) -> None:
        return None

    def _inspect_rows(self, _rows: list[Any], **_rest: Any) -> str:
        return "messages"

    def _inspect_batch(self, _batch: pa.RecordBatch, **_rest: Any) -> str:
        return "messages"

    def _open_shard(
        self, *, array: bool, first_row: int, first_line: int, **_rest: Any
    ) -> FakeShard:
        return FakeShard(array=array, first_row=first_row, first_line=first_line)

    def _facts(self) -> dict[str, Any]:
        return {
            "tokenizer": {"path": "fake", "sha256": "0" * 64, "vocab_size": 0x110000},
            "template": {"name": "fake", "sha256": "1" * 64, "source": "{{ messages }}"},
            "stop": [{"id": STOP, "token": "<end>"}],
            "terminator": {"id": STOP, "token": "<end>"},
            "bos": None,
            "pad": None,
            "notes": [],
        }


def rows(count: int, start: int = 0) -> list[dict[str, Any]]:
    """Conversations that differ from one another in text and length."""
    return [
        {
            "messages": [
                {"role": "user", "content": f"question {i}"},
                {"role": "assistant", "content": "answer " * (i % 7) + f"{i} 答"},
            ]
        }
        for i in range(start, start + count)
    ]


def json_lines(count: int, start: int = 0) -> bytes:
    """:func:`rows` as JSON Lines."""
    return "".join(
        json.dumps(row, ensure_ascii=False) + "\n" for row in rows(count, start)
    ).encode()
