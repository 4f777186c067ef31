"""``turnmill report``: an output as one page of HTML."""

from __future__ import annotations

from turnmill._terminal import Terminal, visible
from turnmill.cli.arguments import SPOKEN, Arguments, Flag, Group, Parser, UsageError, position
from turnmill.cli.standard_output import print_json


def parser() -> Parser:
    """The options of ``report``."""
    return Parser(
        "report",
        "OUT [-o FILE] [OPTIONS]",
        "Write a report on an output: one page of HTML that needs no network and no script.",
        (
            Group(
                "What to report on",
                (
                    Flag("OUT", "a directory that prepare wrote"),
                    Flag("--output", "the file (default: report.html in OUT)", "FILE", short="-o"),
                    Flag("--tokenizer", "its tokenizer, if that was moved since", "DIR"),
                    Flag("--samples", "samples drawn at random (default: 6)", "N", read=position),
                    Flag(
                        "--seed",
                        "another seed draws other samples (default: 0)",
                        "K",
                        read=position,
                    ),
                    Flag("--stop-test", "a result of stop-test --json, to show with it", "FILE"),
                    Flag("--no-text", "leave texts of the data out, so that it can be shared"),
                ),
            ),
            SPOKEN,
        ),
    )


def run(arguments: Arguments, console: Terminal) -> int:
    """Writes the report."""
    if arguments.out is None:
        raise UsageError("no output is named", "name a directory that prepare wrote")
    from turnmill import report

    made = report(
        arguments.out,
        arguments.output,
        tokenizer=arguments.tokenizer,
        samples=6 if arguments.samples is None else arguments.samples,
        seed=arguments.seed or 0,
        text=not arguments.no_text,
        language=arguments.lang,
        stop_test=arguments.stop_test,
    )
    if arguments.json:
        print_json({"report": made.path, "stats": made.stats.to_dict()})
    elif not arguments.quiet:
        spoken = console.speaking(arguments.lang)
        word = spoken.say("report") + spoken.say(": ")
        spoken.write(word + spoken.style(visible(made.path), "cyan"))
    return 0
