"""Packs a written output."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Literal

from turnmill._arguments import MOST_SEED, whole_number
from turnmill._version import VERSION
from turnmill.errors import ArgumentError, DataError
from turnmill.packing.lengths import WINDOW, OverLength, options
from turnmill.packing.result import Pack
from turnmill.storage import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from turnmill.output.reader import Output
    from turnmill.packing.index import PackIndex
    from turnmill.storage.remote import AnyPath, RemotePath

Strategy = Literal["best-fit", "global", "in-order", "split", "none"]
RECORD = "pack.json"
INDEX = "packs.parquet"
STRATEGIES = ("best-fit", "global", "in-order", "split", "none")
OVER_LENGTH = ("error", "alone", "reject")
_DESCRIPTIONS = ("dataset_info.json", "state.json")
_NAME = re.compile(r"pack-\d+-\d+")
_RECORD_VERSION = 1
_MARKS = (f"/{MANIFEST}", f"/{RECORD}", "/state.json")
"""Ends of the names of the files that mark a pack as finished."""


def pack(
    output: str | os.PathLike[str],
    length: int,
    *,
    strategy: Strategy = "best-fit",
    window: int = WINDOW,
    seed: int = 0,
    over_length: OverLength = "error",
    multiple_of: int = 1,
    write: bool = False,
    overwrite: bool = False,
) -> Pack:
    """Packs the samples of a written output into rows of at most ``length`` tokens.

    Of an output with two data sets, ``train`` is packed.

    Writes ``pack-<length>-<seed>`` inside the output: an index that says which documents share a
    row, and with ``write`` the rows themselves, which ``datasets.load_from_disk`` opens. Nothing is
    tokenized again, and no document is cut except by ``split``. An existing pack that was made
    from the same is kept.

    Args:
        output: A directory that :func:`turnmill.prepare` wrote.
        length: Tokens that a packed row holds.
        strategy: As in :func:`turnmill.pack_lengths`; or ``split``, for ``text`` documents: they
            are joined and cut where a row is full, and the last row may be shorter.
        window: Documents that ``best-fit`` packs together.
        seed: Shuffles the packs of ``best-fit`` and ``global``.
        over_length: What to do with a document longer than ``length``: ``error``, ``alone`` (it
            gets its own row, longer than the others) or ``reject`` (left out, and counted).
        multiple_of: Leave room in each row to pad each document to a multiple of so many tokens,
            as context parallelism wants it (twice its size). The rows themselves are not padded:
            :class:`turnmill.PaddingFreeCollator` does that, and so does the export to ``nemo``.
        write: Also write the packed rows.
        overwrite: Replace a pack of the same length and seed that was made with other settings.

    Returns:
        The pack, with its report.

    Raises:
        ArgumentError: An argument has a type or a value that it cannot have.
        DataError: The directory is not a finished output, a document is too long, or another pack
            is already there.
        OSError: A file cannot be read or written.
    """
    from turnmill.output.ownership import remove_left_over, restore_names
    from turnmill.storage import STAGING, local
    from turnmill.storage.listing import refuse_link

    whole_number(seed, "seed", 0, MOST_SEED)
    how = options(length, strategy, window, seed, over_length)
    multiple = whole_number(multiple_of, "multiple_of", 1, how["capacity"])
    source = open_output(output)
    _require_samples(source)
    made = _made_of(source, how, multiple)
    directory = source.path / f"pack-{how['capacity']}-{how['seed']}"
    staging = source.path / STAGING
    refuse_link(staging)
    staging.mkdir(exist_ok=True)  # a copy of the output may lack it
    with local.lock(staging / "lock"):
        restore_names(source.path)
        remove_left_over(source.path)
        found = None if overwrite else _found(directory, made, write=write)
        return found or _make(source, directory, how, made, write=write)


def find_packs(output: AnyPath) -> list[AnyPath]:
    """The directories of the finished packs of an output, by name."""
    return [path for path in pack_directories(output) if (path / RECORD).is_file()]


def pack_directories(output: AnyPath) -> list[AnyPath]:
    """The directories of all packs of an output, by name, finished or not."""
    found = [path for path in output.glob("pack-*") if _NAME.fullmatch(path.name)]
    return sorted((path for path in found if path.is_dir()), key=str)


def is_pack(path: str | os.PathLike[str] | RemotePath) -> bool:
    """Whether a directory holds a finished pack."""
    from turnmill.storage.remote import output_path

    return (output_path(path) / RECORD).is_file()


def read_record(directory: AnyPath) -> dict[str, Any]:
    """What a pack was made from, and its report.

    Raises:
        DataError: The directory holds no finished pack.
    """
    from turnmill.storage import local

    record: dict[str, Any] | None = local.read_json(directory / RECORD)
    if record is None:
        message = f"this is not the directory of a pack: it holds no {RECORD}"
        hint = "make one with turnmill.pack(OUT, length), or `turnmill pack OUT --length N`"
        raise DataError(message, code="no-pack", path=str(directory), hint=hint)
    return record


def open_pack(path: str | os.PathLike[str] | RemotePath) -> Output:
    """The output that a pack was made of.

    Raises:
        DataError: There is no finished pack, or its output has been made again since.
    """
    from turnmill.storage.remote import output_path

    directory = output_path(path)
    record = read_record(directory)
    output = open_output(str(directory.parent))
    if output_hash(output) != record["made_of"]["output"]:
        message = "the output was made again after it was packed"
        hint = "pack it again: the new samples need a new index"
        raise DataError(message, code="stale-pack", path=str(directory), hint=hint)
    return output


def pack_names(output: AnyPath) -> set[str]:
    """The recorded names of the files of all packs, relative to the output."""
    from turnmill.output.ownership import recorded_names

    return {name for name in recorded_names(output) if _NAME.fullmatch(name.partition("/")[0])}


def remove_packs(output: AnyPath) -> None:
    """Removes every pack of an output, beginning with the files that mark it as finished."""
    from turnmill.output.ownership import forget_names, recorded_names

    names = pack_names(output)
    for name in sorted(names):
        if name.endswith(_MARKS):
            (output / name).unlink(missing_ok=True)
    forget_names(output, recorded_names(output) - names)


def open_output(path: str | os.PathLike[str]) -> Output:
    """A finished output directory.

    Raises:
        DataError: It is not one.
    """
    from turnmill.output import reader

    return reader.open_output(path, "make one with `turnmill prepare INPUT... -o DIR`")


def _require_samples(output: Output) -> None:
    """Refuses an output whose rows are not samples.

    Raises:
        DataError: Its answers are judged, or it holds prompts.
    """
    from turnmill.output.answers import SCHEMAS

    if output.record["recipe"].get("train_on") == "none":
        raise DataError(
            "prompts cannot be packed: each is answered by itself",
            code="pack-of-prompts",
            path=str(output.path),
        )

    schemas = [planned["schema"] for planned in output.record["inputs"]]
    judged = next((schema for schema in schemas if schema in SCHEMAS), None)
    if judged is not None:
        raise DataError(
            f"rows of the schema {judged} cannot be packed: each answer stands alone",
            code="pack-of-answers",
            path=str(output.path),
            hint="trainers pad them, batch by batch",
        )


def _made_of(output: Output, how: dict[str, Any], multiple: int) -> dict[str, Any]:
    """What decides the bytes of a pack."""
    return {
        "turnmill": VERSION,
        "length": how["capacity"],
        **{key: how[key] for key in ("strategy", "window", "seed", "over_length")},
        **({"multiple_of": multiple} if multiple > 1 else {}),
        "output": output_hash(output),
    }


def output_hash(output: Output, split: str = "train") -> str:
    """The SHA-256 of the hashes of all data and index files of a data set, in hexadecimal."""
    import hashlib
    import json

    hashes = [
        [shard["sha256"]["data"], shard["sha256"]["index"]] for shard in output.shards_of(split)
    ]
    return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()


def _found(directory: AnyPath, made: dict[str, Any], *, write: bool) -> Pack | None:
    """The existing pack, if it was made from the same and has what is wanted.

    Raises:
        DataError: It was made with other settings.
    """
    from turnmill.output.differences import differences
    from turnmill.storage import local

    record = local.read_json(directory / RECORD)
    if record is None:
        return None
    theirs = record["made_of"]
    if {**theirs, "turnmill": None, "output": None} != {**made, "turnmill": None, "output": None}:
        lines = "\n".join(f"  {line}" for line in differences(theirs, made))
        raise DataError(
            f"another pack of this length and seed is there already:\n{lines}",
            code="other-pack",
            path=str(directory),
            hint="give another seed, or add --overwrite (overwrite=True) to replace it",
        )
    if theirs != made or not _is_whole(directory):
        return None  # stopped, or made from an earlier output, or by another version of turnmill
    return Pack(directory, record) if record["rows"] is not None or not write else None


def _is_whole(directory: AnyPath) -> bool:
    """Whether every file that the pack's manifest names is there, with its size."""
    from turnmill.output.manifest import read_manifest
    from turnmill.storage.local import file_size

    for name, entry in (read_manifest(directory) or {MANIFEST: None}).items():
        path = directory / name
        if not path.is_file() or (entry and file_size(path) != entry.size):
            return False
    return True


