"""``turnmill stats``: what an output holds, in numbers."""

from __future__ import annotations

import sys

from turnmill._terminal import Terminal, terminal
from turnmill.cli.arguments import SPOKEN, Arguments, Flag, Group, Parser, UsageError
from turnmill.cli.standard_output import print_json


def parser() -> Parser:
    """The options of ``stats``."""
    return Parser(
        "stats",
        "OUT [OPTIONS]",
        "Lengths, trained share, turns, sources, duplicates and control tokens of an output.",
        (
            Group(
                "What to measure",
                (
                    Flag("OUT", "a directory that prepare wrote"),
                    Flag("--tokenizer", "its tokenizer, if that was moved since", "DIR"),
                    Flag(
                        "--whole",
                        "count the tokens of every sample, also of outputs of more than 20 million",
                    ),
                ),
            ),
            SPOKEN,
        ),
    )


def run(arguments: Arguments, _console: Terminal) -> int:
    """Prints the numbers on standard output."""
    if arguments.out is None:
        raise UsageError("no output is named", "name a directory that prepare wrote")
    from turnmill import stats

    found = stats(arguments.out, tokenizer=arguments.tokenizer, whole=bool(arguments.whole))
    if arguments.json:
        print_json(found.to_dict())
    else:
        print(found.draw(terminal(sys.stdout, language=arguments.lang)))
    return 0
