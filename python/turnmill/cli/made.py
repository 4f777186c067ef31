"""What a verb says of what it has made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from turnmill._terminal import Terminal
from turnmill.cli.arguments import Arguments
from turnmill.cli.standard_output import print_json


class Made(Protocol):
    """The result of a verb that writes something."""

    def summary(self, console: Terminal) -> Iterable[str]:
        """The lines that sum it up."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able values."""


def say_made(made: Made, arguments: Arguments, console: Terminal) -> None:
    """Sums a result up, unless that is not wanted, and prints it as JSON if that is."""
    if not arguments.quiet:
        for line in made.summary(console.speaking(arguments.lang)):
            console.write(line)
    if arguments.json:
        print_json(made.to_dict())
