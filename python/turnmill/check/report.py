"""Draws findings for a terminal: one table, then the places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from turnmill._terminal import Terminal, columns_of, count, share, visible, wrap, wrapped_table
from turnmill.check.finding import Finding
from turnmill.rules import rule

_COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}
_SHOWN_PLACES = {"error": 2, "warning": 1, "info": 0}
_ENDLESS = (
    "missing-terminator",
    "terminator-masked",
    "truncated-terminator",
    "wrong-terminator",
    "unset-terminator",
)
"""Rules that mean that a turn teaches the model not to stop."""


class Report(Protocol):
    """What can be drawn: `turnmill.check.findings.Findings`, which uses this module."""

    @property
    def rows(self) -> int:
        """Number of rows."""

    @property
    def ok(self) -> bool:
        """Whether the data passed."""

    @property
    def undecided(self) -> bool:
        """Whether the stop set is in doubt, and with it the verdict."""

    @property
    def rules(self) -> dict[str, Finding]:
        """The findings of each rule."""

    @property
    def facts(self) -> dict[str, Any]:
        """What is known about the data as a whole."""


def draw(findings: Report, console: Terminal) -> Iterator[str]:
    """The lines of the report: the verdict, one line for each rule, then the places."""
    ordered = sorted(findings.rules.values(), key=_badness)
    yield _verdict(findings, console)
    yield from wrap(_summary(findings), console.width, indent="  ")
    yield from wrap(_settings(findings), console.width, indent="  ")
    yield from _replay(findings, console)
    for note in findings.facts.get("notes", []):
        yield from wrap(visible(f"note: {note}"), console.width, indent="      ")
    if not ordered:
        return
    yield ""
    yield from _table(ordered, findings.rows, console)
    for finding in ordered:
        if _SHOWN_PLACES[finding.severity]:
            yield ""
            yield from _details(finding, console)
    yield ""
    yield from wrap(_legend(ordered), console.width, indent="  ")


def _badness(finding: Finding) -> tuple[int, float]:
    return ("error", "warning", "info").index(finding.severity), -finding.rate


def _verdict(findings: Report, console: Terminal) -> str:
    if findings.undecided:
        return f"{console.style('undecided', 'bold', 'yellow')}: {findings.facts['doubt']}"
    word = (
        console.style("ok", "bold", "green")
        if findings.ok
        else console.style("not ok", "bold", "red")
    )
    endless = max(
        (findings.rules[name].rate for name in _ENDLESS if name in findings.rules), default=0.0
    )
    if endless:
        rows = share(endless * findings.rows, findings.rows) if findings.rows else "all"
        allowed = ", within the limit that was given" if findings.ok else ""
        return f"{word}: {rows} of the rows teach the model not to stop{allowed}"
    errors = sum(finding.severity == "error" for finding in findings.rules.values())
    if errors:
        rules = "one rule" if errors == 1 else f"{errors} rules"
        within = " within its limit" if findings.ok else ""
        return f"{word}: {rules} of severity error{within}"
    if findings.facts.get("turns"):
        return f"{word}: every trained turn ends in a trained stop token"
    return f"{word}: no rule of severity error"


def _summary(findings: Report) -> str:
    facts = findings.facts
    parts = [f"{count(findings.rows)} rows"]
    documents = facts.get("documents", findings.rows)
    if facts.get("rejected"):
        parts.append(f"{count(facts['rejected'])} of which prepare leaves out")
    if "samples" in facts:
        parts.append(f"{count(facts['samples'])} samples")
    elif documents != findings.rows:
        parts.append(f"{count(documents)} documents")
    if "turns" in facts:
        parts.append(f"{count(facts['turns'])} trained turns")
    if "tokens" in facts:
        trained = share(facts["trained"], facts["tokens"])
        parts.append(f"{count(facts['tokens'])} tokens, {trained} trained")
    return ", ".join(parts)


def _settings(findings: Report) -> str:
    """What the verdict is based on: the stop set, and the columns that were read."""
    facts = findings.facts
    stops = ", ".join(f"{stop['token']} ({stop['id']})" for stop in facts.get("stop", []))
    columns = ", ".join(facts.get("columns", []))
    read = f"; read {columns}" if columns else ""
    return f"stops on {stops or 'nothing'}{read}"


def _replay(findings: Report, console: Terminal) -> Iterator[str]:
    replay = findings.facts.get("replay")
    if not replay or replay["rate"] is None:
        if replay and "roundtrip-mismatch" in findings.rules:
            why = "this tokenizer does not encode what ids decode to as the same ids"
            yield from wrap(f"replay: no turn can be replayed: {why}", console.width, indent="  ")
        return
    right = share(replay["rate"] * replay["turns"], replay["turns"])
    turns = f"{count(replay['turns'])} turns"
    if replay["turns"] < replay["of"]:
        turns = f"{count(replay['turns'])} replayed turns ({count(replay['of'])} in all)"
    text = f"replay: {right} of {turns} have the server's prompt and end"
    text += f" where it stops (prompts {_prompts(replay)})"
    rates = [share(at["rate"], 1) for at in replay["by_turn"]]
    if len(set(rates)) > 1:
        text += f"; by turn {', '.join(rates)}"
    yield from wrap(text, console.width, indent="  ")


def _prompts(replay: dict[str, Any]) -> str:
    """Where the prompts of a replay come from."""
    if replay["by"] == "decoded":
        return "decoded from the ids"
    if replay["texts"] == replay["turns"]:
        return "are texts of the rows, without a template"
    rendered = "rendered by the template"
    return f"{rendered}, {count(replay['texts'])} without one" if replay["texts"] else rendered


def _table(ordered: list[Finding], rows: int, console: Terminal) -> Iterator[str]:
    cells = [
        (finding.severity, finding.rule, *_amount(finding, rows), rule(finding.rule).meaning)
        for finding in ordered
    ]
    titles = ("severity", "rule", "rows", "count", "what it means")
    head, *found = wrapped_table([titles, *cells], console.width, numbers=(2, 3))
    yield from (console.style(line, "dim") for line in head)
    for (first, *others), finding in zip(found, ordered, strict=True):
        severity = finding.severity
        yield first.replace(severity, console.style(severity, _COLOURS[severity], "bold"), 1)
        yield from others


def _amount(finding: Finding, rows: int) -> tuple[str, str]:
    """The share of rows and the count; a finding on the data as a whole has none."""
    if finding.evidence and finding.evidence[0].get("row") is None:
        return "all", "" if finding.count == 1 else count(finding.count)
    return share(finding.rate * rows, rows) if rows else "", count(finding.count)


def _details(finding: Finding, console: Terminal) -> Iterator[str]:
    name = finding.rule
    first, *others = wrap(f"{name}: {rule(name).meaning}", console.width, indent="  ")
    yield first.replace(name, console.style(name, _COLOURS[finding.severity], "bold"), 1)
    yield from others
    for place in finding.evidence[: _SHOWN_PLACES[finding.severity]]:
        yield from _place(place, console)
    for line in wrap(f"cure: {rule(finding.rule).cure}", console.width - 2, indent="      "):
        yield f"  {line}"


def _place(place: dict[str, Any], console: Terminal) -> Iterator[str]:
    words = [
        f"{name} {place[name]}"
        for name in ("row", "line", "document", "turn", "message")
        if place.get(name) is not None and (name != "document" or place[name])
    ]
    if place.get("file"):
        words.append(f"of {visible(place['file'])}")
    if place.get("note"):
        words.append(visible(str(place["note"])))
    for line in wrap(", ".join(words), console.width - 2, indent="  "):
        yield f"  {line}"
    tokens = [_token(token) for token in place.get("tokens", [])]
    width = console.width - 4
    while tokens and columns_of(" ".join(shown for shown, _ in tokens)) > width:
        tokens = tokens[1:]
    if tokens:
        styles = {True: "green", False: "dim"}
        yield "    " + " ".join(console.style(shown, styles[trained]) for shown, trained in tokens)


def _token(token: dict[str, Any]) -> tuple[str, bool]:
    """A token with its id, in brackets if it is trained."""
    text = "" if token["text"] is None else repr(token["text"])[1:-1]
    shown = f"{text}·{token['id']}" if text else str(token["id"])
    return (f"[{shown}]" if token["trained"] else shown), bool(token["trained"])


def _legend(ordered: list[Finding]) -> str:
    tokens = any(place.get("tokens") for finding in ordered for place in finding.evidence)
    first = f"turnmill check --explain {ordered[0].rule} says more; --json has every place"
    return f"[brackets] are trained tokens; {first}" if tokens else first
