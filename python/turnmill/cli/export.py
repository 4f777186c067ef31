"""``turnmill export``: a written set in the form that one trainer reads."""

from __future__ import annotations

from turnmill._terminal import Terminal
from turnmill.cli.arguments import SPOKEN, Arguments, Flag, Group, Parser, UsageError
from turnmill.cli.made import say_made
from turnmill.export.names import TARGETS

SPLITS = ("train", "validation")


def parser() -> Parser:
    """The options of ``export``."""
    forms = "; ".join(f"{name}, {meaning}" for name, (_, meaning) in TARGETS.items())
    return Parser(
        "export",
        "OUT --to FORMAT -o DIR [OPTIONS]",
        "Write the samples of an output in the form that one trainer reads.",
        (
            Group(
                "What to export",
                (
                    Flag("OUT", "a directory that prepare wrote, or a pack in it"),
                    Flag("--to", "the form, one of those below", "FORMAT"),
                    Flag("--output", "a new directory to write", "DIR", short="-o"),
                    Flag("--split", "this data set only", "WORD", choices=SPLITS),
                    Flag("--packed", "the rows of the output's only pack"),
                ),
            ),
            SPOKEN,
        ),
        f"The forms: {forms}.",
    )


def run(arguments: Arguments, console: Terminal) -> int:
    """Writes the export."""
    if arguments.out is None:
        raise UsageError("no output is named", "name a directory that prepare wrote")
    if arguments.to is None:
        forms = ", ".join(TARGETS)
        raise UsageError("no form is named", f"add --to with one of: {forms}")
    if arguments.output is None:
        raise UsageError("no directory is named", "add -o with a new directory")
    from turnmill import export

    made = export(
        arguments.out,
        arguments.output,
        to=arguments.to,
        split=arguments.split,
        packed=bool(arguments.packed),
    )
    say_made(made, arguments, console)
    return 0
