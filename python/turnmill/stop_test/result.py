"""The result of a generation test."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from turnmill import _markup
from turnmill._terminal import Terminal, terminal
from turnmill.errors import DataError
from turnmill.stop_test.draw import draw
from turnmill.stop_test.rates import Rate

VERSION = 1


@dataclass(frozen=True)
class Failure:
    """An answer that did not end well."""

    place: str
    """The row, as ``turnmill show --source`` takes it."""
    why: list[str]
    """The measures that it failed; ``no_stop`` if it did not stop."""
    length: int
    """Tokens of the answer."""
    reference: int
    """Tokens of the reference."""
    end: str
    """The end of the answer: text, or ids where no tokenizer is known."""


@dataclass(frozen=True)
class StopTest:
    """What became of the prompts.

    Attributes:
        prompts: How many were asked.
        held_out: Whether they come from a validation set.
        stop: The stop set: ``id`` and ``token``.
        rates: The measures of the answers, by the names of
            `turnmill.stop_test.measures.MEASURES`.
        references: The same of the references: what the data teaches.
        duplicates: The mean share of repeated 4-grams in answers, and in references.
        by_length: The stop rate by tokens of the reference.
        by_source: The stop rate by input.
        failures: The first answers that did not end well.
        min_stop: The least share that has to stop.
        fingerprint: Equal for tests that asked for the same.
        baseline: The result to compare with.
    """

    prompts: int
    held_out: bool
    stop: list[dict[str, Any]]
    rates: dict[str, Rate]
    references: dict[str, Rate]
    duplicates: tuple[float, float]
    by_length: dict[str, Rate]
    by_source: dict[str, Rate]
    min_stop: float
    fingerprint: str
    failures: list[Failure] = field(default_factory=list)
    baseline: StopTest | None = None

    @property
    def change(self) -> tuple[float, float] | None:
        """The 95 % interval of the stop rate less that of the baseline."""
        return (
            self.rates["stop"].change_from(self.baseline.rates["stop"]) if self.baseline else None
        )

    @property
    def problems(self) -> list[str]:
        """Why it is not ok: ``stop``, ``ran_past`` or ``baseline``."""
        found = []
        if self.rates["stop"].share < self.min_stop:
            found.append("stop")
        if self.rates["ran_past"].count:
            found.append("ran_past")
        if self.change and self.change[1] < 0:
            found.append("baseline")
        return found

    @property
    def ok(self) -> bool:
        """Whether enough answers stop, none goes on after its stop token, and it did not fall."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """As ``turnmill stop-test --json`` prints it; a later test takes it as its baseline."""
        change = self.change
        shown: dict[str, Any] = {
            "version": VERSION,
            "ok": self.ok,
            "problems": self.problems,
            "prompts": self.prompts,
            "held_out": self.held_out,
            "stop": self.stop,
            "min_stop": self.min_stop,
            **{name: _rates(getattr(self, name)) for name in _TABLES},
            "duplicates": dict(zip(("answers", "references"), self.duplicates, strict=True)),
            "fingerprint": self.fingerprint,
            "failures": [asdict(failure) for failure in self.failures],
        }
        if self.baseline and change:
            shown["baseline"] = {
                "stop": self.baseline.rates["stop"].to_dict(),
                "same_prompts": self.baseline.fingerprint == self.fingerprint,
                "change_low": round(change[0], 4),
                "change_high": round(change[1], 4),
            }
        return shown

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Self:
        """The result that `to_dict` gave, without its baseline."""
        tables = {
            name: {key: Rate.from_dict(rate) for key, rate in value[name].items()}
            for name in _TABLES
        }
        duplicates = value["duplicates"]
        return cls(
            prompts=value["prompts"],
            held_out=value["held_out"],
            stop=value["stop"],
            rates=tables["rates"],
            references=tables["references"],
            duplicates=(duplicates["answers"], duplicates["references"]),
            by_length=tables["by_length"],
            by_source=tables["by_source"],
            min_stop=value["min_stop"],
            fingerprint=value["fingerprint"],
            failures=[Failure(**failure) for failure in value["failures"]],
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """The result in a file that ``turnmill stop-test --json`` wrote.

        Raises:
            DataError: It is something else.
        """
        try:
            return cls.from_dict(json.loads(Path(path).read_text("utf-8")))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise DataError(
                "the file holds no result of a stop test",
                code="no-result",
                path=path,
                hint="write one with `turnmill stop-test … --json > FILE`",
            ) from None

    def draw(self, console: Terminal) -> str:
        """The verdict, the rates and the first failures, for a terminal."""
        return "\n".join(draw(self, console))

    def _repr_html_(self) -> str:
        return _markup.drawn(str(self))

    def __str__(self) -> str:
        return self.draw(terminal(sys.stdout, colour=False))


_TABLES = ("rates", "references", "by_length", "by_source")


def _rates(rates: dict[str, Rate]) -> dict[str, Any]:
    return {name: rate.to_dict() for name, rate in rates.items()}