def _make(
    output: Output, directory: AnyPath, how: dict[str, Any], made: dict[str, Any], *, write: bool
) -> Pack:
    from turnmill.output.manifest import write_manifest
    from turnmill.packing.index import write_index
    from turnmill.packing.report import Count
    from turnmill.packing.rows import data_names
    from turnmill.packing.tokens import sample_lengths
    from turnmill.storage import local

    lengths = sample_lengths(output)
    parts = _parts(output, lengths, how, made.get("multiple_of", 1))
    _clear(output.path, directory.name, data_names(lengths) if write else [])
    directory.mkdir(exist_ok=True)
    count = Count(how["capacity"])
    sha256 = write_index(directory / INDEX, count.watch(parts))
    record: dict[str, Any] = {
        "version": _RECORD_VERSION,
        "made_of": made,
        "samples": _samples(output),
        "report": count.report(lengths).to_dict(),
        "index": {"file": INDEX, "sha256": sha256},
        "rows": _write_rows(output, directory) if write else None,
    }
    local.write_json(directory / RECORD, record)
    described = _commit_rows(directory, record) if write else {}
    files = [record["index"], *(record["rows"]["files"] if record["rows"] else [])]
    known = {file["file"]: file["sha256"] for file in files}
    write_manifest(directory, {RECORD, *described, *known}, known)
    return Pack(directory, record)


