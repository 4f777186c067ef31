"""Options of a verb: one table that is both parsed and shown as help."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from turnmill._arguments import nearest
from turnmill._problems import Problems
from turnmill._terminal import Terminal, columns_of, wrap
from turnmill.errors import TurnmillError
from turnmill.languages import LANGUAGES

Arguments = argparse.Namespace


class UsageError(TurnmillError):
    """The command line is wrong; ``hint`` says what to type."""

    def __init__(self, what: str, hint: str | None = None) -> None:
        super().__init__(what, code="usage", hint=hint)


@dataclass(frozen=True)
class Flag:
    """One option or positional argument."""

    name: str
    """``--max-length``, or ``INPUT`` for a positional argument."""
    meaning: str
    value: str | None = None
    """The name of the value in help; ``None`` for a switch."""
    short: str | None = None
    choices: tuple[str, ...] = ()
    """Allowed values, the default first."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Values of earlier versions, each with the one that replaces it."""
    read: Callable[[str], Any] | None = None
    """Turns the text into a value; raises ``ValueError`` with what is allowed."""
    many: bool = False
    """Whether it may be repeated; for a positional argument, whether it takes several values."""

    @property
    def positional(self) -> bool:
        """Whether it is positional."""
        return not self.name.startswith("-")

    @property
    def shown(self) -> str:
        """As help shows it."""
        value = "|".join(self.choices) if self.choices else self.value
        if value and columns_of(value) > 24:
            value = self.value or "WORD"
        words = [f"{self.short}, {self.name}" if self.short else self.name, value or ""]
        return " ".join(words).strip()

    @property
    def explained(self) -> str:
        """The meaning, with the choices unless they are shown next to the name."""
        if self.choices and "|".join(self.choices) not in self.shown:
            return f"{self.meaning}: {', '.join(self.choices)}"
        return self.meaning


@dataclass(frozen=True)
class Group:
    """Options under one heading."""

    title: str
    flags: tuple[Flag, ...]


GENERAL = Group(
    "General",
    (
        Flag("--json", "print the result, or an error, as JSON on standard output"),
        Flag("--quiet", "say nothing but errors", short="-q"),
        Flag("--help", "show this", short="-h"),
    ),
)


SPOKEN = Group(
    GENERAL.title,
    (
        Flag(
            "--lang",
            "language of what is said, not of JSON and errors (default: that of the locale)",
            choices=LANGUAGES,
        ),
        *GENERAL.flags,
    ),
)
"""The general options of verbs whose words are translated."""


class _ArgumentParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(_plain(message), f"`{self.prog} --help` lists every option")


def _plain(message: str) -> str:
    """An error of argparse, in our own words."""
    if message.startswith("argument ") and ": " in message:
        name, problem = message.removeprefix("argument ").split(": ", 1)
        name = name.split("/")[-1]
        if problem.startswith("expected"):
            return f"`{name}` needs a value"
        if problem.startswith("ignored explicit argument"):
            return f"`{name}` takes no value"
        return f"`{name}`: {problem}"
    return message


@dataclass(frozen=True)
class Parser:
    """The options of one verb."""

    verb: str
    usage: str
    summary: str
    groups: tuple[Group, ...]
    closing: str = ""
    """Shown at the end of the help."""

    @property
    def flags(self) -> list[Flag]:
        """Every option and positional argument."""
        return [flag for group in self.groups for flag in group.flags]

    def parse(self, argv: Sequence[str]) -> Arguments:
        """Reads the command line; options that are not given are ``None``.

        Raises:
            UsageError: An option is unknown, lacks its value or has a bad one.
        """
        parser = _ArgumentParser(prog=f"turnmill {self.verb}", add_help=False, allow_abbrev=False)
        for flag in self.flags:
            _add(parser, flag)
        arguments, rest = parser.parse_known_intermixed_args(argv)
        problems = Problems()
        if rest:
            problems.add(self._unknown(rest[0]))  # what follows may be its value
        for flag in self.flags:
            with problems:
                _read(flag, arguments)
        problems.tell()
        return arguments

    def _unknown(self, word: str) -> UsageError:
        everything = f"`turnmill {self.verb} --help` lists every option"
        if not word.startswith("-"):
            return UsageError(f"unexpected argument `{word}`", everything)
        name = word.split("=", 1)[0]
        near = nearest(name, [flag.name for flag in self.flags if not flag.positional])
        hint = f"did you mean `{near}`? {everything}" if near else everything
        return UsageError(f"unknown option `{name}`", hint)

    def help(self, out: Terminal) -> str:
        """The help page, as wide as the terminal."""
        lines = [
            self.summary,
            "",
            f"{out.style('Usage:', 'bold')} turnmill {self.verb} {self.usage}",
        ]
        for group in self.groups:
            lines += ["", out.style(group.title, "bold")]
            for flag in group.flags:
                lines += _flag_lines(flag, out)
        closing = ["", *wrap(self.closing, out.width)] if self.closing else []
        return "\n".join([*lines, *closing])


_COLUMN = 30
"""The column at which the meanings start."""


def _flag_lines(flag: Flag, out: Terminal) -> list[str]:
    indent = " " * _COLUMN
    head = f"  {flag.shown}"
    shown = "  " + out.style(flag.shown, "cyan")
    body = wrap(flag.explained, out.width - _COLUMN)
    if columns_of(head) > _COLUMN - 2:
        return [shown, *(indent + line for line in body)]
    first = shown + " " * (_COLUMN - columns_of(head)) + body[0]
    return [first, *(indent + line for line in body[1:])]


def _add(parser: argparse.ArgumentParser, flag: Flag) -> None:
    if flag.positional:
        parser.add_argument(flag.name.lower(), nargs="*" if flag.many else "?")
        return
    names = [flag.name, *([flag.short] if flag.short else [])]
    if flag.value is None and not flag.choices:
        parser.add_argument(*names, action="store_true", default=None)
    else:
        parser.add_argument(*names, action="append" if flag.many else "store", default=None)


def _read(flag: Flag, arguments: Arguments) -> None:
    key = flag.name.lower().lstrip("-").replace("-", "_")
    value = getattr(arguments, key)
    if value is None:
        return
    if flag.choices and value not in flag.choices:
        near = flag.renamed.get(value) or nearest(value, flag.choices)
        also = f"did you mean `{near}`? " if near else ""
        raise UsageError(
            f"`{flag.name}` cannot be `{value}`",
            f"{also}{flag.name} takes {', '.join(flag.choices)}",
        )
    if flag.read is None:
        return
    read = [_read_value(flag, item) for item in value] if flag.many else _read_value(flag, value)
    setattr(arguments, key, read)


def _read_value(flag: Flag, text: str) -> Any:
    try:
        return flag.read(text) if flag.read else text
    except ValueError as error:
        raise UsageError(
            f"`{flag.name}` cannot be `{text}`", f"{flag.name} takes {error}"
        ) from None


_MOST_POSITIVE = (1 << 31) - 1


def positive(text: str) -> int:
    """Reads a whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise ValueError("a whole number above 0")
    if int(text) > _MOST_POSITIVE:
        raise ValueError(f"a whole number up to {_MOST_POSITIVE:,}")
    return int(text)


def position(text: str) -> int:
    """Reads a whole number from 0."""
    if not text.isdecimal():
        raise ValueError("a whole number from 0")
    return int(text)
