"""The closing table of a run: where every row went, what is trained, what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from turnmill._terminal import Terminal, count, duration, share, short_count, table, visible, wrap
from turnmill.prepare.history_cost import in_words

if TYPE_CHECKING:
    from turnmill.prepare.run import Run


def closing(run: Run, talk: Terminal) -> list[str]:
    """The lines that ``turnmill prepare`` ends with, and that ``print(run)`` prints."""
    return [
        *_rows(run, talk),
        "",
        *_samples(run, talk),
        *_rules(run, talk),
        *_notes(run, talk),
        "",
        *_next(run, talk),
    ]


def _rows(run: Run, talk: Terminal) -> list[str]:
    rejected = sum(run.rejected.values())
    cells = [
        ("rows in", count(run.rows), ""),
        ("  written", count(run.rows - rejected), share(run.rows - rejected, run.rows)),
        *(
            (f"  rejected: {rule}", count(number), share(number, run.rows))
            for rule, number in run.rejected.items()
        ),
    ]
    lines = table(cells, numbers=(1, 2))
    painted = [talk.style(lines[0], "bold"), talk.style(lines[1], "green")]
    return painted + [talk.style(line, "yellow") for line in lines[2:]]


def _samples(run: Run, talk: Terminal) -> list[str]:
    tally, lengths = run.totals.tally, run.totals.lengths
    spread = "  ".join(
        f"{_percentile_name(percent)} {count(length)}" for percent, length in lengths.items()
    )
    reused = f", {run.shards_reused} of them kept from before" if run.shards_reused else ""
    speed = run.bytes_read / 1e6 / run.seconds if run.seconds else 0.0
    cells = [
        *_schemas(run.inputs),
        ("samples", f"{count(tally.samples)} in {count(run.shards)} {_shards(run)}{reused}"),
        (
            "tokens",
            f"{count(tally.tokens)}, {share(tally.trained, tally.tokens)} trained "
            f"({count(tally.trained)})",
        ),
        ("length", spread),
        ("ends in", _terminator(run.facts)),
        (
            "time",
            f"{duration(run.seconds)}, {speed:.1f} MB/s, "
            f"{short_count(_per_second(tally.tokens, run))} tokens/s",
        ),
        ("output", talk.style(visible(str(run.output)), "cyan")),
    ]
    return table(cells)


def _schemas(inputs: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Each schema with the one file, or the number of files, that has it."""
    names: dict[str, list[str]] = {}
    for read in inputs:
        names.setdefault(read["schema"], []).append(visible(read["name"].rpartition("/")[2]))
    lines = [
        f"{'no rows' if schema == 'auto' else schema}: "
        f"{found[0] if len(found) == 1 else f'{len(found)} inputs'}"
        for schema, found in names.items()
    ]
    return [("" if i else "read as", line) for i, line in enumerate(lines)]


def _terminator(facts: dict[str, Any]) -> str:
    stops = [f"{stop['token']} ({stop['id']})" for stop in facts["stop"]]
    terminator = facts.get("terminator") or facts["stop"][0]
    ends = f"{terminator['token']} ({terminator['id']})"
    return ends if stops == [ends] else f"{ends}; serving stops on {', '.join(stops)}"


def _per_second(number: int, run: Run) -> float:
    return number / run.seconds if run.seconds and not run.shards_reused else 0.0


def _shards(run: Run) -> str:
    return "shard" if run.shards == 1 else "shards"


def _percentile_name(percent: int) -> str:
    return {0: "min", 50: "median", 100: "max"}.get(percent, f"p{percent}")


def _rules(run: Run, talk: Terminal) -> list[str]:
    counted = {rule: n for rule, n in run.totals.rules.items() if rule not in run.rejected}
    if not counted:
        return []
    lines = table([(f"  {rule}", count(number)) for rule, number in counted.items()], numbers=(1,))
    return ["", talk.style("counted, and written", "bold"), *lines]


def _notes(run: Run, talk: Terminal) -> list[str]:
    history = [] if run.history is None else [in_words(run.history)]
    return [
        line
        for note in [*run.facts.get("notes", []), *history]
        for line in wrap(f"{talk.style('note', 'bold', 'yellow')}: {note}", talk.width, indent="  ")
    ]


def _next(run: Run, talk: Terminal) -> list[str]:
    lines = []
    for step in run.next_steps:
        lines.append(f"{talk.style('next', 'bold', 'green')}: {step.trainer}: {step.reason}")
        lines += [f"    {visible(line)}" for line in step.lines]
    return lines
