"""Writes pages of HTML from templates; every value is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from turnmill._terminal import count, share, visible
from turnmill._version import VERSION
from turnmill.report import charts
from turnmill.report.contents import Contents, changed_keys, short_names
from turnmill.report.conversation import conversation_of, raw_text
from turnmill.report.texts import Texts
from turnmill.rules import rules
from turnmill.stats.result import SourceStats
from turnmill.stats.roles import START
from turnmill.stop_test.draw import percent
from turnmill.stop_test.result import StopTest

_MOST_SOURCES = 100
"""Inputs that are shown one by one."""
_PAGES = Path(__file__).parent / "pages"


@cache
def environment() -> jinja2.Environment:
    """The templates of all pages, with the filters for numbers and foreign text."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_PAGES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(count=count, visible=visible)
    made.globals.update(share=share)
    return made


def report_page(
    name: str, contents: Contents, texts: Texts, *, with_text: bool, model: StopTest | None = None
) -> str:
    """The report as one page of HTML that refers to nothing outside of itself.

    Args:
        name: What it is called.
        contents: What it shows.
        texts: Its sentences.
        with_text: Whether texts of the data are shown.
        model: What a model did with prompts of the data, if one was asked.
    """
    short = short_names([one.source for one in contents.stats.sources])
    sources = _largest(contents.stats.sources)
    template = environment().get_template("report.html.jinja")
    return template.render(
        name=name,
        contents=contents,
        model=model,
        percent=percent,
        with_text=with_text,
        t=texts,
        charts=charts,
        recipe=_recipe(contents, with_text=with_text),
        trains=_trains(contents, texts),
        conversation=lambda sample: conversation_of(sample, contents.roles),
        raw_text=raw_text,
        rules=rules(),
        examples=_examples(contents),
        short=lambda name: short.get(name, name),
        sources=sources,
        by_source=[(short[one.source], one.tokens, one.trained) for one in sources],
        by_role=[
            (texts("role-none") if one.role == START else one.role, one.tokens, one.trained)
            for one in contents.stats.roles
        ],
        version=VERSION,
    )


def _largest(sources: Sequence[SourceStats]) -> list[SourceStats]:
    """The inputs, in their order; of many those with the most rows."""
    ordered = sorted(range(len(sources)), key=lambda i: -sources[i].rows)[:_MOST_SOURCES]
    return [sources[i] for i in sorted(ordered)]


def _trains(contents: Contents, texts: Texts) -> str:
    """What is trained, in words."""
    choice = contents.record["recipe"].get("train_on") or "assistant"
    if not isinstance(choice, str):
        return texts("trains-some", names=", ".join(choice))
    if choice == "assistant" and {one.schema for one in contents.stats.sources} == {"text"}:
        return texts("trains-text")
    return texts(f"trains-{choice}")


def _recipe(contents: Contents, *, with_text: bool) -> list[tuple[str, Any, bool]]:
    """The keys of the recipe; a system prompt is text like that of the data."""
    return [
        (key, "…" if key == "system" and value and not with_text else value, changed)
        for key, value, changed in changed_keys(contents.record)
    ]


def _examples(contents: Contents) -> dict[str, str]:
    """Where a row of a rule is shown, by the rule's name."""
    rows = enumerate(contents.rows, 1)
    return {shown.rule: f"sample-{number}" for number, shown in rows if shown.rule}
