"""Data to check, as record batches: only the columns that rules need, mapped if possible."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from turnmill.errors import DataError
from turnmill.inputs import splits
from turnmill.inputs.files import FileInput, Part
from turnmill.inputs.find import Input, find_inputs
from turnmill.inputs.memory import MemoryInput
from turnmill.output.answers import COLUMNS as ANSWER_COLUMNS
from turnmill.output.answers import Answer, answers, sequence
from turnmill.storage.local import read_json
from turnmill.storage.remote import output_path

IDS = ("input_ids", "tokens")
COLUMNS = (
    *IDS,
    *("labels", "loss_mask", "completion_mask", "assistant_masks", "assistant_mask"),
    *("attention_mask", "position_ids", "input_pos"),
    *("seq_lengths", "seq_lens", "seq_start_id", "cu_seqlens", "cu_seq_lens_q"),
    *ANSWER_COLUMNS,
)
"""Columns of tokenized data; others are not read."""
FEED_BYTES = 32 << 20
"""How much is passed on at a time: enough work for every thread, but little memory."""
_PARQUET_ROWS = 16_384
_JSON_ROWS = 4_096
_TWIN_ROWS = 100


@dataclass(frozen=True)
class Source:
    """One input and whether its rows are tokenized."""

    input: Input
    tokenized: bool
    name: str
    """Where its rows are numbered: in its file, or in the `datasets` directory that holds it."""
    answer: Answer | None = None
    """Which answer of its rows is looked at, if they hold answers that are judged."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, with the columns that rules need."""
        found = batches(self.input)
        return found if self.answer is None else (sequence(self.answer, b) for b in found)


def find_sources(data: Any, split: str | None = None) -> list[Source]:
    """Every input that ``data`` names; of tokenized data every split, unless one is wanted."""
    return [
        source
        for name, item in _data_sets(data, split)
        for found in find_inputs(item, (split if name is None else None) or splits.ALL)
        for source in _sources(found, name or found.name)
    ]


def _sources(found: Input, name: str) -> list[Source]:
    """An input, or each of the answers in its rows."""
    columns = _columns(found)
    if any(column in columns for column in IDS):
        return [Source(found, True, name)]
    judged = answers(columns)
    if len(judged) == 1:
        return [Source(found, True, name, judged[0])]
    paired = [Source(found, True, f"{name} ({answer.name})", answer) for answer in judged]
    return paired or [Source(found, False, name)]


def _data_sets(data: Any, split: str | None) -> list[tuple[str | None, Any]]:
    """What is numbered as one, by its name; ``None`` if each input is numbered by itself."""
    if isinstance(data, str | os.PathLike):
        place = output_path(data)
        if names := read_json(place / "dataset_dict.json"):
            found = _chosen(names["splits"], split, str(place))
            return [(str(place / name), str(place / name)) for name in found]
        if record := read_json(place / "turnmill.json"):
            paths = [place / shard["data"] for shard in record["shards"]]
            return [(str(place), str(path)) for path in paths if path.is_file()]
        if isinstance(place, Path):
            if inner := _inner_data_sets(place):
                return [(str(found), found) for found in inner]
            if (place / "state.json").is_file():
                return [(str(place), place)]
    if type(data).__name__ in {"DatasetDict", "IterableDatasetDict"}:
        return [(name, data[name]) for name in _chosen(list(data), split, None)]
    return [(None, data)]


def _chosen(names: list[str], split: str | None, place: str | None) -> list[str]:
    wanted = None if split == splits.ALL else split
    return splits.choose({name: [name] for name in names}, wanted, place) if wanted else names


def _inner_data_sets(directory: Path) -> list[Path]:
    """`datasets` directories below a directory that is not one itself, such as Axolotl's cache."""
    if not directory.is_dir() or (directory / "state.json").is_file():
        return []
    return [
        file.parent
        for file in sorted(directory.rglob("state.json"))
        if "_data_files" in json.loads(file.read_text("utf-8"))
    ]


