"""Writes an export."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from turnmill._arguments import nearest
from turnmill._version import VERSION
from turnmill.errors import ArgumentError, DataError
from turnmill.export.names import TARGETS
from turnmill.export.result import Export, Written
from turnmill.export.source import DataSet, Source, open_source
from turnmill.export.targets import target_of
from turnmill.export.targets.target import Target
from turnmill.output.reader import Output
from turnmill.storage.directory import refuse_occupied, whole_directory
from turnmill.storage.local import write_json
from turnmill.storage.remote import output_path

RECORD = ".export.json"
"""What the export was made of. Loaders that look at every file of a directory skip hidden ones."""


def run(
    output: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    to: Any,
    split: str | None,
    packed: bool,
) -> Export:
    """:func:`turnmill.export`, whose arguments it takes."""
    target = _target(to)
    place = _local(destination)
    source = open_source(output, split=split, packed=packed or target.packs == "only")
    _refuse_form(target, source)
    _refuse_inside(place, source.data_sets[0].output)
    refuse_occupied(place)
    with whole_directory(place) as directory:
        data_sets = {
            data_set.split or "": _write(target, directory, data_set)
            for data_set in source.data_sets
        }
        target.finish(directory, [name for name in data_sets if name])
        record = {"turnmill": VERSION, "to": target.name, "made_of": source.made_of}
        made = Export(
            place,
            target.name,
            target.labels,
            data_sets,
            target.next_steps(str(place), source.data_sets),
            [*source.notes, *_lost(target, source), *_left_out(data_sets)],
        )
        told = made.to_dict()
        write_json(directory / RECORD, {**record, "parts": told["parts"]})
    return made


def _target(to: Any) -> Target:
    if isinstance(to, str) and to in TARGETS:
        return target_of(to)
    near = nearest(to, TARGETS) if isinstance(to, str) else None
    hint = f"did you mean {near}? " if near else ""
    raise ArgumentError(
        f"to cannot be {to!r}", code="invalid-choice", hint=f"{hint}to takes: {', '.join(TARGETS)}"
    )


def _local(destination: str | os.PathLike[str]) -> Path:
    place = output_path(destination)
    if isinstance(place, Path):
        return place
    raise DataError(
        "an export is written to a local directory",
        code="remote-export",
        path=str(destination),
        hint="export to a local disk, then copy the directory to the store",
    )


def _refuse_inside(place: Path, output: Output) -> None:
    """Refuses to write among the files of the output.

    Raises:
        DataError: The export would stand there.
    """
    if isinstance(output.path, Path) and place.resolve().is_relative_to(output.path.resolve()):
        raise DataError(
            f"the export would stand inside the output {output.path}",
            code="export-inside",
            path=str(place),
            hint="give a directory outside of it: an output holds its own files only",
        )


_TRAINERS = ("trl", "axolotl", "llama-factory", "megatron", "nemo", "llm-foundry")
"""Forms whose readers train on what they read."""


def _refuse_form(target: Target, source: Source) -> None:
    data_set = source.data_sets[0]
    path = str(data_set.output.path)
    if data_set.packed and target.packs == "never":
        raise DataError(
            f"{target.name} takes single samples: {target.alone}",
            code="packed-export",
            path=path,
            hint="export the output itself, without --packed",
        )
    if target.name in _TRAINERS and data_set.prompts:
        raise DataError(
            f"nothing is trained of prompts, and {target.name} is a form to train on",
            code="export-of-prompts",
            path=path,
            hint="--to messages writes them for TRL's online trainers and verl; datasets, parquet, "
            "mds and numpy hold their ids",
        )
    if target.needs_ids and "input_ids" not in data_set.columns:
        names = ", ".join(data_set.columns)
        raise DataError(
            f"{target.name} takes samples with input_ids, and these have {names}",
            code="other-columns",
            path=path,
            hint="--to datasets and --to parquet take rows of any columns",
        )


def _write(target: Target, directory: Path, data_set: DataSet) -> Written:
    place = directory / data_set.split if data_set.split else directory
    place.mkdir(exist_ok=True)
    written = target.write(place, data_set)
    told = (data_set.rows, data_set.tokens) if target.needs_ids else None
    if told and (written.rows, written.tokens) != told:
        rows, tokens = told
        message = (
            f"the data files hold {written.rows:,} rows and {written.tokens:,} tokens, "
            f"the record says {rows:,} and {tokens:,}"
        )
        hint = "run the same `turnmill prepare` again: it repairs what is damaged"
        raise DataError(message, code="broken-output", path=str(data_set.output.path), hint=hint)
    return written


def _lost(target: Target, source: Source) -> list[str]:
    """Says so where weights have no place in the form."""
    if "weights" not in source.data_sets[0].columns or target.weights:
        return []
    return [f"weights are left out: {target.name} has no place for them"]


def _left_out(data_sets: dict[str, Written]) -> list[str]:
    found: dict[str, int] = {}
    for data_set in data_sets.values():
        for reason, number in data_set.left_out.items():
            found[reason] = found.get(reason, 0) + number
    return [f"{number:,} rows are left out: {reason}" for reason, number in found.items()]
