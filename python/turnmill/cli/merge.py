"""``turnmill merge``: one output of parts that several machines made."""

from __future__ import annotations

from turnmill._terminal import Terminal
from turnmill.cli.arguments import SPOKEN, Arguments, Flag, Group, Parser, UsageError, positive
from turnmill.cli.made import say_made


def parser() -> Parser:
    """The options of ``merge``."""
    return Parser(
        "merge",
        "OUT [OPTIONS]",
        "Make one output of the parts that `turnmill prepare … -o OUT --shard i/n` made.",
        (
            Group(
                "What to merge",
                (
                    Flag("OUT", "the output of all parts"),
                    Flag("--tokenizer", "where the tokenizer is, if it was moved", "DIR"),
                ),
            ),
            Group(
                "Running",
                (
                    Flag("--threads", "threads to work with (default: all)", "N", read=positive),
                    Flag("--report", "also write report.html, a page to look at, into the output"),
                    Flag("--no-text", "quote no texts of the data in rejects and report"),
                ),
            ),
            SPOKEN,
        ),
        "The output is byte for byte what one machine would have written. The inputs are not read "
        "again.",
    )


def run(arguments: Arguments, console: Terminal) -> int:
    """Merges the parts."""
    if arguments.out is None:
        raise UsageError("no output is named", "name the directory that the parts were given")
    from turnmill import merge

    result = merge(
        arguments.out,
        tokenizer=arguments.tokenizer,
        threads=arguments.threads,
        report=bool(arguments.report),
        text=not arguments.no_text,
        language=arguments.lang,
    )
    say_made(result, arguments, console)
    return 0
