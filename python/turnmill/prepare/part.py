"""One part of a run: the shards that one machine makes, in a directory of their own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from turnmill.encoder.session import Session
from turnmill.inputs.find import Input
from turnmill.output.ownership import forget_names
from turnmill.prepare.commit import add_up
from turnmill.prepare.directory import locked_output, make_directory
from turnmill.prepare.engines.local import Local
from turnmill.prepare.engines.worker import Worker
from turnmill.prepare.names import ALWAYS
from turnmill.prepare.parts import RECORD, PartNumber, PartRecord, described
from turnmill.prepare.progress import ProgressCount, Watcher
from turnmill.prepare.record import refuse_other_recipe
from turnmill.prepare.rejects import RejectLimit
from turnmill.prepare.result import Run
from turnmill.prepare.run import Job, explained_rejects, make_job, run_shards, watch_first
from turnmill.storage import STAGING
from turnmill.storage.local import lock
from turnmill.storage.remote import AnyPath


def run_part(
    part: PartNumber,
    session: Session,
    inputs: list[Input],
    output: AnyPath,
    *,
    left: list[str],
    remarks: list[str],
    threads: int | None,
    resume: bool = True,
    progress: Watcher | None = None,
    text: bool = True,
) -> Run:
    """Makes the shards of one part; :func:`turnmill.prepare.merge.merge` makes an output of all.

    Args:
        part: Which.
        session: Made from the recipe.
        inputs: What is read, by the other parts too.
        output: The output of all parts.
        left: Files of the input directories that are not read.
        remarks: Remarks on the inputs.
        threads: As for :func:`turnmill.prepare`, and so are the others.
        resume: Whether to continue a part that was begun before.
        progress: Called after each block of input.
        text: Whether the reasons of rejects may quote the data.
    """
    engine = Local(threads=threads)
    whole = make_job(session, inputs, output, engine=engine)
    job = replace(whole, output=part.place(output))
    shards = part.shards(job.plan)
    count = ProgressCount([spec.part.size for spec in shards], progress)
    names, overwrite = job.names | {RECORD}, session.recipe.overwrite
    with (
        _beside_others(whole),
        locked_output(job.output, job.identity, names, resume=resume, overwrite=overwrite),
    ):
        (job.output / RECORD).unlink(missing_ok=True)
        limit = RejectLimit(job.session.recipe.max_rejects) if part.number == 1 else None
        settings = replace(job.settings, watch=watch_first(count, limit))
        with explained_rejects(job, inputs, text=text):
            receipts, fresh = run_shards(shards, Worker(session, settings), engine, count)
        made = {name for spec in shards for name in settings.files(spec.name).names()}
        forget_names(job.output, made | ALWAYS | {RECORD})
        record = PartRecord(
            number=part.number,
            count=part.count,
            identity=job.identity,
            recipe=session.recipe.to_dict(),
            inputs=described(job.plan),
            shards=[spec.name for spec in shards],
            tokenizer=str(session.path.resolve()),
            format=job.format.name,
            bytes_read=sum(receipt.tally.bytes for receipt in receipts),
            left=left,
            remarks=remarks,
        )
        record.write(job.output)
    return Run(
        output=output,
        totals=add_up(receipts),
        facts=job.identity["facts"],
        inputs=[planned.to_dict() for planned in job.plan.inputs],
        format=job.format.name,
        columns=[],
        seconds=time.monotonic() - job.clock,
        bytes_read=count.now().bytes_read,
        shards=len(shards),
        shards_reused=len(shards) - len(fresh),
        left=left,
        prompts=session.recipe.train_on == "none",
        part=(part.number, part.count),
    )


@contextmanager
def _beside_others(whole: Job) -> Iterator[None]:
    """Looks whether parts may be made of an output, and keeps others from merging them."""
    make_directory(whole.output)
    with lock(whole.output / STAGING / "lock", shared=True):
        if not whole.session.recipe.overwrite:
            refuse_other_recipe(whole.output, whole.identity)
        yield
