"""The languages of what people read: English, and Chinese from the tables in ``zh``.

Sentences are looked up by their English text and rules by their name, so the code reads as what it
prints. What programs read (JSON, files, errors) is never translated.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = ("en", "zh")
"""English, the language of the code, and those that have tables."""


def locale_language() -> str:
    """The language that the environment asks for, found as GNU gettext finds it.

    The first of ``LC_ALL``, ``LC_MESSAGES`` and ``LANG`` that is set names the locale. Unless that
    is ``C``, the languages of ``LANGUAGE`` come first. English where none of them is known.
    """
    named = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = next(filter(None, named), "C")
    if _language(locale) in {"C", "POSIX"}:
        return LANGUAGES[0]
    wanted = [*os.environ.get("LANGUAGE", "").split(":"), locale]
    return next((found for name in wanted if (found := _language(name)) in LANGUAGES), LANGUAGES[0])


def _language(locale: str) -> str:
    """``zh`` of ``zh_CN.UTF-8``."""
    for mark in ".@_-":
        locale = locale.partition(mark)[0]
    return locale


def sentence(language: str, english: str) -> str:
    """A sentence in a language; as it is where the language has none.

    >>> sentence("zh", "rows in"), sentence("en", "rows in")
    ('读入行数', 'rows in')
    """
    return (
        english
        if language == LANGUAGES[0]
        else str(table(language, "sentences").get(english, english))
    )


def rule_texts(language: str) -> dict[str, dict[str, str]]:
    """``meaning``, ``cause`` and ``cure`` of rules by name; the core has the English ones."""
    return {} if language == LANGUAGES[0] else table(language, "rules")


def page_texts(language: str) -> dict[str, str]:
    """What pages show, by key; `turnmill.report.texts` has the English ones."""
    return {} if language == LANGUAGES[0] else table(language, "pages")


@cache
def table(language: str, name: str) -> dict[str, Any]:
    """A table of a language other than English: ``rules``, ``sentences`` or ``pages``."""
    import tomllib

    return tomllib.loads(
        Path(__file__).with_name(language).joinpath(f"{name}.toml").read_text("utf-8")
    )