def _columns(found: Input) -> list[str]:
    if not found.columnar:
        first: Any = next(iter(_json_rows(found)), {})
        return list(first) if isinstance(first, dict) else []
    if isinstance(found, MemoryInput):
        return list(getattr(found.rows, "column_names", []))
    if found.format == "parquet":
        with _undamaged(found.name), _parquet(found) as file:
            return list(file.schema_arrow.names)
    return list(next((batch.schema.names for batch in batches(found, None)), []))


def batches(found: Input, columns: Iterable[str] | None = COLUMNS) -> Iterator[pa.RecordBatch]:
    """The rows of an input, with those of the wanted columns that it has; all if ``None``.

    Raises:
        DataError: A columnar file ends too early or is damaged.
    """
    wanted = None if columns is None else list(columns)
    with _undamaged(found.name):
        for batch in _batches(found, wanted):
            if wanted is None:
                yield batch
            else:
                yield batch.select([name for name in batch.schema.names if name in wanted])


@contextlib.contextmanager
def _undamaged(path: str) -> Iterator[None]:
    """Turns pyarrow's error for a damaged file into one that names it."""
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        message = f"the file ends too early or is damaged: {error}"
        raise DataError(
            message, code="broken-input", path=path, hint="replace the file with an intact one"
        ) from error


def _batches(found: Input, wanted: list[str] | None) -> Iterator[pa.RecordBatch]:
    if not found.columnar:
        yield from _json_batches(found, wanted or list(COLUMNS))
    elif isinstance(found, MemoryInput):
        yield from _memory_batches(found)
    elif found.format == "parquet":
        yield from _parquet_batches(found, wanted)
    elif "://" in found.place:
        yield from (batch for batch, _ in found.batches(Part()))
    else:
        yield from _mapped_batches(found)


def _parquet(found: FileInput) -> Any:
    import pyarrow.parquet as pq

    if "://" in found.place:
        from pyarrow import fs

        filesystem, path = fs.FileSystem.from_uri(found.place)
        return pq.ParquetFile(filesystem.open_input_file(path))
    return pq.ParquetFile(found.place, memory_map=True)


def _parquet_batches(found: FileInput, wanted: list[str] | None) -> Iterator[pa.RecordBatch]:
    with _parquet(found) as file:
        names = file.schema_arrow.names
        columns = None if wanted is None else [name for name in names if name in wanted]
        yield from file.iter_batches(_PARQUET_ROWS, columns=columns)


def _mapped_batches(found: FileInput) -> Iterator[pa.RecordBatch]:
    with pa.memory_map(found.place) as file:
        if found.format == "arrow-file":
            with pa.ipc.open_file(file) as reader:
                for number in range(reader.num_record_batches):
                    yield reader.get_batch(number)
        else:
            with pa.ipc.open_stream(file) as reader:
                yield from reader


def _memory_batches(found: MemoryInput) -> Iterator[pa.RecordBatch]:
    if found.format == "dataset":
        rows = found.rows
        for start in range(0, len(rows), _PARQUET_ROWS):
            yield from rows[start : start + _PARQUET_ROWS].to_batches()
    else:
        yield from found.rows.to_batches()


def _json_rows(found: Input) -> Iterator[Any]:
    """The rows of a JSON input; lines that are not JSON are left out."""
    if isinstance(found, MemoryInput):
        yield from found.rows
    elif found.format == "array":
        yield from _json(b"".join(block for block, _ in found.blocks(Part()))) or []
    else:
        rows = (_json(line) for line in _lines(found) if line.strip())
        yield from (row for row in rows if row is not None)


