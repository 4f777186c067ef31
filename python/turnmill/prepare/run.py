"""``prepare``: plan, shards, commit."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from turnmill._environment import chunk_rows
from turnmill._version import VERSION
from turnmill.encoder.session import Session
from turnmill.inputs.find import Input
from turnmill.output.formats import FORMATS, Format, default_format
from turnmill.output.manifest import CIRCUMSTANCES, write_manifest
from turnmill.output.ownership import NAMES, forget_names, remove_left_over
from turnmill.output.sinks import TooManyRejectsError
from turnmill.packing.packs import pack_names
from turnmill.prepare import history_cost
from turnmill.prepare.assembly import Assembled, assemble
from turnmill.prepare.carried import missing_columns
from turnmill.prepare.choice import splits_of
from turnmill.prepare.commit import (
    add_up,
    commit,
    merge_rejects,
)
from turnmill.prepare.directory import locked_output
from turnmill.prepare.engines.engine import Engine, Task, incomplete, results
from turnmill.prepare.engines.local import Local
from turnmill.prepare.engines.order import ordered
from turnmill.prepare.engines.sent import sent
from turnmill.prepare.engines.survey import surveyed
from turnmill.prepare.engines.worker import Made, Worker
from turnmill.prepare.mixture import check_shares
from turnmill.prepare.names import ALWAYS, known_hashes, planned_names
from turnmill.prepare.plan import Plan, ShardSpec, make_plan, surveyed_here
from turnmill.prepare.progress import ProgressCount, Watcher
from turnmill.prepare.record import circumstances, evidence_of, run_identity, run_record
from turnmill.prepare.rejects import (
    RejectLimit,
    explain,
    leave_reasons_out,
    refuse_nothing,
)
from turnmill.prepare.result import Run
from turnmill.prepare.shard import Receipt, ShardSettings, Tally, Watch
from turnmill.recipe import EACH_ONCE
from turnmill.storage.remote import AnyPath
from turnmill.storage.sealed import write_sealed


@dataclass(frozen=True)
class Job:
    """What a run is to do. It is known before the first shard."""

    plan: Plan
    session: Session
    identity: dict[str, Any]
    """What decides the bytes, as :func:`turnmill.prepare.record.run_identity` gives it."""
    output: AnyPath
    format: Format
    threads: int | None
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    clock: float = field(default_factory=time.monotonic)

    @property
    def settings(self) -> ShardSettings:
        """What the shards share."""
        recipe = self.session.recipe
        selects = (
            recipe.shuffle
            or recipe.dedup != "keep"
            or any(planned.input.quota != EACH_ONCE for planned in self.plan.inputs)
        )
        return ShardSettings(
            self.output,
            self.format,
            self.threads,
            chunk_rows(),
            validation=recipe.validation,
            selects=selects,
            shuffles=recipe.shuffle,
        )

    @property
    def names(self) -> set[str]:
        """The files that it may write, relative to the output."""
        splits = splits_of(self.session.recipe)
        return planned_names(self.plan, self.settings, splits, self.identity["facts"])


def make_job(session: Session, inputs: list[Input], output: AnyPath, *, engine: Engine) -> Job:
    """Plans a run. The arguments are those of :func:`run`."""
    is_here = isinstance(engine, Local)
    # The threads of an engine are those of its workers; what is done here takes all of them.
    threads = engine.threads if is_here else None
    started, clock = datetime.now(UTC), time.monotonic()
    recipe = session.recipe
    check_shares(list({input_.item: input_.quota for input_ in inputs}.values()))
    surveys = surveyed_here(inputs, threads) if is_here else surveyed(inputs, engine)
    plan = make_plan(inputs, session, surveys)
    identity = run_identity(recipe.to_dict(), session.facts(), VERSION)
    format_ = FORMATS[recipe.format] if recipe.format else default_format(output)
    return Job(plan, session, identity, output, format_, threads, started, clock)


def run(
    session: Session,
    inputs: list[Input],
    output: AnyPath,
    *,
    left: Sequence[str] = (),
    engine: Engine,
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
        engine: Where the shards are made. Everything else is done here.
        resume: Whether to continue an output that was started before.
        progress: Called after each block of input.
        text: Whether the reasons of rejects may quote the data.
    """
    job = make_job(session, inputs, output, engine=engine)
    recipe, shards = session.recipe, job.plan.shards
    count = ProgressCount([spec.part.size for spec in shards], progress)
    limit = RejectLimit(recipe.max_rejects)
    watch = watch_first(count, limit)
    with locked_output(output, job.identity, job.names, resume=resume, overwrite=recipe.overwrite):
        with explained_rejects(job, inputs, text=text):
            worker = Worker(session, replace(job.settings, watch=watch))
            receipts, fresh = run_shards(shards, worker, engine, count)
            require_enough(job, receipts, limit)
        made = finish(job, receipts, fresh, size=count.now().bytes_read, text=text)
    return replace(made, left=list(left))


@contextlib.contextmanager
def explained_rejects(job: Job, inputs: list[Input], *, text: bool) -> Iterator[None]:
    """Writes and explains the rejects of a run that stops because there are too many."""
    try:
        yield
    except TooManyRejectsError as error:
        settings = job.settings
        files = [settings.files(spec.name) for spec in job.plan.shards]
        merge_rejects(job.output, files, most=error.rejected)
        explain(error, job.output, job.session, inputs)
        if not text:
            leave_reasons_out(job.output)
        raise


