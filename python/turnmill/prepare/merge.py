"""``turnmill merge``: the finished parts of a run become one output."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from turnmill.encoder.session import Session
from turnmill.errors import DataError, RecipeError
from turnmill.output.differences import differences
from turnmill.output.formats import FORMATS
from turnmill.output.ownership import NAMES, forget_names, remove_left_over
from turnmill.prepare.commit import finished, is_whole, read_receipt
from turnmill.prepare.directory import locked_output
from turnmill.prepare.parts import (
    PARTS,
    RECORD,
    PartRecord,
    parts_of,
    read_records,
    require_parts,
)
from turnmill.prepare.plan import ShardSpec
from turnmill.prepare.record import comparable
from turnmill.prepare.rejects import RejectLimit
from turnmill.prepare.result import Run
from turnmill.prepare.run import Job, explained_rejects, finish, noted, require_enough
from turnmill.prepare.shard import Receipt, ShardSettings
from turnmill.recipe import Recipe
from turnmill.storage import STAGING
from turnmill.storage.local import lock, take
from turnmill.storage.remote import AnyPath


def recorded_job(
    output: AnyPath, tokenizer: str | os.PathLike[str] | None, threads: int | None
) -> tuple[Job, list[PartRecord]]:
    """The run of which parts were made, and their records.

    Args:
        output: The output.
        tokenizer: Where the tokenizer is, if it is not where it was.
        threads: As for :func:`turnmill.prepare`.

    Raises:
        DataError: There is no part that is finished, or they do not fit together.
        RecipeError: The tokenizer or the template is another.
    """
    records = read_records(output)
    if not records:
        begun = parts_of(output)
        raise DataError(
            f"none of the {len(begun)} parts is finished" if begun else "there are no parts here",
            code="missing-part",
            path=str(output),
            hint="make them with `turnmill prepare … --shard 1/N`, one for each machine; "
            "an output that is finished has none any more",
        )
    first = records[0]
    recipe = Recipe(**{**first.recipe, "inputs": None, "tokenizer": tokenizer or first.tokenizer})
    session = Session(recipe, now=first.identity["facts"].get("now"))
    _same_model(session, first)
    format_ = FORMATS[first.format]
    return Job(first.plan(), session, first.identity, output, format_, threads), records


def merge_parts(job: Job, records: Sequence[PartRecord], *, text: bool) -> Run:
    """Makes one output of all parts, and removes them.

    What a run on one machine writes is what this writes, byte for byte.

    Args:
        job: The run, and
        records: what :func:`recorded_job` gave with it.
        text: Whether the reasons of rejects may quote the data.

    Raises:
        DataError: A part is missing or damaged, or parts differ; or as for
            :func:`turnmill.prepare`.
    """
    recipe, output = job.session.recipe, job.output
    makers = {name: record for record in records for name in record.shards}
    limit = RejectLimit(recipe.max_rejects)
    _refuse_missing(job, records, makers)
    with locked_output(output, job.identity, job.names, resume=True, overwrite=recipe.overwrite):
        receipts, taken = _taken(job, records)
        with explained_rejects(job, [], text=text):
            require_enough(job, receipts, limit)
        size = sum(record.bytes_read for record in records)
        made = finish(job, receipts, taken, size=size, text=text)
        _remove_parts(output)
    first = records[0]
    return replace(noted(made, first.remarks), left=first.left, shards_reused=made.shards)


def _same_model(session: Session, record: PartRecord) -> None:
    """Refuses another tokenizer or template than that of the parts."""
    facts = json.loads(json.dumps(session.facts()))
    mine = comparable({**record.identity, "facts": facts})
    theirs = comparable(record.identity)
    if mine != theirs:
        lines = "\n".join(f"  {line}" for line in differences(theirs, mine))
        raise RecipeError(
            f"the parts were made with another tokenizer or template:\n{lines}",
            code="other-recipe",
            path=str(session.path),
            hint="give the directory that they were made with, with --tokenizer",
        )


def _refuse_missing(job: Job, records: Sequence[PartRecord], makers: dict[str, PartRecord]) -> None:
    """Refuses parts that do not make up the run, before anything is written."""
    settings = job.settings
    missing = [
        spec.name
        for spec in job.plan.shards
        if spec.name not in makers and finished(spec, settings) is None
    ]
    require_parts(job.output, missing, records)


def _taken(job: Job, records: Sequence[PartRecord]) -> tuple[list[Receipt], set[str]]:
    """The receipt of every shard, and the shards whose files the output now has from parts."""
    settings = job.settings

    def taken(spec: ShardSpec) -> tuple[Receipt, bool]:
        makers = [record for record in records if spec.name in record.shards]
        try:
            receipts = [_take(spec, record, settings) for record in makers]
        except DataError:
            # An earlier merge was killed while it removed the parts.
            found = finished(spec, settings)
            if found is None:
                raise
            return found, False
        if any(receipt.sha256 != receipts[0].sha256 for receipt in receipts):
            parts = " and part ".join(str(record.part) for record in makers)
            raise _refused(f"part {parts} have made different files", spec, makers[-1], settings)
        found = receipts[0] if receipts else finished(spec, settings)
        assert found is not None, "looked for before"
        return found, bool(receipts)

    with ThreadPoolExecutor(job.threads or os.cpu_count() or 1) as pool:
        results = list(pool.map(taken, job.plan.shards))
    names = [spec.name for spec in job.plan.shards]
    is_taken = {name for name, (_, some) in zip(names, results, strict=True) if some}
    return [receipt for receipt, _ in results], is_taken


def _take(spec: ShardSpec, record: PartRecord, settings: ShardSettings) -> Receipt:
    """Takes the files of a shard from a part, once they are what its receipt says."""
    output, place = settings.output, record.part.place(settings.output)
    files = settings.files(spec.name)
    receipt = read_receipt(place / files.receipt)
    if receipt is None or receipt.identity != json.loads(json.dumps(spec.identity())):
        raise _refused(f"part {record.part} has no receipt", spec, record, settings)
    if not is_whole(place, files, receipt, list(receipt.sha256)):
        raise _refused(f"part {record.part} is damaged", spec, record, settings)
    for name in sorted(files.names(), key=lambda name: name == files.receipt):
        take(place / name, output / name)
    return receipt


def _refused(what: str, spec: ShardSpec, record: PartRecord, settings: ShardSettings) -> DataError:
    return DataError(
        f"{what}: shard {spec.name}, of {spec.input.name}",
        code="broken-part",
        path=str(record.part.place(settings.output)),
        hint=f"run the command with --shard {record.number}/{record.count} again, then merge",
    )


def _remove_parts(output: AnyPath) -> None:
    """Removes the parts: their records last, so that a merge that is killed here can go on."""
    places = [part.place(output) for part in parts_of(output)]
    for place in places:
        if not (place / STAGING).exists():
            continue
        with lock(place / STAGING / "lock"):
            remove_left_over(place)
            forget_names(place, {RECORD})
            (place / NAMES).unlink(missing_ok=True)
        (place / STAGING / "lock").unlink(missing_ok=True)
        _remove_directory(place / STAGING)
    for place in places:
        (place / RECORD).unlink(missing_ok=True)
        _remove_directory(place)
    _remove_directory(output / PARTS)


def _remove_directory(place: AnyPath) -> None:
    if isinstance(place, Path):
        with contextlib.suppress(OSError):  # it is gone, or holds somebody else's file
            place.rmdir()