def _clear(output: AnyPath, name: str, data: list[str]) -> None:
    """Removes what an earlier pack left in the directory, and records what will be written."""
    from turnmill.output.ownership import (
        forget_names,
        record_names,
        recorded_names,
        refuse_strangers,
    )

    names = {f"{name}/{file}" for file in (MANIFEST, RECORD, INDEX, *_DESCRIPTIONS, *data)}
    refuse_strangers(output, names)
    old = {file for file in pack_names(output) if file.startswith(f"{name}/")}
    for mark in _MARKS:
        (output / f"{name}{mark}").unlink(missing_ok=True)
    forget_names(output, recorded_names(output) - old)
    record_names(output, names)


def _samples(output: Output) -> dict[str, Any]:
    """The format of the output that was packed."""
    from turnmill.output.formats import format_of

    first = output.training[0]
    data = output.path / first["data"]
    format_ = format_of(data)
    return {
        "format": format_.name,
        "columns": format_.column_names(data),
        "apart": "split" in first,
    }


def _parts(
    output: Output, lengths: npt.NDArray[Any], how: dict[str, Any], multiple: int
) -> Iterator[PackIndex]:
    """The packs, some at a time."""
    from turnmill.packing import parts

    if how["strategy"] == "split":
        _refuse_to_cut(output)
        if multiple > 1:
            message = "strategy split fills rows to the last token: there is no room for padding"
            hint = "use another strategy, or leave out --multiple-of"
            raise ArgumentError(message, code="invalid-choice", hint=hint)
        return parts.split(lengths, how["capacity"])
    if how["strategy"] not in STRATEGIES:
        message = f"strategy cannot be {how['strategy']!r}"
        hint = f"strategy takes one of: {', '.join(STRATEGIES)}"
        raise ArgumentError(message, code="invalid-choice", hint=hint)
    if how["over_length"] == "error":
        _refuse_too_long(output, lengths, how["capacity"], multiple)
    return parts.packed(lengths, how, multiple)


def _refuse_to_cut(output: Output) -> None:
    """Refuses to cut turns, which would lose their end; only plain documents may be cut."""
    schemas = sorted({planned["schema"] for planned in output.record["inputs"]} - {"auto", "text"})
    if schemas:
        message = f"strategy split cuts documents, and the output holds turns ({schemas[0]})"
        hint = "use best-fit or in-order, which cut nothing; split is for schema text"
        raise ArgumentError(message, code="invalid-choice", hint=hint)


def _refuse_too_long(
    output: Output, lengths: npt.NDArray[Any], capacity: int, multiple: int
) -> None:
    fitting = capacity - capacity % multiple
    longest = int(lengths.max(initial=0))
    if longest <= fitting:
        return
    long = int((lengths > fitting).sum())
    worst = int(lengths.argmax())
    needed = -(-longest // multiple) * multiple
    samples = "1 sample is" if long == 1 else f"{long:,} samples are"
    padded = f" with padding to a multiple of {multiple}" if multiple > 1 else ""
    raise DataError(
        f"{samples} longer than {capacity:,} tokens{padded}; the longest, sample {worst:,}, has "
        f"{needed:,}",
        code="overlong-sample",
        path=str(output.path),
        hint=f"give --length {needed}, or prepare again with --max-length {fitting}, "
        'or choose: --over-length reject (over_length="reject") leaves them out, alone gives each '
        "a row of its own",
    )


def _write_rows(output: Output, directory: AnyPath) -> dict[str, Any]:
    from turnmill.packing.index import index_parts
    from turnmill.packing.rows import write_rows
    from turnmill.packing.tokens import TokenStore

    rows = write_rows(directory, TokenStore(output), index_parts(directory / INDEX))
    return {
        "columns": rows.columns,
        "trained_tokens": rows.trained,
        "masked_first_labels": rows.masked,
        "files": [{"file": name, "sha256": sha256} for name, sha256 in rows.files.items()],
    }


def _commit_rows(directory: AnyPath, record: dict[str, Any]) -> dict[str, Any]:
    """Writes the files that ``datasets.load_from_disk`` needs, and returns what they hold."""
    import hashlib
    import json

    from turnmill.output.formats import FORMATS
    from turnmill.storage import local

    digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
    files = [entry["file"] for entry in record["rows"]["files"]]
    described = FORMATS["arrow"].descriptions(files, digest)
    for name, value in described.items():
        local.write_json(directory / name, value)
    return described