def watch_first(count: ProgressCount, limit: RejectLimit | None) -> Watch:
    """Counts blocks, and looks at the rejects of the first shard, wherever the others are made.

    Args:
        count: What is counted.
        limit: Of the data's rejects; None where the first shard is not among those made here.
    """

    def watch(tally: Tally, amount: int) -> None:
        is_first = not count.shards_done
        count.advance(tally, amount)
        if limit is not None and is_first:
            limit.look(count.tally)

    return watch


def require_enough(job: Job, receipts: Sequence[Receipt], limit: RejectLimit) -> None:
    """Refuses a run that wrote nothing or rejected too much.

    Raises:
        DataError: It did.
    """
    totals = add_up(receipts)
    refuse_nothing(totals, [planned.input.name for planned in job.plan.inputs])
    limit.check(totals.tally)


def finish(job: Job, receipts: Sequence[Receipt], fresh: set[str], *, size: int, text: bool) -> Run:
    """Makes the shards one output. The caller holds its lock.

    Args:
        job: The run.
        receipts: Those of all shards.
        fresh: Shards whose samples are there; others may have been removed once they were written.
        size: The bytes that were read.
        text: As in :func:`run`.
    """
    plan, output, settings = job.plan, job.output, job.settings
    files = [settings.files(spec.name) for spec in plan.shards]
    merge_rejects(output, files)
    made = assemble(plan, receipts, job.session, settings, fresh)
    totals, told = add_up(receipts), [planned.to_dict() for planned in plan.inputs]
    if settings.chooses:
        totals = totals.of(made.written, made.counts(), made.split_rows)
        merge_rejects(output, files, made.rejects())
        told = _with_counts(told, plan, made)
    if not text:
        leave_reasons_out(output)
    evidence = {**evidence_of(receipts), **made.evidence()}
    record = run_record(told, made.written, totals.to_dict(), evidence, job.identity)
    committed = commit(output, job.format, made.written, record)
    kept = made.files | committed | ALWAYS
    forget_names(output, kept | pack_names(output))
    seconds = time.monotonic() - job.clock
    started = job.started.isoformat()
    write_sealed(
        output / CIRCUMSTANCES,
        circumstances(started=started, seconds=seconds, threads=job.threads, size=size),
    )
    write_manifest(output, kept | {NAMES}, known_hashes(files, receipts, made.written))
    pairs = zip(plan.shards, receipts, strict=True)
    carried = [(spec.input, receipt.carried) for spec, receipt in pairs]
    run = Run(
        output=output,
        totals=totals,
        facts=job.identity["facts"],
        inputs=told,
        format=job.format.name,
        columns=receipts[0].columns,
        seconds=seconds,
        bytes_read=size,
        shards=len(plan.shards),
        shards_reused=len(plan.shards) - len(fresh),
        prompts=job.session.recipe.train_on == "none",
        history=history_cost.add_up([planned.history for planned in plan.inputs]),
    )
    return noted(run, missing_columns(carried, job.session.recipe.carry))


def noted(made: Run, remarks: Sequence[str]) -> Run:
    """The run with remarks on its inputs."""
    if not remarks:
        return made
    return replace(made, facts={**made.facts, "notes": [*made.facts.get("notes", []), *remarks]})


def run_shards(
    shards: Sequence[ShardSpec], worker: Worker, engine: Engine, count: ProgressCount
) -> tuple[list[Receipt], set[str]]:
    """The receipt of every shard, and the names of those that had to be made.

    Args:
        shards: Which.
        worker: Makes them in this process.
        engine: Who calls it, or an order to do the same elsewhere.
        count: Is told of each.
    """
    sizes = {spec.name: spec.part.size for spec in shards}
    if isinstance(engine, Local):
        with results(engine, worker, shards) as given:
            made = _received(given, worker, sizes, count.made_here)
    else:
        items = [replace(spec, input=sent(spec.input)) for spec in shards]
        with (
            ordered(worker, engine.threads, shards[0].name) as order,
            results(engine, order, items) as given,
        ):
            made = _received(given, order, sizes, count.made_elsewhere)
        # A worker that was killed leaves temporary files.
        remove_left_over(worker.settings.output)
    fresh = {name for name, (_, is_fresh) in made.items() if is_fresh}
    return [made[spec.name][0] for spec in shards], fresh


def _received(
    given: Iterator[Made],
    task: Task,
    sizes: dict[str, int],
    tell: Callable[[Tally, int, bool], None],
) -> dict[str, tuple[Receipt, bool]]:
    """The receipt of every shard, and whether it was made now: in any order, and some twice."""
    made: dict[str, tuple[Receipt, bool]] = {}
    for one in given:
        if one.error is not None:
            raise one.error
        if one.shard not in made and one.receipt is not None:
            made[one.shard] = one.receipt, one.fresh
            tell(one.receipt.tally, sizes[one.shard], one.fresh)
    if len(made) < len(sizes):
        raise incomplete(task, len(sizes) - len(made))
    return made


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
