"""Draws the result of a generation test: the verdict, the measures, the first failures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from turnmill._terminal import Terminal, clip, count, table, visible, wrap, wrapped_table
from turnmill.languages import page_texts
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
    yield from wrap(_basis(result, console), console.width, indent="  ")
    yield ""
    yield from _measures(result, console)
    for title, groups in (
        (console.say("by length"), result.by_length),
        (console.say("by source"), result.by_source),
    ):
        if len(groups) > 1:
            yield ""
            yield from _groups(title, groups, console)
    for note in _notes(result, console):
        yield ""
        yield from _labelled("note", "yellow", note, console)
    for failure in result.failures:
        yield ""
        yield from _failure(failure, console)


def _verdict(result: Shown, console: Terminal) -> Iterator[str]:
    problems = {
        "stop": console.say("{share} are asked for", share=percent(result.min_stop)),
        "ran_past": _after_it(result.rates["ran_past"].count, console),
        "baseline": console.say("fewer than before"),
    }
    found = [problems[name] for name in result.problems]
    word, colour = ("not ok", "red") if found else ("ok", "green")
    text = console.say("; ").join([_stopped(result, console), *found])
    yield from _labelled(word, colour, text, console)


def _stopped(result: Shown, console: Terminal) -> str:
    """How many answers stop, in a sentence."""
    stop = result.rates["stop"]
    low, high = stop.interval
    values = {
        "share": percent(stop.share),
        "answers": count(stop.of),
        "low": percent(low),
        "high": percent(high),
    }
    if result.rates["ran_past"].count:
        return console.say(
            "{share} of {answers} answers reach a stop token (95 % interval {low} to {high})",
            **values,
        )
    return console.say(
        "{share} of {answers} answers stop (95 % interval {low} to {high})", **values
    )


def _after_it(number: int, console: Terminal) -> str:
    if number == 1:
        return console.say("1 answer goes on after it")
    return console.say("{count} answers go on after it", count=count(number))


def _basis(result: Shown, console: Terminal) -> str:
    stops = ", ".join(
        f"{stop['token']} ({stop['id']})" if stop["token"] != str(stop["id"]) else stop["token"]
        for stop in result.stop
    )
    if result.held_out:
        text = console.say("prompts from the validation set")
    else:
        text = console.say("prompts from rows that may have been trained on")
    return text + console.say("; the stop set is {stops}", stops=visible(stops))


def _measures(result: Shown, console: Terminal) -> Iterator[str]:
    before = result.baseline
    words = ("of the answers", "share", "interval", "data", *(("before",) if before else ()))
    titles = (*map(console.say, words), "")
    rows = [titles]
    meanings = page_texts(console.language)
    for name, english in MEASURES.items():
        meaning = meanings.get(f"measure-{name}", english)
        rate = result.rates[name]
        low, high = rate.interval
        was = (percent(before.rates[name].share),) if before else ()
        between = console.say("{low} to {high}", low=percent(low), high=percent(high))
        data = percent(result.references[name].share)
        called = console.say(name.replace("_", " "))
        rows.append((called, percent(rate.share), between, data, *was, meaning))
    answers, references = result.duplicates
    was = (percent(before.duplicates[0]),) if before else ()
    meaning = console.say("4-grams that came before, on average")
    called = console.say("repeated")
    rows.append((called, percent(answers), "", percent(references), *was, meaning))
    numbers = range(1, len(titles) - 1)
    head, *lines = wrapped_table(rows, console.width, numbers=tuple(numbers))
    yield from (console.style(line.rstrip(), "dim") for line in head)
    for line in lines:
        yield from (part.rstrip() for part in line)


def _groups(title: str, groups: dict[str, Rate], console: Terminal) -> Iterator[str]:
    """The stop rate of each group; of many, the worst."""
    worst = sorted(groups, key=lambda name: groups[name].share)[:_SHOWN_SOURCES]
    rows = [(title, *map(console.say, ("stop", "of", "interval")))]
    for name, rate in groups.items():
        if name in worst:
            low, high = rate.interval
            between = console.say("{low} to {high}", low=percent(low), high=percent(high))
            rows.append(
                (f"  {_group_name(name, console)}", percent(rate.share), count(rate.of), between)
            )
    first, *others = table(rows, numbers=(1, 2, 3))
    yield console.style(first, "dim")
    yield from others
    if len(groups) > len(worst):
        more = count(len(groups) - len(worst))
        yield f"  {console.say('and {count} that stop more often', count=more)}"


def _group_name(name: str, console: Terminal) -> str:
    """The end of the name of an input, or a range of lengths, which holds no slash."""
    low, _, high = name.partition(" to ")
    if low.isdecimal() and high.isdecimal():
        return console.say("{low} to {high}", low=low, high=high)
    return visible(name.rpartition("/")[2])


def _notes(result: Shown, console: Terminal) -> Iterator[str]:
    ends = result.references["stop"]
    if ends.share < 1:
        yield console.say(
            "{count} of {all} references do not end in the stop set: the data does not teach it "
            "there; `turnmill check` says why",
            count=count(ends.of - ends.count),
            all=count(ends.of),
        )
    low, high = result.rates["stop"].interval
    if low < result.min_stop <= high and result.min_stop < 1:
        yield console.say(
            "{count} prompts cannot tell whether {share} stop, because the interval holds that "
            "share; more prompts would",
            count=count(result.prompts),
            share=percent(result.min_stop),
        )
    if result.rates["ran_past"].count:
        yield console.say(
            "what generates does not stop on the stop set; OUT/serving has what to set there"
        )
    if result.baseline and result.change:
        yield _change(result, console)


def _change(result: Shown, console: Terminal) -> str:
    low, high = result.change or (0.0, 0.0)
    before = result.baseline.rates["stop"]
    values = {
        "share": percent(before.share),
        "answers": count(before.of),
        "low": f"{100 * low:+.0f}",
        "high": f"{100 * high:+.0f}",
    }
    if result.baseline.fingerprint == result.fingerprint:
        return console.say("before, {share} of {answers} stopped: {low} to {high} points", **values)
    return console.say(
        "before, {share} of {answers} stopped, on other prompts: {low} to {high} points", **values
    )


def _failure(failure: Any, console: Terminal) -> Iterator[str]:
    why = console.say(", ").join(console.say(name.replace("_", " ")) for name in failure.why)
    sizes = console.say(
        "{length} tokens, reference {reference}",
        length=count(failure.length),
        reference=count(failure.reference),
    )
    head = f"{why} · {visible(failure.place)} · {sizes}"
    first, *others = wrap(head, console.width, indent="  ")
    yield first.replace(why, console.style(why, "bold", "red"), 1)
    yield from others
    shown = visible(failure.end.replace("\n", "⏎"))
    yield f"  …{clip(shown[::-1], console.width - 3)[::-1].lstrip('…')}"


def _labelled(word: str, colour: str, text: str, console: Terminal) -> Iterator[str]:
    word = console.say(word)
    first, *others = wrap(word + console.say(": ") + text, console.width, indent="  ")
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
