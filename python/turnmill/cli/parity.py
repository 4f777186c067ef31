"""``turnmill parity``: the same rows in turnmill and in transformers, TRL, Axolotl or Unsloth."""

from __future__ import annotations

import sys

from turnmill._terminal import Terminal, terminal
from turnmill.cli.arguments import GENERAL, Arguments, Flag, Group, Parser, UsageError, positive
from turnmill.cli.recipe_flags import DATA, MODEL, TRAINING, recipe_for
from turnmill.cli.standard_output import print_json

_RECIPE_GROUPS = (MODEL, DATA, TRAINING)
_ROWS = 1000
_AGAINST = ("transformers", "trl", "axolotl", "unsloth")


def parser() -> Parser:
    """The options of ``parity``."""
    return Parser(
        "parity",
        "DATA... --tokenizer DIR [OPTIONS]",
        "Compare text, ids and trained tokens of your rows with transformers, or with what TRL, "
        "Axolotl or Unsloth train, and say which rule explains a difference.",
        (
            Group(
                "What to compare",
                (
                    Flag("DATA", "conversations, as prepare reads them", many=True),
                    Flag("--against", "what to compare with", choices=_AGAINST),
                    Flag(
                        "--rows",
                        f"how many rows of each input (default: {_ROWS})",
                        "N",
                        short="-n",
                        read=positive,
                    ),
                    Flag("--all", "compare every row"),
                    Flag("--recipe", "recipe in TOML; flags win over it", "FILE"),
                ),
            ),
            *_RECIPE_GROUPS,
            GENERAL,
        ),
        "Exit code 0: every difference is explained by a rule or a key of the recipe; 1: some are "
        "not. Needs transformers and jinja2.",
    )


def run(arguments: Arguments, _console: Terminal) -> int:
    """Prints the comparison; returns 1 if a difference is not explained."""
    if not arguments.data:
        raise UsageError("no data is named", "name a file or directory before the options")
    recipe = recipe_for(arguments, _RECIPE_GROUPS, arguments.data)
    from turnmill import parity

    found = parity(
        arguments.data[0] if len(arguments.data) == 1 else arguments.data,
        recipe=recipe,
        against=arguments.against or "transformers",
        rows=None if arguments.all else arguments.rows or _ROWS,
    )
    if arguments.json:
        print_json(found.to_dict())
    elif not arguments.quiet:
        print(found.draw(terminal(sys.stdout)))
    return 0 if found.ok else 1
