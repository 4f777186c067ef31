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
from turnmill.recipe import Recipe

if TYPE_CHECKING:
    from turnmill.prepare.progress import Watcher
    from turnmill.prepare.result import Run

__all__ = ["prepare"]


@takes_keys(RecipeKeys)
def prepare(
    inputs: Any,
    output: str | os.PathLike[str],
    recipe: Recipe | None = None,
    *,
    tokenizer: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    resume: bool = True,
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
        OSError: A file cannot be read or written.
    """
    from turnmill.encoder.ready import ready
    from turnmill.inputs.find import files_left, held_out
    from turnmill.packing import pack
    from turnmill.prepare.record import settled_now
    from turnmill.prepare.run import run
    from turnmill.report import report as write_report
    from turnmill.storage.remote import output_path

    chosen = recipe_of(recipe, tokenizer, keys)
    count = thread_count(threads)
    place = output_path(output)
    data = chosen.inputs if inputs is None else inputs
    session, found = ready(chosen, data, now=None if chosen.now else settled_now(place))
    made = run(
        session,
        found,
        place,
        left=files_left(data, chosen.split),
        threads=count,
        resume=resume,
        progress=progress,
        text=text,
    )
    if remarks := held_out(data, chosen.split):
        notes = [*made.facts.get("notes", []), *remarks]
        made = replace(made, facts={**made.facts, "notes": notes})
    if chosen.pack is not None:
        packs = pack(
            str(place),
            chosen.pack,
            strategy=chosen.pack_strategy,
            seed=chosen.seed,
            overwrite=chosen.overwrite,
        )
        made = replace(made, pack=packs)
    if report:
        written = write_report(str(place), tokenizer=session.path, text=text, language=language)
        made = replace(made, report=written.path)
    return made
