"""``turnmill prepare``: the main job."""

from __future__ import annotations

from turnmill._problems import Problems
from turnmill._terminal import Terminal
from turnmill.cli.arguments import SPOKEN, Arguments, Flag, Group, Parser, UsageError, positive
from turnmill.cli.own_settings import TAKEN, given_input
from turnmill.cli.recipe_flags import (
    DATA,
    LATER,
    MODEL,
    OUTPUT,
    SET,
    TRAINING,
    look_further,
    recipe_from,
)
from turnmill.cli.standard_output import print_json

_RECIPE_GROUPS = (MODEL, DATA, TRAINING, SET, OUTPUT)
_ALL_KEYS = (*_RECIPE_GROUPS, LATER)


def parser() -> Parser:
    """The options of ``prepare``."""
    return Parser(
        "prepare",
        "INPUT... -o DIR --tokenizer DIR [OPTIONS]",
        "Turn conversations into a training set in which every trained turn ends.",
        (
            Group(
                "Input",
                (
                    Flag(
                        "INPUT",
                        "files, directories, globs or URIs: JSON Lines, JSON arrays, CSV, "
                        "gzip and zstd of these, Parquet, Arrow, directories of datasets; each "
                        f"may have settings after commas: {TAKEN}",
                        many=True,
                    ),
                    Flag("--recipe", "recipe in TOML; flags win over it", "FILE"),
                ),
            ),
            *_RECIPE_GROUPS,
            Group(
                "Running",
                (
                    Flag(
                        "--threads",
                        "threads to work with (default: all; with an engine, those of each shard)",
                        "N",
                        read=positive,
                    ),
                    Flag(
                        "--shard",
                        "make part i of n only, on one of n machines; `turnmill merge` makes the "
                        "output of all",
                        "I/N",
                        read=_part,
                    ),
                    Flag(
                        "--engine",
                        "who makes the shards: local, ray or spark (default: local)",
                        "NAME",
                    ),
                    Flag("--engine-address", "where the cluster of the engine is", "ADDRESS"),
                    Flag("--no-resume", "fail where an output was started before"),
                    Flag("--no-progress", "show no progress"),
                    Flag("--report", "also write report.html, a page to look at, into the output"),
                    Flag("--no-text", "quote no texts of the data in rejects and report"),
                ),
            ),
            SPOKEN,
            LATER,
        ),
        "A run that was stopped resumes with the same command and ends with the same bytes.",
    )


def _part(text: str) -> tuple[int, int]:
    """Reads which part of how many."""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise ValueError("a part such as 2/8, the second of eight; they count from 1/8")
    return int(number), int(count)


def run(arguments: Arguments, console: Terminal) -> int:
    """Prepares the data; returns 0 if something was written."""
    problems = Problems()
    named = []
    for text in arguments.input:
        with problems:
            named.append(given_input(text))
    with problems:
        recipe = recipe_from(arguments, _ALL_KEYS)
    inputs = named or (None if problems else recipe.inputs)
    if not inputs and not arguments.input and (not problems or arguments.recipe is None):
        what, hint = "no input is named", "name files or directories before the options"
        problems.add(UsageError(what, hint))
    if not arguments.output:
        problems.add(UsageError("no output directory is named", "add -o DIR"))
    if problems:
        look_further(arguments, inputs, problems)
    from turnmill import prepare
    from turnmill.cli.progress_line import ProgressLine

    quiet = bool(arguments.quiet)
    line = ProgressLine(console)
    try:
        result = prepare(
            inputs,
            arguments.output,
            recipe,
            threads=arguments.threads,
            resume=not arguments.no_resume,
            shard=arguments.shard,
            engine=arguments.engine or "local",
            engine_address=arguments.engine_address,
            progress=None if quiet or arguments.no_progress else line,
            report=bool(arguments.report),
            text=not arguments.no_text,
            language=arguments.lang,
        )
    except KeyboardInterrupt as error:
        error.add_note("hint: run the same command again to go on: finished shards are kept")
        raise
    finally:
        line.clear()
    if not quiet:
        for text in result.summary(console.speaking(arguments.lang)):
            console.write(text)
    if arguments.json:
        print_json(result.to_dict())
    return 0
