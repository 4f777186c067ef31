"""``turnmill show``: conversations with their trained tokens in colour."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from turnmill._terminal import Terminal, terminal
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
from turnmill.cli.recipe_flags import DATA, MODEL, TRAINING, given_keys, recipe_for
from turnmill.cli.standard_output import print_json, print_paged

_RECIPE_GROUPS = (MODEL, DATA, TRAINING)


def parser() -> Parser:
    """The options of ``show``."""
    return Parser(
        "show",
        "[DATA] --tokenizer DIR [OPTIONS]",
        "Show conversations with their trained tokens, or what became of an input row.",
        (
            Group(
                "What to show",
                (
                    Flag(
                        "DATA",
                        "conversations, tokenized rows of any tool, or what prepare wrote",
                    ),
                    Flag("--rows", "how many rows (default: 3)", "N", short="-n", read=position),
                    Flag("--row", "this input row, from 0", "K", read=position),
                    Flag(
                        "--sample", "this sample of a written directory, from 0", "K", read=position
                    ),
                    Flag(
                        "--source",
                        "the row at this line; at this row, from 0, where a file has no lines",
                        "FILE:LINE",
                    ),
                    Flag("--random", "so many rows drawn at random, from all", "N", read=positive),
                    Flag(
                        "--seed", "another seed draws other rows (default: 0)", "K", read=position
                    ),
                    Flag("--rejected", "rows that were left out"),
                    Flag("--rule", "rows that a rule left out, or was counted for", "RULE"),
                    Flag("--longest", "the longest rows"),
                    Flag("--shortest", "the shortest rows"),
                    Flag("--full", "show long texts whole"),
                    Flag("--ids", "show each token with its id"),
                    Flag("--side-by-side", "show the row as it was read beside the text"),
                    Flag("--recipe", "recipe in TOML; flags win over it", "FILE"),
                ),
            ),
            *_RECIPE_GROUPS,
            SPOKEN,
        ),
        "Without DATA it shows what the chat template does. "
        "With colour, trained text is green, terminators are reversed and the rest is dim.",
    )


def run(arguments: Arguments, _console: Terminal) -> int:
    """Shows the rows on standard output."""
    if arguments.data is None:
        return _show_template(arguments)
    place: dict[str, Any] = {
        "n": 3 if arguments.rows is None else arguments.rows,
        "row": arguments.row,
        "sample": arguments.sample,
        "source": arguments.source,
        "random": arguments.random,
        "seed": arguments.seed or 0,
        "rejected": bool(arguments.rejected),
        "rule": arguments.rule,
        "longest": bool(arguments.longest),
        "shortest": bool(arguments.shortest),
        "full": bool(arguments.full),
        "ids": bool(arguments.ids),
        "side_by_side": bool(arguments.side_by_side),
    }
    from turnmill import Recipe, show
    from turnmill.show.select import is_output, is_refused

    if is_refused(arguments.data) or is_output(arguments.data):
        recipe = None if arguments.recipe is None else Recipe.from_toml(arguments.recipe)
        shown = show(arguments.data, recipe, **given_keys(arguments, _RECIPE_GROUPS), **place)
    else:
        recipe = recipe_for(arguments, _RECIPE_GROUPS, arguments.data)
        shown = show(arguments.data, recipe, **place)
    if arguments.json:
        print_json([row.to_dict() for row in shown])
    else:
        print_paged(shown.draw(terminal(sys.stdout, language=arguments.lang)))
    return 0


def _show_template(arguments: Arguments) -> int:
    """Shows what a template does: the one named, else the tokenizer's."""
    if arguments.template is None and arguments.tokenizer is None:
        raise UsageError(
            "neither data nor a template is named",
            "name a file or directory before the options, or a template with --template",
        )
    from turnmill import Template
    from turnmill.show.template import draw_study, stop_set

    template = Template(**_template_and_tokens(arguments), now=arguments.now)
    study = template.study()
    place = arguments.tokenizer or arguments.template
    if arguments.tokenizer or Path(place, "tokenizer.json").is_file():
        study["stop_set"] = stop_set(place)
    if arguments.json:
        print_json({"name": template.name, **study})
    else:
        print(draw_study(template.name, study, terminal(sys.stdout, language=arguments.lang)))
    return 0


def _template_and_tokens(arguments: Arguments) -> dict[str, Any]:
    """The template named, with the tokenizer's special tokens; else the tokenizer's own."""
    from turnmill import Tokenizer
    from turnmill._locate import locate_tokenizer

    if arguments.tokenizer is None:
        return {"x": arguments.template}
    directory = locate_tokenizer(arguments.tokenizer)
    if arguments.template is None:
        return {"x": directory}
    return {"x": arguments.template, "special_tokens": Tokenizer(directory).special_tokens}
