"""Data to check: its inputs, and those of tokenized rows piece by piece, mapped if possible."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from turnmill import _core
from turnmill.encoder.inspect import row_keys
from turnmill.errors import DataError
from turnmill.inputs import splits
from turnmill.inputs.files import FileInput, InputPart
from turnmill.inputs.find import Input, find_inputs
from turnmill.inputs.memory import MemoryInput
from turnmill.inputs.rows import rows_of
from turnmill.inputs.tokenized import COLUMNS, IDS, row_of
from turnmill.output.answers import COLUMNS as ANSWER_COLUMNS
from turnmill.output.answers import Answer, answers, sample_of, sequence
from turnmill.storage.local import read_json
from turnmill.storage.remote import RemotePath, output_path

FEED_BYTES = 32 << 20
"""How much is passed on at a time: enough work for every thread, but little memory."""
_PARQUET_ROWS = 16_384
_FED_ROWS = 4_096
"""Rows in memory that are passed on at a time; a batch has the columns of all of them."""


@dataclass(frozen=True)
class Source:
    """One input and whether its rows are tokenized."""

    input: Input
    tokenized: bool
    name: str
    """Where its rows are numbered: in its file, or in the `datasets` directory that holds it."""
    answer: Answer | None = None
    """Which answer of its rows is looked at, if they hold answers that are judged."""

    @property
    def file(self) -> str:
        """Where its rows come from, and of which answer."""
        return self.input.name if self.answer is None else f"{self.input.name} ({self.answer.name})"


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
            return [(str(place / name), part) for name in found for part in _parts(place, name)]
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


def _parts(place: Path | RemotePath, split: str) -> list[str]:
    """What holds the samples of a split.

    Its directory; on a remote file system the files that the run record names, because nothing
    there tells data from indexes.
    """
    record = None if isinstance(place, Path) else read_json(place / "turnmill.json")
    if record is None:
        return [str(place / split)]
    return [str(place / shard["data"]) for shard in record["shards"] if shard["split"] == split]


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
    if isinstance(found, FileInput) and not found.columnar:
        return row_keys(found)
    if isinstance(found, MemoryInput):
        first = found.rows[0] if not found.columnar and len(found.rows) else {}
        keys = first if isinstance(first, dict) else []
        return list(getattr(found.rows, "column_names", keys))
    if found.format == "parquet":
        with _undamaged(found.name), _parquet(found) as file:
            return list(file.schema_arrow.names)
    with _undamaged(found.name):
        return list(next((batch.schema.names for batch in _batches(found)), []))


def feed(audit: _core.Audit, source: Source) -> None:
    """Passes the rows of an input to an audit; of answers that are judged, one of each.

    Raises:
        DataError: A columnar file ends too early or is damaged.
    """
    found, answer = source.input, source.answer
    if found.columnar:
        with _undamaged(found.name):
            read = _batches(found)
            rows = read if answer is None else (sequence(answer, batch) for batch in read)
            for table in _tables(rows):
                audit.add(table)
    elif answer is not None:
        judged = (row_of(picked) for picked in rows_of(found))
        audit.add_rows([sample_of(answer, row) for row in judged])
    elif isinstance(found, MemoryInput):
        for start in range(0, len(found.rows), _FED_ROWS):
            audit.add_rows(list(found.rows[start : start + _FED_ROWS]))
    else:
        for block, _ in found.blocks(InputPart()):
            audit.add_json(block, found.format == "array")


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


def _batches(found: Input) -> Iterator[pa.RecordBatch]:
    if isinstance(found, MemoryInput):
        yield from _memory_batches(found)
    elif found.format == "parquet":
        yield from _parquet_batches(found)
    elif "://" in found.place:
        yield from (batch for batch, _ in found.batches(InputPart()))
    else:
        yield from _mapped_batches(found)


def _parquet(found: FileInput) -> Any:
    import pyarrow.parquet as pq

    if "://" in found.place:
        from pyarrow import fs

        filesystem, path = fs.FileSystem.from_uri(found.place)
        return pq.ParquetFile(filesystem.open_input_file(path))
    return pq.ParquetFile(found.place, memory_map=True)


def _parquet_batches(found: FileInput) -> Iterator[pa.RecordBatch]:
    with _parquet(found) as file:
        wanted = (*COLUMNS, *ANSWER_COLUMNS)
        columns = [name for name in file.schema_arrow.names if name in wanted]
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


def _tables(found: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The known columns of batches, gathered into tables of about `FEED_BYTES`."""
    held: list[pa.RecordBatch] = []
    size = 0
    for whole in found:
        batch = whole.select([name for name in whole.schema.names if name in COLUMNS])
        if held and (size > FEED_BYTES or batch.schema != held[0].schema):
            yield pa.Table.from_batches(held)
            held, size = [], 0
        held.append(batch)
        size += batch.nbytes
    if held:
        yield pa.Table.from_batches(held)
