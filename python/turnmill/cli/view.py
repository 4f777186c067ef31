"""``turnmill view``: a page on this machine that pages through all rows."""

from __future__ import annotations

from typing import Any

from turnmill._terminal import Terminal
from turnmill.cli.arguments import SPOKEN, Arguments, Flag, Group, Parser, UsageError, position
from turnmill.cli.recipe_flags import DATA, MODEL, TRAINING, given_keys, recipe_for
from turnmill.cli.standard_output import flush, print_json

_RECIPE_GROUPS = (MODEL, DATA, TRAINING)


def parser() -> Parser:
    """The options of ``view``."""
    return Parser(
        "view",
        "DATA [OPTIONS]",
        "Serve a page on this machine that pages through all rows, by rule, input, length or text.",
        (
            Group(
                "What to view",
                (
                    Flag(
                        "DATA",
                        "what prepare wrote, conversations, or tokenized rows of any tool",
                    ),
                    Flag("--port", "the port (default: a free one)", "N", read=position),
                    Flag("--no-text", "show no texts of the data"),
                    Flag("--recipe", "recipe in TOML; flags win over it", "FILE"),
                ),
            ),
            *_RECIPE_GROUPS,
            SPOKEN,
        ),
        "Only this machine reaches the page, and only by its whole address. Ctrl-C ends it.",
    )


def run(arguments: Arguments, console: Terminal) -> int:
    """Prints the address and serves until it is interrupted."""
    if arguments.data is None:
        raise UsageError("no data is named", "name a file or directory before the options")
    from turnmill import Recipe, view
    from turnmill.show.select import is_output, is_refused

    given: dict[str, Any] = {
        "port": arguments.port or 0,
        "text": not arguments.no_text,
        "language": arguments.lang,
    }
    if is_refused(arguments.data) or is_output(arguments.data):
        recipe = None if arguments.recipe is None else Recipe.from_toml(arguments.recipe)
        given |= given_keys(arguments, _RECIPE_GROUPS)
    else:
        recipe = recipe_for(arguments, _RECIPE_GROUPS, arguments.data)
    with view(arguments.data, recipe, **given) as served:
        if arguments.json:
            print_json({"url": served.url})
        else:
            print(served.url)
        flush()
        if not arguments.quiet:
            console.write("Ctrl-C ends it")
        served.wait()
    return 0
