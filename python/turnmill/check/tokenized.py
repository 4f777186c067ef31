"""Checks tokenized rows from any tool."""

from __future__ import annotations

import json
from dataclasses import dataclass

from turnmill import _core
from turnmill.check.findings import Findings
from turnmill.check.serving import served_by
from turnmill.check.settings import Settings
from turnmill.check.sources import Source, feed


@dataclass(frozen=True)
class Asked:
    """What the makers of the data asked for: then it is not a finding."""

    untrained: bool = False
    """Turns may be left untrained, and the rows were compared with inference."""
    outside: bool = False
    """Text outside the assistant's turns is trained."""


NOT_KNOWN = Asked()


@dataclass(frozen=True)
class AuditOptions:
    """What is said of tokenized data. The core reads the attributes."""

    stop: list[str | int] | None
    template: str | None
    response_marker: str | None
    ignore_label: int | None
    max_length: int | None
    replays: bool
    untrained: bool
    outside: bool
    evidence: int
    threads: int | None


def check_tokenized(
    sources: list[Source], settings: Settings, *, replays: bool = True, asked: Asked = NOT_KNOWN
) -> Findings:
    """Checks tokenized inputs as one data set.

    Args:
        sources: The inputs.
        settings: The arguments of the check.
        replays: Whether turns are replayed from their ids.
        asked: What the makers of the data asked for.
    """
    tokenizer = settings.loaded_tokenizer()
    options = AuditOptions(
        stop=settings.stop,
        template=settings.template_source(),
        response_marker=settings.response_marker,
        ignore_label=settings.ignore_label,
        max_length=settings.max_length,
        replays=replays,
        untrained=asked.untrained,
        outside=asked.outside,
        evidence=settings.evidence,
        threads=settings.threads,
    )
    served = None if settings.serving is None else served_by(settings.serving)
    audit = _core.Audit(tokenizer._core, options, served)
    for source in sources:
        audit.start(source.name, source.file, source.input.name)
        feed(audit, source)
    return Findings.of_report(json.loads(audit.finish()))
