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


class DrawnFindings(Protocol):
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


def draw(findings: DrawnFindings, console: Terminal) -> Iterator[str]:
    """The lines of the report: the verdict, one line for each rule, then the places."""
    ordered = sorted(findings.rules.values(), key=_badness)
    yield _verdict(findings, console)
    yield from wrap(_summary(findings, console), console.width, indent="  ")
    yield from wrap(_settings(findings, console), console.width, indent="  ")
    yield from _replay(findings, console)
    for note in findings.facts.get("notes", []):
        text = console.say("note") + console.say(": ") + note
        yield from wrap(visible(text), console.width, indent="      ")
    if not ordered:
        return
    yield ""
    yield from _table(ordered, findings.rows, console)
    for finding in ordered:
        if _SHOWN_PLACES[finding.severity]:
            yield ""
            yield from _details(finding, console)
    yield ""
    yield from wrap(_legend(ordered, console), console.width, indent="  ")


def _badness(finding: Finding) -> tuple[int, float]:
    return ("error", "warning", "info").index(finding.severity), -finding.rate


def _verdict(findings: DrawnFindings, console: Terminal) -> str:
    if findings.undecided:
        word = console.style(console.say("undecided"), "bold", "yellow")
        return word + console.say(": ") + str(findings.facts["doubt"])
    word = (
        console.style(console.say("ok"), "bold", "green")
        if findings.ok
        else console.style(console.say("not ok"), "bold", "red")
    )
    return word + console.say(": ") + _reason(findings, console)


def _reason(findings: DrawnFindings, console: Terminal) -> str:
    """What the verdict rests on, in a sentence."""
    endless = max(
        (findings.rules[name].rate for name in _ENDLESS if name in findings.rules), default=0.0
    )
    if endless:
        whole = findings.rows or 1
        text = console.say(
            "{share} of the rows teach the model not to stop", share=share(endless * whole, whole)
        )
        return text + (console.say(", within the limit that was given") if findings.ok else "")
    errors = sum(finding.severity == "error" for finding in findings.rules.values())
    if errors:
        text = (
            console.say("one rule of severity error")
            if errors == 1
            else console.say("{count} rules of severity error", count=errors)
        )
        return text + (console.say(" within its limit") if findings.ok else "")
    if findings.facts.get("turns"):
        return console.say("every trained turn ends in a trained stop token")
    return console.say("no rule of severity error")


def _summary(findings: DrawnFindings, console: Terminal) -> str:
    facts = findings.facts
    parts = [console.say("{count} rows", count=count(findings.rows))]
    documents = facts.get("documents", findings.rows)
    if facts.get("rejected"):
        left = count(facts["rejected"])
        parts.append(console.say("{count} of which prepare leaves out", count=left))
    if "samples" in facts:
        parts.append(console.say("{count} samples", count=count(facts["samples"])))
    elif documents != findings.rows:
        parts.append(console.say("{count} documents", count=count(documents)))
    if "turns" in facts:
        parts.append(console.say("{count} trained turns", count=count(facts["turns"])))
    if "tokens" in facts:
        trained = share(facts["trained"], facts["tokens"])
        tokens = count(facts["tokens"])
        parts.append(console.say("{count} tokens, {share} trained", count=tokens, share=trained))
    return console.say(", ").join(parts)


def _settings(findings: DrawnFindings, console: Terminal) -> str:
    """What the verdict is based on: the stop set, and the columns that were read."""
    facts = findings.facts
    stops = ", ".join(f"{stop['token']} ({stop['id']})" for stop in facts.get("stop", []))
    columns = ", ".join(facts.get("columns", []))
    text = console.say("stops on {stops}", stops=stops) if stops else console.say("never stops")
    return text + (console.say("; read {columns}", columns=columns) if columns else "")


