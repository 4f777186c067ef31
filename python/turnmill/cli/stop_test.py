"""``turnmill stop-test``: whether a model stops where the data says so."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from turnmill._terminal import Terminal, count, terminal
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
from turnmill.cli.standard_output import print_json

if TYPE_CHECKING:
    from turnmill.stop_test.generation import Progress


def parser() -> Parser:
    """The options of ``stop-test``."""
    return Parser(
        "stop-test",
        "OUT --model DIR|URL [OPTIONS]",
        "Let a model answer prompts of the data, and count how many answers stop.",
        (
            Group(
                "What to ask",
                (
                    Flag(
                        "OUT",
                        "a directory that prepare wrote, or rows with input_ids and labels",
                    ),
                    Flag(
                        "--model",
                        "a directory for transformers; the URL of a llama.cpp server; or that of "
                        "an OpenAI-compatible endpoint, such as http://localhost:8000/v1",
                        "DIR|URL",
                    ),
                    Flag("--model-name", "which model, where a server has several", "NAME"),
                    Flag("--prompts", "how many prompts (default: 100)", "N", read=positive),
                    Flag("--seed", "another seed draws others (default: 0)", "K", read=position),
                    Flag(
                        "--budget",
                        "how many times its reference an answer may have, and 64 tokens more "
                        "(default: 2)",
                        "TIMES",
                        read=_times,
                    ),
                    Flag("--batch", "prompts asked for at once (default: 8)", "N", read=positive),
                ),
            ),
            Group(
                "What is right",
                (
                    Flag(
                        "--min-stop",
                        "the least share that has to stop (default: 0.95)",
                        "SHARE",
                        read=_share,
                    ),
                    Flag(
                        "--baseline",
                        "an earlier result (--json), such as that of the model before training",
                        "FILE",
                    ),
                    Flag(
                        "--stop",
                        "what answers should end in, if it is not the stop set of the data; "
                        "repeat for several",
                        "TOKEN|ID",
                        many=True,
                    ),
                    Flag("--tokenizer", "the tokenizer, if the data names none", "DIR"),
                    Flag("--examples", "failures that are shown (default: 5)", "N", read=position),
                ),
            ),
            SPOKEN,
        ),
        "Exit code 0: enough answers stop, none goes on after its stop token, and not fewer stop "
        "than before; 1: otherwise; 2: the model gives no answers. TURNMILL_API_KEY is the "
        "server's key. docs/stop-test.md says what is measured.",
    )


def run(arguments: Arguments, console: Terminal) -> int:
    """Prints the result; returns 1 if it is not ok."""
    if arguments.out is None:
        raise UsageError("no data is named", "name a directory that prepare wrote")
    if arguments.model is None:
        raise UsageError("no model is named", "add --model with a directory or a URL")
    from turnmill import stop_test

    names = ("prompts", "seed", "budget", "batch", "min_stop", "examples")
    given = {name: getattr(arguments, name) for name in names}
    with _progress(console, quiet=bool(arguments.quiet)) as progress:
        result = stop_test(
            arguments.out,
            arguments.model,
            tokenizer=arguments.tokenizer,
            stop=None if arguments.stop is None else [_token(word) for word in arguments.stop],
            baseline=arguments.baseline,
            model_name=arguments.model_name,
            progress=progress,
            **{name: value for name, value in given.items() if value is not None},
        )
    if arguments.json:
        print_json(result.to_dict())
    elif not arguments.quiet:
        print(result.draw(terminal(sys.stdout, language=arguments.lang)))
    return 0 if result.ok else 1


@contextlib.contextmanager
def _progress(console: Terminal, *, quiet: bool) -> Iterator[Progress | None]:
    """A line that counts the answers, where a line can be redrawn."""
    if quiet or not console.live:
        yield None
        return

    def tell(answered: int, prompts: int) -> None:
        console.redraw(f"{count(answered)} of {count(prompts)} prompts answered")

    try:
        yield tell
    finally:
        console.redraw("")


def _token(word: str) -> str | int:
    return int(word) if word.isdecimal() else word


def _times(text: str) -> float:
    return _between(text, 1.0, 1000.0)


def _share(text: str) -> float:
    return _between(text, 0.0, 1.0)


def _between(text: str, least: float, most: float) -> float:
    expected = f"a number from {least:g} to {most:g}"
    try:
        number = float(text)
    except ValueError:
        raise ValueError(expected) from None
    if not least <= number <= most:
        raise ValueError(expected)
    return number