def _lines(found: FileInput) -> Iterator[bytes]:
    carried = b""
    for block, _ in found.blocks(Part()):
        *lines, carried = (carried + block).split(b"\n")
        yield from lines
    yield carried


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def broken_rows(found: Input) -> Iterator[dict[str, Any]]:
    """Places in JSON that do not hold a row of tokenized data, each with its ``rule``."""
    if found.columnar:
        return
    row = 0
    for line, value in _numbered(found):
        if value is None:
            yield {"rule": "invalid-json", "row": None, "line": line, "file": found.name}
            continue
        if note := _misfit(value):
            place = {"rule": "schema-mismatch", "row": row, "line": line, "file": found.name}
            yield {**place, "note": note}
        row += 1


def _numbered(found: Input) -> Iterator[tuple[int | None, Any]]:
    """The values of a JSON input with their lines, from 1. Text that is not JSON gives ``None``."""
    if isinstance(found, MemoryInput):
        yield from ((None, row) for row in found.rows)
    elif found.format == "array":
        rows = _json(b"".join(block for block, _ in found.blocks(Part())))
        yield from ((None, row) for row in ([None] if rows is None else rows))
    else:
        numbered = enumerate(_lines(found), 1)
        yield from ((number, _json(line)) for number, line in numbered if line.strip())


def _misfit(row: Any) -> str | None:
    """Why a JSON value is not a row."""
    if not isinstance(row, dict):
        return "the row is not an object"
    values = ((name, row.get(name)) for name in COLUMNS)
    odd = [name for name, value in values if value is not None and _integers(name, value) is None]
    return f"`{odd[0]}` is not a list of integers" if odd else None


def _integers(name: str, value: Any) -> list[int | None] | None:
    """The list of integers of a column. Booleans count as integers, and floats do if it has no ids.

    Rows in memory may hold arrays, tensors and tuples.
    """
    if isinstance(value, tuple) or hasattr(value, "tolist"):
        value = list(value) if isinstance(value, tuple) else value.tolist()
    if not isinstance(value, list):
        return None
    if all(type(item) is int and -(1 << 63) <= item < 1 << 63 for item in value):
        return value
    if all(item is None or isinstance(item, bool) for item in value):
        return [item if item is None else int(item) for item in value]
    if all(item is None or type(item) is int for item in value):
        return [item if item is not None and abs(item) < 1 << 31 else None for item in value]
    if name not in IDS and all(isinstance(item, int | float) for item in value):
        # As for columns of floats: a token with any weight is trained.
        return [math.ceil(item) if abs(item) < 1 << 31 else None for item in value]
    return None


def _json_batches(found: Input, wanted: list[str]) -> Iterator[pa.RecordBatch]:
    rows = (row if isinstance(row, dict) else {} for row in _json_rows(found))
    while some := list(itertools.islice(rows, _JSON_ROWS)):
        names = [name for name in wanted if any(name in row for row in some)]
        columns = {name: [_integers(name, row.get(name)) for row in some] for name in names}
        yield pa.record_batch(
            {name: pa.array(rows, pa.list_(pa.int64())) for name, rows in columns.items()}
        )


class Twins:
    """Finds inputs that hold the same rows, by the ids at their start."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._names: dict[str, str] = {}

    def see(self, name: str, table: pa.Table) -> None:
        """Adds the first rows of an input."""
        ids = next(table[column] for column in IDS if column in table.column_names)
        first = ids.slice(0, _TWIN_ROWS)
        digest = hashlib.sha256(repr((len(ids), first.to_pylist())).encode()).hexdigest()
        if len(first) and digest in self._names:
            self.notes.append(f"{name} holds the rows of {self._names[digest]}")
        self._names.setdefault(digest, name)


def feeds(found: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Batches gathered into tables of about `FEED_BYTES`."""
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in found:
        if held and (size > FEED_BYTES or batch.schema != held[0].schema):
            yield pa.Table.from_batches(held)
            held, size = [], 0
        held.append(batch)
        size += batch.nbytes
    if held:
        yield pa.Table.from_batches(held)