def _replay(findings: DrawnFindings, console: Terminal) -> Iterator[str]:
    replay = findings.facts.get("replay")
    if not replay or replay["rate"] is None:
        if replay and "roundtrip-mismatch" in findings.rules:
            text = console.say(
                "replay: no turn can be replayed: this tokenizer does not encode what ids decode "
                "to as the same ids"
            )
            yield from wrap(text, console.width, indent="  ")
        return
    turns = console.say("{count} turns", count=count(replay["turns"]))
    if replay["turns"] < replay["of"]:
        turns = console.say(
            "{count} replayed turns ({all} in all)",
            count=count(replay["turns"]),
            all=count(replay["of"]),
        )
    text = console.say(
        "replay: {share} of {turns} have the server's prompt and end where it stops ({prompts})",
        share=share(replay["rate"] * replay["turns"], replay["turns"]),
        turns=turns,
        prompts=_prompts(replay, console),
    )
    rates = [share(at["rate"], 1) for at in replay["by_turn"]]
    if len(set(rates)) > 1:
        text += console.say("; by turn {rates}", rates=", ".join(rates))
    if replay["turns"] < replay["of"]:
        text += _left_out(replay, console)
    yield from wrap(text, console.width, indent="  ")


def _left_out(replay: dict[str, Any], console: Terminal) -> str:
    """Why fewer turns were replayed than there are."""
    if replay["by"] == "decoded":
        return console.say(
            "; of tokenized data the first 1,024 rows are replayed and one of 64 after them, "
            "and 8 turns of a conversation"
        )
    return console.say(
        "; of very long conversations only the first turns and the last one are replayed"
    )


def _prompts(replay: dict[str, Any], console: Terminal) -> str:
    """Where the prompts of a replay come from."""
    if replay["by"] == "decoded":
        return console.say("prompts decoded from the ids")
    if replay["texts"] == replay["turns"]:
        return console.say("prompts are texts of the rows, without a template")
    text = console.say("prompts rendered by the template")
    if not replay["texts"]:
        return text
    return text + console.say(", {count} without one", count=count(replay["texts"]))


def _table(ordered: list[Finding], rows: int, console: Terminal) -> Iterator[str]:
    cells = [
        (
            console.say(finding.severity),
            finding.rule,
            *_amount(finding, rows, console),
            rule(finding.rule).in_language(console.language).meaning,
        )
        for finding in ordered
    ]
    words = ("severity", "rule", "rows", "count", "what it means")
    titles = tuple(console.say(word) for word in words)
    head, *found = wrapped_table([titles, *cells], console.width, numbers=(2, 3))
    yield from (console.style(line, "dim") for line in head)
    for (first, *others), finding in zip(found, ordered, strict=True):
        severity = console.say(finding.severity)
        styled = console.style(severity, _COLOURS[finding.severity], "bold")
        yield first.replace(severity, styled, 1)
        yield from others


def _amount(finding: Finding, rows: int, console: Terminal) -> tuple[str, str]:
    """The share of rows and the count; a finding on the data as a whole has none."""
    first = finding.evidence[0] if finding.evidence else {}
    if first and first.get("row") is None and first.get("line") is None:
        return console.say("all"), "" if finding.count == 1 else count(finding.count)
    return share(finding.rate * rows, rows) if rows else "", count(finding.count)


def _details(finding: Finding, console: Terminal) -> Iterator[str]:
    name = finding.rule
    shown = rule(name).in_language(console.language)
    first, *others = wrap(name + console.say(": ") + shown.meaning, console.width, indent="  ")
    yield first.replace(name, console.style(name, _COLOURS[finding.severity], "bold"), 1)
    yield from others
    for place in finding.evidence[: _SHOWN_PLACES[finding.severity]]:
        yield from _place(place, console)
    cure = console.say("cure") + console.say(": ") + shown.cure
    for line in wrap(cure, console.width - 2, indent="      "):
        yield f"  {line}"


def _place(place: dict[str, Any], console: Terminal) -> Iterator[str]:
    words = [
        console.say(f"{name} {{number}}", number=place[name])
        for name in ("row", "line", "document", "turn", "message")
        if place.get(name) is not None and (name != "document" or place[name])
    ]
    if place.get("file"):
        words.append(console.say("of {file}", file=visible(place["file"])))
    if place.get("note"):
        words.append(visible(str(place["note"])))
    for line in wrap(console.say(", ").join(words), console.width - 2, indent="  "):
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


def _legend(ordered: list[Finding], console: Terminal) -> str:
    tokens = any(place.get("tokens") for finding in ordered for place in finding.evidence)
    text = console.say(
        "turnmill check --explain {rule} says more; --json has every place", rule=ordered[0].rule
    )
    return console.say("[brackets] are trained tokens; ") + text if tokens else text
