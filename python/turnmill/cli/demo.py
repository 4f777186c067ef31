"""``turnmill demo``: the main job on data that the package carries."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path

from turnmill._terminal import Terminal
from turnmill.cli import check, prepare, show
from turnmill.cli.arguments import SPOKEN, Arguments, Flag, Group, Parser

DATA = Path(__file__).parents[1] / "demo"
"""Conversations in several schemas, some of them broken, and a small tokenizer."""


def parser() -> Parser:
    """The options of ``demo``."""
    return Parser(
        "demo",
        "[-o DIR]",
        "Run the main job on data that the package carries, and show the result.",
        (
            Group(
                "Output",
                (
                    Flag(
                        "--output",
                        "directory to write (default: a temporary one, removed at the end)",
                        "DIR",
                        short="-o",
                    ),
                ),
            ),
            SPOKEN,
        ),
    )


def run(arguments: Arguments, console: Terminal) -> int:
    """Prepares the demo data, shows what became of three rows, and checks data that never ends."""
    if arguments.output is not None:
        return _demo(Path(arguments.output), arguments, console)
    with tempfile.TemporaryDirectory(prefix="turnmill-demo-") as directory:
        return _demo(Path(directory, "out"), arguments, console)


def _demo(output: Path, arguments: Arguments, console: Terminal) -> int:
    tokenizer = str(DATA / "tokenizer")
    words = [str(DATA / "data"), "-o", str(output), "--tokenizer", tokenizer]
    spoken = ["--lang", arguments.lang] if arguments.lang else []
    words += spoken
    if arguments.quiet:
        words.append("--quiet")
    if arguments.json:
        return prepare.run(prepare.parser().parse([*words, "--json"]), console)
    _say("prepare", words, arguments, console)
    code = prepare.run(prepare.parser().parse(words), console)
    if code == 0 and not arguments.quiet:
        for place in (["-n", "2"], ["--source", _first_reject(output)]):
            _say("show", [str(output), *place], arguments, console)
            show.run(show.parser().parse([str(output), *place]), console)
        words = [str(DATA / "cache" / "unterminated.jsonl"), "--tokenizer", tokenizer, *spoken]
        _say("check", words, arguments, console)
        check.run(check.parser().parse(words), console)
    return code


def _first_reject(output: Path) -> str:
    """The place of a row that was left out, as ``FILE:LINE``."""
    import pyarrow.parquet as pq

    rejects = pq.read_table(output / "rejects.parquet").to_pylist()
    return next(f"{row['source']}:{row['line']}" for row in rejects if row["line"] is not None)


def _say(verb: str, words: list[str], arguments: Arguments, console: Terminal) -> None:
    """Shows the command that does the same."""
    if not arguments.quiet:
        console.write(console.style(f"\n$ turnmill {verb} {shlex.join(words)}", "bold"))
