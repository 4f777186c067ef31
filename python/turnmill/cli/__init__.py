"""The command line: ``turnmill VERB …``.

Standard output is data; everything else goes to standard error. Exit codes: 0 done; 1 a
problem with the data (nothing written, too many rejects, findings); 2 wrong usage, or a decision is
needed; 130 interrupted. A verb is one module, imported only when it is used, so that ``--help``
appears at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Protocol

from turnmill import _start
from turnmill._arguments import nearest
from turnmill._terminal import Terminal, table, terminal
from turnmill.cli import failure
from turnmill.cli.arguments import Arguments, Parser, UsageError
from turnmill.cli.standard_output import flush, prepare_streams

# The one place where a verb is registered: its name, its module, and one line for the overview.
VERBS: dict[str, tuple[str, str]] = {
    "prepare": ("turnmill.cli.prepare", "turn conversations into a training set that ends"),
    "check": ("turnmill.cli.check", "find what is wrong in data, raw or tokenized, by rule"),
    "show": ("turnmill.cli.show", "show conversations with their trained tokens in colour"),
    "merge": ("turnmill.cli.merge", "make one output of parts that several machines made"),
    "report": ("turnmill.cli.report", "write a report on an output: one page of HTML"),
    "view": ("turnmill.cli.view", "page through all rows in a browser, on this machine"),
    "stats": ("turnmill.cli.stats", "lengths, trained share, turns, duplicates of an output"),
    "pack": ("turnmill.cli.pack", "put several samples into each row, their boundaries kept"),
    "export": ("turnmill.cli.export", "write a set in the form that one trainer reads"),
    "parity": ("turnmill.cli.parity", "compare text, ids and masks with transformers"),
    "stop-test": ("turnmill.cli.stop_test", "let a model answer prompts, and count what stops"),
    "demo": ("turnmill.cli.demo", "run the main job on data that the package carries"),
}


class Verb(Protocol):
    """What the module of a verb holds."""

    def parser(self) -> Parser:
        """The verb's options."""

    def run(self, arguments: Arguments, console: Terminal) -> int:
        """Does the work and returns the exit code."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code."""
    argv = sys.argv[1:] if argv is None else list(argv)
    prepare_streams()
    console = terminal()
    try:
        _start.ready()
        code = _dispatch(argv, console)
        flush()
        return code
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - reported in one place
        return failure.report(error, console, as_json="--json" in argv)


def _dispatch(argv: list[str], console: Terminal) -> int:
    if not argv or argv[0] in {"-h", "--help", "help"}:
        if len(argv) > 1 and argv[1] in VERBS:
            return _dispatch([argv[1], "--help"], console)
        print(_overview(terminal(sys.stdout)))
        return 0 if argv else 2
    if argv[0] in {"-V", "--version"}:
        print(_version())
        return 0
    name = argv[0]
    if name not in VERBS:
        raise _unknown_verb(name)
    verb: Verb = import_module(VERBS[name][0])
    parser = verb.parser()
    if any(word in {"-h", "--help"} for word in argv[1:]):
        print(parser.help(terminal(sys.stdout)))
        return 0
    return verb.run(parser.parse(argv[1:]), console)


def _unknown_verb(name: str) -> UsageError:
    what = "option" if name.startswith("-") else "command"
    near = nearest(name, [*VERBS, "--help", "--version"])
    hint = f"did you mean `turnmill {near}`?" if near else "`turnmill --help` lists the commands"
    return UsageError(f"unknown {what} `{name}`", hint)


def _version() -> str:
    import turnmill

    return f"turnmill {turnmill.__version__}"


def _overview(out: Terminal) -> str:
    plain = table([(f"  {name}", meaning) for name, (_, meaning) in VERBS.items()])
    lines = [
        line.replace(name, out.style(name, "cyan"), 1)
        for line, name in zip(plain, VERBS, strict=True)
    ]
    return "\n".join(
        [
            "Conversations in, training tensors out, and every trained turn ends in a stop token.",
            "",
            out.style("Usage:", "bold") + " turnmill COMMAND [OPTIONS]",
            "",
            out.style("Commands", "bold"),
            *lines,
            "",
            out.style("Options", "bold"),
            "  -h, --help     show this, or the options of a command after its name",
            "  -V, --version  show the version",
            "",
            "Try `turnmill demo`, or `turnmill show DATA --tokenizer DIR` on data of your own.",
        ]
    )
