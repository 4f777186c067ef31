"""``prepare``: plan, shards, commit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from turnmill._environment import chunk_rows
from turnmill._version import VERSION
from turnmill.encoder.session import Session
from turnmill.inputs.find import Input
from turnmill.output.formats import FORMATS, default_format
from turnmill.output.manifest import CIRCUMSTANCES, write_manifest
from turnmill.output.ownership import NAMES, forget_names
from turnmill.output.sinks import TooManyRejectsError
from turnmill.packing.packs import pack_names
from turnmill.prepare import history_cost
from turnmill.prepare.assembly import Assembled, assemble
from turnmill.prepare.choice import splits_of
from turnmill.prepare.commit import (
    add_up,
    commit,
    finished,
    merge_rejects,
)
from turnmill.prepare.directory import locked_output
from turnmill.prepare.mixture import check_shares
from turnmill.prepare.names import ALWAYS, known_hashes, planned_names
from turnmill.prepare.plan import Plan, make_plan
from turnmill.prepare.progress import ProgressCount, Watcher
from turnmill.prepare.record import circumstances, evidence_of, run_identity, run_record
from turnmill.prepare.rejects import (
    RejectLimit,
    explain,
    leave_reasons_out,
    refuse_nothing,
)
from turnmill.prepare.result import Run
from turnmill.prepare.shard import Receipt, ShardSettings, Tally, run_shard
from turnmill.recipe import EACH_ONCE
from turnmill.storage.remote import AnyPath
from turnmill.storage.sealed import write_sealed


def run(
    session: Session,
    inputs: list[Input],
    output: AnyPath,
    *,
    left: Sequence[str] = (),
    threads: int | None,
    resume: bool = True,
    progress: Watcher | None = None,
    text: bool = True,
) -> Run:
    """:func:`turnmill.prepare` with a recipe that is ready to encode.

    Args:
        session: Made from the recipe.
        inputs: What is read. The other arguments are as for :func:`turnmill.prepare`.
        output: The output directory.
        left: Files of the input directories that are not read.
        threads: Threads to work with; ``None``: all.
        resume: Whether to continue an output that was started before.
        progress: Called after each block of input.
        text: Whether the reasons of rejects may quote the data.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    recipe = session.recipe
    quotas = list({input_.item: input_.quota for input_ in inputs}.values())
    check_shares(quotas)
    plan = make_plan(inputs, session, threads=threads)
    identity = run_identity(recipe.to_dict(), session.facts(), VERSION)
    format_ = FORMATS[recipe.format] if recipe.format else default_format(output)
    count = ProgressCount([spec.part.size for spec in plan.shards], progress)
    limit = RejectLimit(recipe.max_rejects)

    def watch(tally: Tally, amount: int) -> None:
        count.advance(tally, amount)
        limit.look(count.tally)

    selects = (
        recipe.shuffle or recipe.dedup != "keep" or any(quota != EACH_ONCE for quota in quotas)
    )
    settings = ShardSettings(
        output, format_, threads, chunk_rows(), watch, recipe.validation, selects
    )
    names = planned_names(plan, settings, splits_of(recipe), identity["facts"])
    with locked_output(output, identity, names, resume=resume, overwrite=recipe.overwrite):
        files = [settings.files(spec.name) for spec in plan.shards]
        try:
            receipts, fresh = _run_shards(plan, session, settings, count)
            totals = add_up(receipts)
            merge_rejects(output, files)
            refuse_nothing(totals, [planned.input.name for planned in plan.inputs])
            limit.check(totals.tally)
        except TooManyRejectsError as error:
            merge_rejects(output, files, most=error.rejected)
            explain(error, output, session, inputs)
            if not text:
                leave_reasons_out(output)
            raise
        made = assemble(plan, receipts, session, settings, fresh)
        told = [planned.to_dict() for planned in plan.inputs]
        if settings.chooses:
            totals = totals.of(output, made.written, made.counts(), made.split_rows)
            merge_rejects(output, files, made.rejects())
            told = _with_counts(told, plan, made)
        if not text:
            leave_reasons_out(output)
        evidence = {**evidence_of(receipts), **made.evidence()}
        record = run_record(told, made.written, totals.to_dict(), evidence, identity)
        committed = commit(output, format_, made.written, record)
        kept = made.files | committed | ALWAYS
        forget_names(output, kept | pack_names(output))
        seconds = time.monotonic() - clock
        size = count.now().bytes_read
        write_sealed(
            output / CIRCUMSTANCES,
            circumstances(started=started.isoformat(), seconds=seconds, threads=threads, size=size),
        )
        write_manifest(output, kept | {NAMES}, known_hashes(files, receipts, made.written))
    return Run(
        output=output,
        totals=totals,
        facts=identity["facts"],
        inputs=told,
        format=format_.name,
        columns=format_.column_names(output / made.written[0].data),
        seconds=seconds,
        bytes_read=size,
        shards=len(plan.shards),
        shards_reused=len(plan.shards) - len(fresh),
        left=list(left),
        history=history_cost.add_up([planned.history for planned in plan.inputs]),
    )


def _run_shards(
    plan: Plan,
    session: Session,
    settings: ShardSettings,
    count: ProgressCount,
) -> tuple[list[Receipt], set[str]]:
    """The receipt of every shard, and the names of those that had to be made."""
    receipts, made = [], set()
    for spec in plan.shards:
        receipt = finished(spec, settings)
        if receipt is not None:
            count.reused(receipt.tally)
        else:
            receipt = run_shard(spec, session, settings)
            count.shard_done()
            made.add(spec.name)
        receipts.append(receipt)
    return receipts, made


def _with_counts(told: list[dict[str, Any]], plan: Plan, made: Assembled) -> list[dict[str, Any]]:
    """The inputs, each with what became of its rows."""
    found = zip(made.left_out, made.rows, strict=True)
    counted = []
    for one, planned in zip(told, plan.inputs, strict=True):
        shards = [next(found) for _ in planned.shards]
        counts = {
            "duplicates": sum(len(left_out.duplicates) for left_out, _ in shards),
            "not_drawn": sum(len(left_out.undrawn) for left_out, _ in shards),
            "train_rows": sum(rows for _, rows in shards),
        }
        counted.append({**one, **counts})
    return counted
