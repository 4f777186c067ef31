"""Rows for display: which tokens are trained, and where each turn ends."""

from __future__ import annotations

import codecs
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from turnmill.output.answers import samples
from turnmill.rules import IGNORED

Kind = Literal["masked", "trained", "terminator"]
TokenBytes = Callable[[list[int]], list[bytes]]

KINDS: tuple[Kind, ...] = ("masked", "trained", "terminator")
_TERMINATOR = 2
_CUT_OVER = 3
"""Tokens before a place that may hold the start of a character: it has at most four bytes."""


@dataclass(frozen=True)
class TextRun:
    """Consecutive tokens of one kind."""

    kind: Kind
    text: str
    tokens: int


@dataclass(frozen=True)
class Token:
    """One token of a sample."""

    id: int
    label: int
    kind: Kind
    text: str
    """What it adds to the text: a character that is cut over tokens stands at its last one."""


@dataclass(frozen=True)
class TokenRun:
    """Where consecutive tokens of one kind start and stop."""

    kind: Kind
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class SampleView:
    """One training sample.

    Text is made where it is asked for: a sample may have millions of tokens.
    """

    number: int
    """Number of the sample among those of its row, from 0."""
    ids: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.int8]
    """The kind of each token, as a position in `KINDS`."""
    token_bytes: TokenBytes
    """The bytes that ids stand for."""
    name: str = ""
    """Which answer it is, such as ``chosen``, if the row's answers are judged."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SampleView) and all(
            np.array_equal(mine, theirs)
            for mine, theirs in ((self.ids, other.ids), (self.labels, other.labels))
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def tokens(self) -> int:
        """Length of the sample."""
        return len(self.ids)

    @property
    def trained(self) -> int:
        """Tokens whose label is not -100."""
        return int(np.count_nonzero(self.kinds))

    @property
    def terminators(self) -> int:
        """Trained tokens that the serving side stops on."""
        return int(np.count_nonzero(self.kinds == _TERMINATOR))

    @property
    def ends(self) -> list[str]:
        """The texts of the terminators, each once."""
        places = np.flatnonzero(self.kinds == _TERMINATOR)
        _, first = np.unique(self.ids[places], return_index=True)
        return [self.text(place, place + 1) for place in places[np.sort(first)].tolist()]

    @cached_property
    def pieces(self) -> tuple[TextRun, ...]:
        """The whole sample, cut where trained and masked tokens meet."""
        runs = self.runs(0, self.tokens)
        return tuple(
            TextRun(run.kind, self.text(run.start, run.stop), run.stop - run.start) for run in runs
        )

    def runs(self, start: int, stop: int) -> list[TokenRun]:
        """The runs of one kind in a range of tokens."""
        if start >= stop:
            return []
        kinds = self.kinds[start:stop]
        cuts = np.flatnonzero(np.diff(kinds)) + 1 + start
        bounds = itertools.pairwise([start, *cuts.tolist(), stop])
        return [TokenRun(KINDS[self.kinds[low]], low, high) for low, high in bounds]

    def text(self, start: int, stop: int) -> str:
        """The text of a range of tokens."""
        return "".join(self._texts(start, stop))

    def sequence(self, start: int, stop: int) -> list[Token]:
        """A range of tokens, each with what it adds to the text."""
        stop = min(stop, self.tokens)
        numbers = range(start, stop)
        return [
            Token(int(self.ids[i]), int(self.labels[i]), KINDS[self.kinds[i]], text)
            for i, text in zip(numbers, self._texts(start, stop), strict=True)
        ]

    def _texts(self, start: int, stop: int) -> Iterator[str]:
        before = max(start - _CUT_OVER, 0)
        chunks = self.token_bytes(self.ids[before:stop].tolist())
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for i, chunk in enumerate(chunks, before):
            text = decoder.decode(chunk, final=i == self.tokens - 1)
            if i >= start:
                yield text


@dataclass(frozen=True)
class RowView:
    """The result of one input row."""

    source: str
    row: int
    line: int | None
    samples: tuple[SampleView, ...] = ()
    reject: tuple[str, str, int | None] | None = None
    """Rule, reason and message, if the row was rejected."""
    raw: str = ""
    """The start of the row as it was read, where it is to be seen."""
    notes: Mapping[str, int] = field(default_factory=dict)
    """How often each rule was counted of the row, where it was encoded to be looked at."""

    @property
    def place(self) -> str:
        """``file:line``, or the file and the row if it has no lines."""
        return self.source if self.line is None else f"{self.source}:{self.line}"

    def to_dict(self) -> dict[str, Any]:
        """As ``turnmill show --json`` prints it."""
        return {
            "source": self.source,
            "row": self.row,
            "line": self.line,
            "samples": [
                {
                    **({"name": sample.name} if sample.name else {}),
                    "tokens": sample.tokens,
                    "trained": sample.trained,
                    "pieces": [
                        {"kind": piece.kind, "text": piece.text, "tokens": piece.tokens}
                        for piece in sample.pieces
                    ],
                }
                for sample in self.samples
            ],
            "notes": dict(self.notes),
            "reject": None
            if self.reject is None
            else dict(zip(("code", "reason", "message"), self.reject, strict=True)),
        }


def sample_views(
    rows: Iterable[Mapping[str, Any]],
    stops: frozenset[int],
    token_bytes: TokenBytes,
    *,
    first: int = 0,
) -> tuple[SampleView, ...]:
    """The samples of an input row; the answers of a pair are one each.

    Args:
        rows: The written rows that were made of it.
        stops: The stop set.
        token_bytes: The bytes that ids stand for.
        first: The number of the first among the samples of the input row.
    """
    made = [found for row in rows for found in samples(row)]
    return tuple(
        sample_view(number, sample, stops, token_bytes, name)
        for number, (name, sample) in enumerate(made, first)
    )


def sample_view(
    number: int,
    sample: dict[str, Any],
    stops: frozenset[int],
    token_bytes: TokenBytes,
    name: str = "",
) -> SampleView:
    """A sample, to be looked at.

    Args:
        number: Which sample of its row.
        sample: ``input_ids``, and ``labels`` unless every token is trained.
        stops: The stop set.
        token_bytes: The bytes that ids stand for.
        name: Which answer it is, if the row's answers are judged.
    """
    ids = np.asarray(sample["input_ids"], np.int64)
    labels = sample.get("labels")
    labels = ids if labels is None or not len(labels) else np.asarray(labels, np.int64)
    trained = labels != IGNORED
    ends = trained & np.isin(ids, list(stops))
    return SampleView(number, ids, labels, trained.astype(np.int8) + ends, token_bytes, name)
