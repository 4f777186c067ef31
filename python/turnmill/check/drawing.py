"""Findings for a terminal: one table, then the places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from turnmill._terminal import count, share, table, wrap
from turnmill.check.findings import Finding, Findings, rule

if TYPE_CHECKING:
    from turnmill._terminal import Terminal

_COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}
_SHOWN_PLACES = 2


def draw(findings: Findings, out: Terminal) -> Iterator[str]:
    """The lines of the report, the worst first."""
    yield _summary(findings)
    for note in findings.facts.get("notes", []):
        yield from wrap(f"note: {note}", out.width, indent="      ")
    ordered = sorted(findings.rules.values(), key=_badness)
    if not ordered:
        yield out.style("ok", "bold", "green") + ": no rule fired"
        return
    yield ""
    yield from _table(ordered, findings.rows, out)
    for finding in ordered:
        yield ""
        yield from _details(finding, out)
    yield ""
    yield _verdict(findings, out)


def _badness(finding: Finding) -> tuple[int, float]:
    return ("error", "warning", "info").index(finding.severity), -finding.rate


def _summary(findings: Findings) -> str:
    facts = findings.facts
    parts = [f"{count(findings.rows)} rows"]
    documents = facts.get("documents", findings.rows)
    if documents != findings.rows:
        parts.append(f"{count(documents)} documents")
    if "turns" in facts:
        parts.append(f"{count(facts['turns'])} trained turns")
    if "tokens" in facts:
        trained = share(facts["trained"], facts["tokens"])
        parts.append(f"{count(facts['tokens'])} tokens, {trained} trained")
    stops = ", ".join(f"{stop['token']} {stop['id']}" for stop in facts.get("stop", []))
    return ", ".join(parts) + (f"; stops on {stops}" if stops else "")


def _table(ordered: list[Finding], rows: int, out: Terminal) -> Iterator[str]:
    cells = [
        (
            finding.severity,
            finding.rule,
            count(finding.count),
            share(finding.rate * rows, rows) if rows else "",
        )
        for finding in ordered
    ]
    head, *lines = table([("severity", "rule", "count", "rows"), *cells], numbers=(2, 3))
    yield out.style(head, "dim")
    for line, finding in zip(lines, ordered, strict=True):
        severity = finding.severity
        yield line.replace(severity, out.style(severity, _COLOURS[severity], "bold"), 1)


def _details(finding: Finding, out: Terminal) -> Iterator[str]:
    yield out.style(finding.rule, _COLOURS[finding.severity]) + f": {rule(finding.rule).meaning}"
    for place in finding.evidence[:_SHOWN_PLACES]:
        yield from _place(place, out)
    for line in wrap(f"cure: {rule(finding.rule).cure}", out.width - 2, indent="      "):
        yield f"  {line}"


def _place(place: dict[str, Any], out: Terminal) -> Iterator[str]:
    words = [
        f"{name} {place[name]}"
        for name in ("row", "turn", "message")
        if place.get(name) is not None
    ]
    if place.get("note"):
        words.append(str(place["note"]))
    for line in wrap(", ".join(words), out.width - 2, indent="  "):
        yield f"  {line}"
    tokens = place.get("tokens", [])
    if tokens:
        yield "    " + " ".join(_token(token, out) for token in tokens)


def _token(token: dict[str, Any], out: Terminal) -> str:
    """A token with its id; trained ones in brackets, and green where there is colour."""
    text = "" if token["text"] is None else repr(token["text"])[1:-1]
    shown = f"{text}·{token['id']}" if text else str(token["id"])
    return out.style(f"[{shown}]", "green") if token["trained"] else out.style(shown, "dim")


def _verdict(findings: Findings, out: Terminal) -> str:
    if findings.ok:
        return out.style("ok", "bold", "green") + ": no rule of severity error"
    return out.style("not ok", "bold", "red") + "; [brackets] are trained; --explain RULE says more"
