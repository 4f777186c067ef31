"""``turnmill pack``: several samples in one row, with the boundaries kept."""

from __future__ import annotations

from turnmill._terminal import Terminal
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
from turnmill.cli.made import say_made
from turnmill.packing.packs import OVER_LENGTH, STRATEGIES


def parser() -> Parser:
    """The options of ``pack``."""
    return Parser(
        "pack",
        "OUT --length N [OPTIONS]",
        "Pack the samples of a written output into rows of a fixed length; nothing is cut.",
        (
            Group(
                "What to pack",
                (
                    Flag("OUT", "a directory that prepare wrote"),
                    Flag("--length", "tokens that a packed row holds", "N", read=positive),
                    Flag(
                        "--strategy",
                        "best-fit packs every 65,536 samples among themselves, global all; "
                        "in-order keeps the order; split cuts text documents",
                        "WORD",
                        choices=STRATEGIES,
                    ),
                    Flag("--window", "samples that best-fit packs together", "N", read=positive),
                    Flag("--seed", "shuffles the packs (default: 0)", "N", read=position),
                    Flag(
                        "--multiple-of",
                        "leave room to pad each document to a multiple of N tokens",
                        "N",
                        read=positive,
                    ),
                    Flag(
                        "--over-length",
                        "what becomes of samples longer than a row",
                        "WORD",
                        choices=OVER_LENGTH,
                    ),
                ),
            ),
            Group(
                "What to write",
                (
                    Flag("--write", "also write the packed rows, for trainers that load rows"),
                    Flag("--overwrite", "replace another pack of this length and seed"),
                ),
            ),
            SPOKEN,
        ),
        "The index goes to OUT/pack-<length>-<seed>. Nothing is tokenized again.",
    )


def run(arguments: Arguments, console: Terminal) -> int:
    """Packs the output."""
    if arguments.out is None:
        raise UsageError("no output is named", "name a directory that prepare wrote")
    if arguments.length is None:
        raise UsageError("no length is given", "add --length N, the tokens that a row holds")
    from turnmill import pack

    names = ("strategy", "window", "seed", "over_length", "multiple_of")
    given = {name: getattr(arguments, name) for name in names}
    chosen = {name: value for name, value in given.items() if value is not None}
    made = pack(
        arguments.out,
        arguments.length,
        write=bool(arguments.write),
        overwrite=bool(arguments.overwrite),
        **chosen,
    )
    say_made(made, arguments, console)
    return 0
