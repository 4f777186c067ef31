"""The main job: conversations become a training set that ends.

``plan -> run_shard … -> commit``: the plan depends on the inputs' bytes, each shard is made by a
pure function, and the commit makes the finished shards one data set.

Modules that import pyarrow are imported in the function, so that `turnmill --help` is fast.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

from turnmill._arguments import thread_count
from turnmill._recipe_argument import recipe_of, takes_keys
from turnmill._recipe_keys import RecipeKeys
from turnmill.errors import ArgumentError
from turnmill.recipe import Recipe
from turnmill.storage.credentials import explaining_refusals

if TYPE_CHECKING:
    from pathlib import Path

    from turnmill.prepare.engines.engine import Engine
    from turnmill.prepare.progress import Watcher
    from turnmill.prepare.result import Run

__all__ = ["merge", "prepare"]


@takes_keys(RecipeKeys)
@explaining_refusals()
def prepare(
    inputs: Any,
    output: str | os.PathLike[str],
    recipe: Recipe | None = None,
    *,
    tokenizer: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    resume: bool = True,
    shard: tuple[int, int] | None = None,
    engine: str | Engine = "local",
    engine_address: str | None = None,
    progress: Watcher | None = None,
    report: bool = False,
    text: bool = True,
    language: str | None = None,
    **keys: Unpack[RecipeKeys],
) -> Run:
    """Turns conversations into a training set that ends.

    The output is a directory that ``datasets.load_from_disk`` and trainers load as it is. A run
    that was killed resumes where it stopped and ends with the same bytes.

    Args:
        inputs: Paths, directories, globs, URIs, or rows in memory: a list of dicts, anything Arrow,
            a ``datasets.Dataset``; or a list of these. ``None``: the recipe's ``inputs``.
        output: The output directory, or a URI that pyarrow opens (Parquet is the default there).
            Made if it is missing.
        recipe: How to make samples from the rows.
        tokenizer: The tokenizer, as in a recipe.
        threads: Number of threads; all cores that this process may use by default.
        resume: Continue where an earlier run with the same recipe stopped. If false, an output that
            was started before is an error.
        shard: Make only one part of the output, such as ``(2, 8)``, the second of eight: each on a
            machine of its own. When all are made, :func:`turnmill.merge` makes the output.
        engine: Who makes the shards: ``"local"``, ``"ray"``, ``"spark"``, or an object like those
            in :mod:`turnmill.prepare.engines`. ``threads`` are then those of each shard (1 by
            default), and inputs and output must be where all workers see them.
        engine_address: Where the cluster is, if the engine does not find it by itself.
        progress: Called after each block of input with a
            :class:`turnmill.prepare.progress.Progress`.
        report: Also write ``report.html`` into the output; see :func:`turnmill.report`.
        text: Whether reasons in ``rejects.parquet`` and the report may quote the data. Without, a
            reason is what its rule means.
        language: The language of the report; that of the locale if not given.
        **keys: Recipe keys, such as ``max_length=4096``; they win over the recipe.

    Returns:
        The run: what was written and what was not, and the packs if the recipe asks for them.

    Raises:
        DataError: No rows, none that could be used, or more rejects than ``max_rejects`` allows.
        RecipeError: The recipe needs a decision, or the output was made with another recipe.
        ArgumentError: ``shard`` does not name a part, or ``engine`` no engine.
        TurnmillError: The engine is missing, of an unknown version, or failed.
        OSError: A file cannot be read or written.
    """
    from turnmill.encoder.ready import ready
    from turnmill.inputs.find import files_left, held_out
    from turnmill.prepare.engines import opened
    from turnmill.prepare.part import run_part
    from turnmill.prepare.parts import PartNumber, settled_by_parts
    from turnmill.prepare.record import settled_now
    from turnmill.prepare.run import noted, run
    from turnmill.storage.remote import output_path

    chosen = recipe_of(recipe, tokenizer, keys)
    part = None if shard is None else PartNumber.of(shard)
    if part and report:
        message = "a part has no report: the samples are chosen when all parts are merged"
        raise ArgumentError(message, code="report-of-part", hint="ask `merge` for the report")
    if part and engine != "local":
        message = "a part is made by one machine, and an engine makes all parts"
        raise ArgumentError(message, code="engine-of-part", hint="give shard or engine, not both")
    count = thread_count(threads)
    place = output_path(output)
    data = chosen.inputs if inputs is None else inputs
    now = None
    if not chosen.now:
        now = settled_now(place) or (settled_by_parts(place) if part else None)
    with opened(engine, engine_address, count) as maker:
        session, found = ready(chosen, data, now=now)
        left, remarks = files_left(data, chosen.split), held_out(data, chosen.split)
        if part:
            return run_part(
                part,
                session,
                found,
                place,
                left=left,
                remarks=remarks,
                threads=count,
                resume=resume,
                progress=progress,
                text=text,
            )
        made = run(
            session,
            found,
            place,
            left=left,
            engine=maker,
            resume=resume,
            progress=progress,
            text=text,
        )
    made = noted(made, remarks)
    return _completed(made, chosen, session.path, report=report, text=text, language=language)


@explaining_refusals()
def merge(
    output: str | os.PathLike[str],
    *,
    tokenizer: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    report: bool = False,
    text: bool = True,
    language: str | None = None,
) -> Run:
    """Makes one output of the parts that ``turnmill.prepare(..., shard=(i, n))`` made.

    It is byte for byte what one machine would have written. The inputs are not read again: what
    is chosen among all samples (duplicates, validation, weights, the order) is chosen now. The
    parts are removed at the end; a merge that was killed goes on where it stopped.

    Args:
        output: The output of all parts.
        tokenizer: Where the tokenizer is, if it is not where the parts found it.
        threads: Number of threads; all cores that this process may use by default.
        report: Also write ``report.html`` into the output; see :func:`turnmill.report`.
        text: As for :func:`turnmill.prepare`, and so is
        language: the language of the report.

    Returns:
        The run, as :func:`turnmill.prepare` returns it.

    Raises:
        DataError: A part is missing, not finished or damaged, or was made from something else than
            the others; or as for :func:`turnmill.prepare`.
        RecipeError: The tokenizer or the template is not that of the parts.
        OSError: A file cannot be read or written.
    """
    from turnmill.prepare.merge import merge_parts, recorded_job
    from turnmill.storage.remote import output_path

    job, records = recorded_job(output_path(output), tokenizer, thread_count(threads))
    made = merge_parts(job, records, text=text)
    recipe, path = job.session.recipe, job.session.path
    return _completed(made, recipe, path, report=report, text=text, language=language)


def _completed(
    made: Run, recipe: Recipe, tokenizer: Path, *, report: bool, text: bool, language: str | None
) -> Run:
    """The run, with the packs that the recipe asks for and the report."""
    from turnmill.packing import pack
    from turnmill.report import report as write_report

    place = str(made.output)
    if recipe.pack is not None:
        packs = pack(
            place,
            recipe.pack,
            strategy=recipe.pack_strategy,
            seed=recipe.seed,
            overwrite=recipe.overwrite,
        )
        made = replace(made, pack=packs)
    if report:
        written = write_report(place, tokenizer=tokenizer, text=text, language=language)
        made = replace(made, report=written.path)
    return made
