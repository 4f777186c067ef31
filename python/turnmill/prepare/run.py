"""``prepare``: plan, shards, commit."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from turnmill._environment import chunk_rows
from turnmill.errors import DataError
from turnmill.inputs.find import find_inputs
from turnmill.output.sinks import STAGING, TooManyRejectsError, column_names, shard_files
from turnmill.prepare import history_cost
from turnmill.prepare.commit import (
    Totals,
    add_up,
    commit,
    finished,
    merge_counts,
    merge_rejects,
    read_receipt,
)
from turnmill.prepare.history_cost import Prices
from turnmill.prepare.plan import Plan, make_plan
from turnmill.prepare.progress import ProgressCount, Watcher
from turnmill.prepare.protocol import Encoder
from turnmill.prepare.record import (
    circumstances,
    made_of,
    plan_path,
    refuse_other_recipe,
    same_recipe,
)
from turnmill.prepare.reject_hints import advice
from turnmill.prepare.shard import Receipt, ShardSettings, Tally, run_shard
from turnmill.prepare.trainers import NextStep, next_steps
from turnmill.storage import local
from turnmill.storage.remote import AnyPath, RemotePath

REJECTS_LOOKED_AT_AFTER = 10_000
"""Rows after which ``max_rejects`` is first looked at."""


@dataclass(frozen=True)
class Run:
    """A finished run: what was written, what was not, and what to do next."""

    output: AnyPath
    """The output directory."""
    totals: Totals
    facts: dict[str, Any]
    """Tokenizer, template and stop set."""
    inputs: list[dict[str, Any]]
    """Each input with its name, format and the schema it was read as."""
    format: str
    columns: list[str]
    """The columns of the data files."""
    seconds: float
    """Time of this run; a resumed run counts its own share only."""
    bytes_read: int
    """Bytes of text or Arrow data that this run read."""
    shards: int
    shards_reused: int
    """Shards that an earlier run had finished."""
    history: Prices | None = None
    """What each choice of ``history`` costs on the first rows, where they differ."""

    @property
    def rows(self) -> int:
        """Input rows; always rows written plus rows rejected."""
        return self.totals.tally.rows

    @property
    def rejected(self) -> dict[str, int]:
        """Rejected rows by rule, the commonest first."""
        return self.totals.rejected

    @property
    def samples(self) -> int:
        """Training samples written."""
        return self.totals.tally.samples

    @property
    def next_steps(self) -> list[NextStep]:
        """Settings for trainers."""
        longest = self.totals.lengths.get(100, 0)
        return next_steps(str(self.output), longest, self.format, self.columns)

    def __str__(self) -> str:
        from turnmill._terminal import terminal
        from turnmill.prepare.summary import closing

        return "\n".join(closing(self, terminal(sys.stdout, colour=False)))

    def to_dict(self) -> dict[str, Any]:
        """The run as JSON-able values, as ``turnmill prepare --json`` prints it."""
        return {
            "output": str(self.output),
            "inputs": self.inputs,
            **self.totals.to_dict(),
            "stop": self.facts["stop"],
            "notes": self.facts.get("notes", []),
            "history": self.history,
            "seconds": round(self.seconds, 3),
            "bytes_read": self.bytes_read,
            "shards": self.shards,
            "shards_reused": self.shards_reused,
        }


def run_with(
    encoder: Encoder,
    recipe: dict[str, Any],
    inputs: Any,
    output: AnyPath,
    *,
    threads: int | None,
    resume: bool = True,
    progress: Watcher | None = None,
) -> Run:
    """:func:`turnmill.prepare` with an encoder that is made already.

    Args:
        encoder: Made from the recipe.
        recipe: The recipe as JSON-able values.
        inputs: As for :func:`turnmill.prepare`, and so is all that follows.
        output: The output directory.
        threads: Threads to work with; ``None``: all.
        resume: Whether to go on with an output that was started before.
        progress: Called after each block of input.
    """
    import turnmill

    started, clock = datetime.now(UTC), time.monotonic()
    plan = make_plan(find_inputs(inputs), encoder, threads=threads)
    made = made_of(recipe, encoder._facts(), turnmill.__version__)
    format_ = recipe.get("format") or _default_format(output)
    with _held(output, made, resume=resume, overwrite=bool(recipe.get("overwrite"))):
        count = ProgressCount([spec.part.size for spec in plan.shards], progress)
        limit = _RejectLimit(recipe.get("max_rejects"), output)

        def watch(tally: Tally, amount: int, rejected: dict[str, int]) -> None:
            count.advance(tally, amount)
            limit.look(count.tally, rejected)

        settings = ShardSettings(output, format_, threads, chunk_rows(), watch)
        try:
            receipts, reused = _run_shards(plan, encoder, settings, count, limit)
        except TooManyRejectsError:
            merge_rejects(output, format_, plan)
            raise
        totals = add_up(output, format_, plan, receipts)
        merge_rejects(output, format_, plan)
        _refuse_nothing(totals, [planned.input.name for planned in plan.inputs], output)
        limit.check(totals.tally, totals.rejected)
        commit(output, format_, plan, receipts, totals, made)
        seconds = time.monotonic() - clock
        size = count.now().bytes_read
        local.write_json(
            output / "run.json",
            circumstances(started=started.isoformat(), seconds=seconds, threads=threads, size=size),
        )
    first = shard_files(plan.shards[0].name, format_).data
    return Run(
        output,
        totals,
        made["facts"],
        [planned.to_dict() for planned in plan.inputs],
        format_,
        column_names(output / first),
        seconds,
        size,
        len(plan.shards),
        reused,
        history_cost.add_up([planned.history for planned in plan.inputs]),
    )


def _run_shards(
    plan: Plan,
    encoder: Encoder,
    settings: ShardSettings,
    count: ProgressCount,
    limit: _RejectLimit,
) -> tuple[list[Receipt], int]:
    receipts, reused = [], 0
    for spec in plan.shards:
        receipt = finished(spec, settings.output, settings.format)
        if receipt is not None:
            count.reused(receipt.tally)
            reused += 1
        else:
            receipt = run_shard(spec, encoder, settings)
            count.shard_done()
        merge_counts(limit.finished, receipt.rejected)
        receipts.append(receipt)
    return receipts, reused


@dataclass
class _RejectLimit:
    """Stops a run in which too many rows are rejected."""

    limit: float | None
    output: AnyPath
    looked: bool = False
    finished: dict[str, int] = field(default_factory=dict)
    """Rejects of the shards that are done, by rule."""

    def look(self, tally: Tally, rejected: dict[str, int]) -> None:
        """Looks once, after the first 10,000 rows."""
        if not self.looked and tally.rows >= REJECTS_LOOKED_AT_AFTER:
            self.looked = True
            rules = dict.fromkeys([*self.finished, *rejected])
            so_far = {r: self.finished.get(r, 0) + rejected.get(r, 0) for r in rules}
            self._judge(tally, so_far)

    def check(self, tally: Tally, rejected: dict[str, int]) -> None:
        """Looks at the end."""
        self._judge(tally, rejected)

    def _judge(self, tally: Tally, rejected: dict[str, int]) -> None:
        """Raises an error when the share of rejects is above the limit."""
        if self.limit is None or tally.rejected <= self.limit * tally.rows:
            return
        percent = 100 * tally.rejected / tally.rows
        message = (
            f"{tally.rejected:,} of {tally.rows:,} rows were rejected ({percent:.3g} %), "
            f"more than max_rejects allows ({100 * self.limit:.3g} %)"
        )
        hint = advice(rejected) + _listed(self.output)
        raise TooManyRejectsError(message, code="too-many-rejects", hint=hint)


def _refuse_nothing(totals: Totals, inputs: list[str], output: AnyPath) -> None:
    tally = totals.tally
    if not tally.rows:
        what = "input holds" if len(inputs) == 1 else "inputs hold"
        place = inputs[0] if len(inputs) == 1 else None
        raise DataError(
            f"the {what} no rows",
            code="no-rows",
            path=place,
            hint="give the file that holds the conversations",
        )
    if not tally.samples:
        every = f"all {tally.rows:,} rows were" if tally.rows > 1 else "the only row was"
        message = f"{every} rejected, so nothing was written"
        hint = advice(totals.rejected) + _listed(output)
        raise DataError(message, code="all-rejected", hint=hint)


def _listed(output: AnyPath) -> str:
    return f"\nevery rejected row with its reason: {output / 'rejects.parquet'}"


@contextlib.contextmanager
def _held(
    output: AnyPath, made: dict[str, Any], *, resume: bool, overwrite: bool
) -> Iterator[None]:
    """Makes the output directory, locks it, and makes sure that it holds this recipe's shards."""
    _make_directory(output)
    with local.lock(output / STAGING / "lock"):
        for directory in (output, output / STAGING, output / "serving"):
            local.remove_temporary_files(directory)
        if (overwrite or _holds_nothing(output)) and not same_recipe(output, made):
            _clear(output)
        refuse_other_recipe(output, made)
        if plan_path(output).exists() and not resume:
            raise DataError(
                "the output was started before",
                code="output-exists",
                path=str(output),
                hint="give another directory, or go on: leave --no-resume out (resume=True)",
            )
        local.write_json(plan_path(output), made)
        yield


