"""Draws the result of a generation test: the verdict, the measures, the first failures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from turnmill._terminal import Terminal, clip, count, table, visible, wrap, wrapped_table
from turnmill.stop_test.measures import MEASURES
from turnmill.stop_test.rates import Rate

_SHOWN_SOURCES = 8


class Shown(Protocol):
    """What can be drawn: `turnmill.stop_test.result.StopTest`, which uses this module."""

    @property
    def prompts(self) -> int:
        """How many prompts were asked."""

    @property
    def held_out(self) -> bool:
        """Whether they come from a validation set."""

    @property
    def stop(self) -> list[dict[str, Any]]:
        """The stop set."""

    @property
    def rates(self) -> dict[str, Rate]:
        """The measures of the answers."""

    @property
    def references(self) -> dict[str, Rate]:
        """The measures of the references."""

    @property
    def duplicates(self) -> tuple[float, float]:
        """The mean share of repeated 4-grams in answers, and in references."""

    @property
    def by_length(self) -> dict[str, Rate]:
        """The stop rate by tokens of the reference."""

    @property
    def by_source(self) -> dict[str, Rate]:
        """The stop rate by input."""

    @property
    def min_stop(self) -> float:
        """The least share that has to stop."""

    @property
    def fingerprint(self) -> str:
        """Equal for tests that asked for the same."""

    @property
    def problems(self) -> list[str]:
        """Why it is not ok."""

    @property
    def change(self) -> tuple[float, float] | None:
        """How the stop rate changed from the baseline."""

    @property
    def baseline(self) -> Any:
        """The result to compare with."""

    @property
    def failures(self) -> Sequence[Any]:
        """The first answers that did not end well."""


def draw(result: Shown, console: Terminal) -> Iterator[str]:
    """The lines of the report."""
    yield from _verdict(result, console)
    yield from wrap(_basis(result), console.width, indent="  ")
    yield ""
    yield from _measures(result, console)
    for title, groups in (("by length", result.by_length), ("by source", result.by_source)):
        if len(groups) > 1:
            yield ""
            yield from _groups(title, groups, console)
    for note in _notes(result):
        yield ""
        yield from _labelled("note", "yellow", note, console)
    for failure in result.failures:
        yield ""
        yield from _failure(failure, console)


def _verdict(result: Shown, console: Terminal) -> Iterator[str]:
    stop = result.rates["stop"]
    does = "reach a stop token" if result.rates["ran_past"].count else "stop"
    what = f"{percent(stop.share)} of {count(stop.of)} answers {does}{_between(stop)}"
    problems = {
        "stop": f"{percent(result.min_stop)} are asked for",
        "ran_past": f"{_answers(result.rates['ran_past'].count)} after it",
        "baseline": "fewer than before",
    }
    found = [problems[name] for name in result.problems]
    word, colour = ("not ok", "red") if found else ("ok", "green")
    yield from _labelled(word, colour, "; ".join([what, *found]), console)


def _answers(number: int) -> str:
    return "1 answer goes on" if number == 1 else f"{count(number)} answers go on"


def _between(rate: Rate) -> str:
    low, high = rate.interval
    return f" (95 % interval {percent(low)} to {percent(high)})"


def _basis(result: Shown) -> str:
    stops = ", ".join(
        f"{stop['token']} ({stop['id']})" if stop["token"] != str(stop["id"]) else stop["token"]
        for stop in result.stop
    )
    where = "the validation set" if result.held_out else "rows that may have been trained on"
    return f"prompts from {where}; the stop set is {visible(stops)}"


def _measures(result: Shown, console: Terminal) -> Iterator[str]:
    before = result.baseline
    titles = ("of the answers", "share", "interval", "data", *(("before",) if before else ()), "")
    rows = [titles]
    for name, meaning in MEASURES.items():
        rate = result.rates[name]
        low, high = rate.interval
        was = (percent(before.rates[name].share),) if before else ()
        between = f"{percent(low)} to {percent(high)}"
        data = percent(result.references[name].share)
        rows.append((name.replace("_", " "), percent(rate.share), between, data, *was, meaning))
    answers, references = result.duplicates
    was = (percent(before.duplicates[0]),) if before else ()
    meaning = "4-grams that came before, on average"
    rows.append(("repeated", percent(answers), "", percent(references), *was, meaning))
    numbers = range(1, len(titles) - 1)
    head, *lines = wrapped_table(rows, console.width, numbers=tuple(numbers))
    yield from (console.style(line.rstrip(), "dim") for line in head)
    for line in lines:
        yield from (part.rstrip() for part in line)


def _groups(title: str, groups: dict[str, Rate], console: Terminal) -> Iterator[str]:
    """The stop rate of each group; of many, the worst."""
    worst = sorted(groups, key=lambda name: groups[name].share)[:_SHOWN_SOURCES]
    rows = [(title, "stop", "of", "interval")]
    for name, rate in groups.items():
        if name in worst:
            low, high = rate.interval
            between = f"{percent(low)} to {percent(high)}"
            shown = visible(name.rpartition("/")[2])
            rows.append((f"  {shown}", percent(rate.share), count(rate.of), between))
    first, *others = table(rows, numbers=(1, 2, 3))
    yield console.style(first, "dim")
    yield from others
    if len(groups) > len(worst):
        yield f"  and {count(len(groups) - len(worst))} that stop more often"


def _notes(result: Shown) -> Iterator[str]:
    ends = result.references["stop"]
    if ends.share < 1:
        yield (
            f"{count(ends.of - ends.count)} of {count(ends.of)} references do not end in the stop "
            "set: the data does not teach it there; `turnmill check` says why"
        )
    low, high = result.rates["stop"].interval
    if low < result.min_stop <= high and result.min_stop < 1:
        yield (
            f"{count(result.prompts)} prompts cannot tell whether {percent(result.min_stop)} stop, "
            "because the interval holds that share; more prompts would"
        )
    if result.rates["ran_past"].count:
        yield "what generates does not stop on the stop set; OUT/serving has what to set there"
    if result.baseline and result.change:
        yield _change(result)


def _change(result: Shown) -> str:
    low, high = result.change or (0.0, 0.0)
    before = result.baseline.rates["stop"]
    other = "" if result.baseline.fingerprint == result.fingerprint else ", on other prompts"
    moved = f"{100 * low:+.0f} to {100 * high:+.0f} points"
    return f"before, {percent(before.share)} of {count(before.of)} stopped{other}: {moved}"


def _failure(failure: Any, console: Terminal) -> Iterator[str]:
    why = ", ".join(name.replace("_", " ") for name in failure.why)
    sizes = f"{count(failure.length)} tokens, reference {count(failure.reference)}"
    head = f"{why} · {visible(failure.place)} · {sizes}"
    first, *others = wrap(head, console.width, indent="  ")
    yield first.replace(why, console.style(why, "bold", "red"), 1)
    yield from others
    shown = visible(failure.end.replace("\n", "⏎"))
    yield f"  …{clip(shown[::-1], console.width - 3)[::-1].lstrip('…')}"


def _labelled(word: str, colour: str, text: str, console: Terminal) -> Iterator[str]:
    first, *others = wrap(f"{word}: {text}", console.width, indent="  ")
    yield first.replace(word, console.style(word, "bold", colour), 1)
    yield from others


def percent(share: float) -> str:
    """A share in per cent; an end of an interval is never rounded to all or none.

    >>> percent(0.9999), percent(1.0), percent(0.056)
    ('99.9 %', '100 %', '5.6 %')
    """
    value = 100 * share
    if 0 < value < 10 or 99 <= value < 100:
        return f"{min(max(value, 0.1), 99.9):.1f} %"
    return f"{value:.0f} %"
