"""Rows for display: which tokens are trained, and where each turn ends."""

from __future__ import annotations

import codecs
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

Kind = Literal["masked", "trained", "terminator"]
TokenBytes = Callable[[list[int]], list[bytes]]

IGNORED = -100
"""The label of a token that is not trained."""


@dataclass(frozen=True)
class Piece:
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
class SampleView:
    """One training sample."""

    number: int
    """Number of the sample among those of its row, from 0."""
    sequence: tuple[Token, ...]

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """The sample, cut where trained and masked tokens meet."""
        groups = itertools.groupby(self.sequence, key=lambda token: token.kind)
        return tuple(_piece(kind, [token.text for token in group]) for kind, group in groups)

    @property
    def tokens(self) -> int:
        """Length of the sample."""
        return len(self.sequence)

    @property
    def trained(self) -> int:
        """Tokens whose label is not -100."""
        return sum(token.kind != "masked" for token in self.sequence)


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


def sample_view(
    number: int, sample: dict[str, Any], stops: frozenset[int], token_bytes: TokenBytes
) -> SampleView:
    """A sample, token by token.

    Args:
        number: Which sample of its row.
        sample: ``input_ids``, and ``labels`` unless every token is trained.
        stops: The stop set.
        token_bytes: The bytes that ids stand for.
    """
    ids = sample["input_ids"]
    labels = sample.get("labels") or ids
    texts = _texts(token_bytes(ids))
    return SampleView(
        number,
        tuple(
            Token(id_, label, _kind(id_, label, stops), text)
            for id_, label, text in zip(ids, labels, texts, strict=True)
        ),
    )


def _kind(id_: int, label: int, stops: frozenset[int]) -> Kind:
    if label == IGNORED:
        return "masked"
    return "terminator" if id_ in stops else "trained"


def _piece(kind: Kind, texts: Sequence[str]) -> Piece:
    return Piece(kind, "".join(texts), len(texts))


def _texts(chunks: list[bytes]) -> Iterator[str]:
    """The text of each token; a character that is cut over tokens stands at its last one."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for i, chunk in enumerate(chunks):
        yield decoder.decode(chunk, final=i == len(chunks) - 1)
