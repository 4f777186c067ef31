"""``turnmill check``: what is wrong in data, by rule."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from turnmill._terminal import Terminal, terminal, wrap
from turnmill.cli.arguments import (
    SPOKEN,
    Arguments,
    Flag,
    Group,
    Parser,
    UsageError,
    position,
    positive,
)
from turnmill.cli.recipe_flags import DATA, MODEL, TRAINING, recipe_for
from turnmill.cli.standard_output import print_json

if TYPE_CHECKING:
    from turnmill.rules import Rule

_RECIPE_GROUPS = (MODEL, DATA, TRAINING)


def _max_rate(text: str) -> tuple[str, float]:
    name, _, rate = text.partition("=")
    try:
        share = float(rate.removesuffix("%")) / (100 if rate.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not name or not 0 <= share <= 1:
        raise ValueError("RULE=SHARE, such as truncated-terminator=0.1%")
    return name, share


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("a whole number") from None


def parser() -> Parser:
    """The options of ``check``."""
    return Parser(
        "check",
        "DATA... --tokenizer DIR [OPTIONS]",
        "Find what is wrong in training data, by rule: raw conversations, turnmill's own output, "
        "or data tokenized by anything else.",
        (
            Group(
                "What to check",
                (
                    Flag(
                        "DATA",
                        "a directory that prepare or datasets wrote, Parquet, Arrow or JSON files",
                        many=True,
                    ),
                    Flag(
                        "--serving",
                        "model directory that will be served: its stop set and template are "
                        "compared with the data's",
                        "DIR",
                    ),
                    Flag(
                        "--response-marker",
                        "text that the trainer searches for to find where an answer starts",
                        "TEXT",
                    ),
                    Flag(
                        "--ignore-label",
                        "a label that means untrained besides -100, such as 0",
                        "N",
                        read=_whole,
                    ),
                    Flag(
                        "--max-rate",
                        "accept a rule up to this share of the rows; repeat for several",
                        "RULE=SHARE",
                        many=True,
                        read=_max_rate,
                    ),
                    Flag(
                        "--evidence", "places kept for each rule (default: 5)", "N", read=position
                    ),
                    Flag(
                        "--files",
                        "only compare the files of an output with its manifest: seconds, and no "
                        "tokenizer",
                    ),
                    Flag("--no-text", "show no texts of the data, only places and ids"),
                    Flag("--explain", "cause and cure of a rule, or of all", "RULE|all"),
                    Flag("--recipe", "recipe in TOML; flags win over it", "FILE"),
                    Flag("--threads", "threads to work with (default: all)", "N", read=positive),
                ),
            ),
            *_RECIPE_GROUPS,
            SPOKEN,
        ),
        "Exit code 0: no rule of severity error, or each within --max-rate; 1: findings; 2: the "
        "stop set is a guess and the data speaks against it. "
        "docs/rules.md explains every rule.",
    )


def run(arguments: Arguments, _console: Terminal) -> int:
    """Prints the findings; returns 1 if one of them is an error, 2 if a decision is needed."""
    if arguments.explain is not None:
        _explain(arguments.explain, arguments.lang, as_json=bool(arguments.json))
        return 0
    if not arguments.data:
        raise UsageError("no data is named", "name a file or directory before the options")
    if arguments.files:
        return _check_files(arguments)
    if arguments.tokenizer is None and arguments.recipe is None:
        arguments.tokenizer = _recorded_tokenizer(arguments.data)
    recipe = recipe_for(arguments, _RECIPE_GROUPS, arguments.data)
    from turnmill.check import check

    for name, _ in arguments.max_rate or []:
        _known_rule(name)
    findings = check(
        arguments.data[0] if len(arguments.data) == 1 else arguments.data,
        recipe,
        serving=arguments.serving,
        response_marker=arguments.response_marker,
        ignore_label=arguments.ignore_label,
        max_rates=dict(arguments.max_rate or []),
        evidence=5 if arguments.evidence is None else arguments.evidence,
        threads=arguments.threads,
        text=not arguments.no_text,
    )
    if arguments.json:
        print_json(findings.to_dict())
    elif not arguments.quiet:
        print(findings.draw(terminal(sys.stdout, language=arguments.lang)))
    if findings.undecided:
        return 2
    return 0 if findings.ok else 1


def _check_files(arguments: Arguments) -> int:
    """Prints whether every file of an output is what was written."""
    from turnmill.check import check_files

    if len(arguments.data) > 1:
        raise UsageError("--files takes one output", "check them one after the other")
    checked = check_files(arguments.data[0], threads=arguments.threads)
    if arguments.json:
        print_json(checked.to_dict())
    elif not arguments.quiet:
        print(checked.draw(terminal(sys.stdout, language=arguments.lang)))
    return 0 if checked.ok else 1


def _recorded_tokenizer(data: list[str]) -> str | None:
    """The tokenizer of a directory that turnmill wrote."""
    from turnmill.output.reader import Output, is_output

    is_written = len(data) == 1 and is_output(data[0])
    return Output.open(data[0]).tokenizer if is_written else None


def _known_rule(name: str) -> Rule:
    from turnmill.errors import DataError
    from turnmill.rules import rule

    try:
        return rule(name)
    except DataError as error:
        raise UsageError(str(error), error.hint) from None


def _explain(name: str, language: str | None, *, as_json: bool) -> None:
    from turnmill.check.document import page
    from turnmill.rules import rules

    out = terminal(sys.stdout, language=language)
    if name == "all":
        every = [vars(found) for found in rules().values()]
        if as_json:
            print_json(every)
        else:
            print(page(out.language).rstrip("\n"))
        return
    found = _known_rule(name)
    if as_json:
        print_json(vars(found))
        return
    shown = found.in_language(out.language)
    print(f"{out.style(found.name, 'bold')} ({out.say(found.severity)})")
    for text in (
        out.say("{meaning}.", meaning=shown.meaning),
        out.say("Cause: {cause}", cause=shown.cause),
        out.say("Cure: {cure}", cure=shown.cure),
    ):
        print("\n".join(wrap(text, out.width, indent="  ")))
