"""A sample as a conversation: its messages, each with what of it is trained."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass

from turnmill._terminal import visible
from turnmill.show.view import Kind, RowView, SampleView, TokenRun
from turnmill.stats.roles import Roles

_KEPT: dict[Kind, tuple[int, int]] = {
    "masked": (900, 300),
    "trained": (1500, 500),
    "terminator": (100, 100),
}
"""Characters of a long piece that are shown of its start and its end."""
_MESSAGES = (16, 8)
"""Messages of a long conversation that are shown from its start and its end."""
_RAW = 4000


@dataclass(frozen=True)
class ShownPiece:
    """A piece of text of one kind."""

    kind: Kind
    text: str
    tokens: int
    end: str = ""
    """The end of a text whose middle is left out."""


@dataclass(frozen=True)
class Message:
    """What one role says."""

    role: str
    pieces: tuple[ShownPiece, ...]

    @property
    def tokens(self) -> int:
        """Tokens of the message, its header included."""
        return sum(piece.tokens for piece in self.pieces)

    @property
    def trained(self) -> int:
        """Tokens that are trained."""
        return sum(piece.tokens for piece in self.pieces if piece.kind != "masked")

    @property
    def ends(self) -> bool:
        """Whether a trained terminator stands in it."""
        return any(piece.kind == "terminator" for piece in self.pieces)


@dataclass(frozen=True)
class Conversation:
    """A sample, shortened where it is long."""

    messages: tuple[Message, ...]
    left_out: int = 0
    """Messages after the first sixteen that are not shown."""
    last: tuple[Message, ...] = ()
    """The messages after them."""


def conversation_of(sample: SampleView, roles: Roles) -> Conversation:
    """The messages of a sample."""
    places = [*roles.starts(sample.ids), (sample.tokens, "")] if sample.tokens else []
    bounds = [(role, start, stop) for (start, role), (stop, _) in itertools.pairwise(places)]
    head, tail = _MESSAGES
    left_out = max(len(bounds) - head - tail, 0)
    last = bounds[len(bounds) - tail :] if left_out else []
    return Conversation(
        tuple(_message(sample, *bound) for bound in (bounds[:head] if left_out else bounds)),
        left_out,
        tuple(_message(sample, *bound) for bound in last),
    )


def _message(sample: SampleView, role: str, start: int, stop: int) -> Message:
    return Message(role, tuple(_shortened(sample, run) for run in sample.runs(start, stop)))


def _shortened(sample: SampleView, run: TokenRun) -> ShownPiece:
    """A run with the middle of a long text left out; a long one is decoded at its ends only."""
    head, tail = _KEPT[run.kind]
    tokens = run.stop - run.start
    if tokens <= head + tail:
        text = sample.text(run.start, run.stop)
        if len(text) <= head + tail + 100:
            return ShownPiece(run.kind, visible(text), tokens)
        first, last = text[:head], text[-tail:]
    else:
        first = sample.text(run.start, run.start + head)[:head]
        last = sample.text(run.stop - tail, run.stop)[-tail:]
    return ShownPiece(run.kind, visible(first), tokens, visible(last))


def raw_text(row: RowView) -> str:
    """The row as it was read, laid out over lines if it is whole JSON."""
    try:
        text = json.dumps(json.loads(row.raw), indent=2, ensure_ascii=False)
    except ValueError:
        text = row.raw
    return visible(text if len(text) <= _RAW else text[:_RAW] + " …")