def _holds_nothing(output: AnyPath) -> bool:
    """Whether no sample was ever written: a run that failed at once is no work to be kept."""
    receipts = (read_receipt(path) for path in (output / STAGING).glob("receipt-*.json"))
    return not any(receipt.tally.samples for receipt in receipts if receipt)


def _default_format(output: AnyPath) -> str:
    """Trainers map local files; over a network smaller ones are worth more."""
    return "parquet" if isinstance(output, RemotePath) else "arrow"


def _make_directory(output: AnyPath) -> None:
    if output.exists() and not output.is_dir():
        error = NotADirectoryError(20, "the output is a file", str(output))
        error.add_note("hint: give a directory with -o")
        raise error
    if output.is_dir() and not (output / STAGING).exists() and any(output.iterdir()):
        raise DataError(
            "the output directory is not empty and was not made by turnmill",
            code="output-exists",
            path=str(output),
            hint="give a new directory with -o",
        )
    try:
        (output / STAGING).mkdir(parents=True, exist_ok=True)
    except NotADirectoryError as error:
        error.add_note("hint: a part of the path is a file; give another directory with -o")
        raise
    except FileExistsError as error:
        error.add_note("hint: it is no directory; remove it, or give another directory with -o")
        raise


def _clear(output: AnyPath) -> None:
    """Removes what turnmill wrote, the commit point first; nothing else is touched."""
    for name in ("state.json", "turnmill.json", "dataset_info.json", "run.json", "rejects.parquet"):
        (output / name).unlink(missing_ok=True)
    written = [
        *output.glob("data-*"),
        *output.glob("index-*"),
        *(output / "serving").glob("*"),
        *(output / STAGING).glob("*.*"),
    ]
    for path in written:
        path.unlink()
