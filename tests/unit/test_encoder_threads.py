"""An encoder's own number of threads, which engines with many workers need."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import turnmill
from turnmill.encoder import session
from turnmill.errors import ArgumentError

TOKENIZER = Path(turnmill.__file__).parent / "demo" / "tokenizer"
ROWS = [{"text": "to be"}, {"text": "or not"}]


def test_calls_take_the_encoders_threads_unless_they_name_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int | None] = []
    opened = session.Session.open_shard

    def watched(self: Any, options: Any, *more: Any) -> Any:
        seen.append(options.threads)
        return opened(self, options, *more)

    monkeypatch.setattr(session.Session, "open_shard", watched)
    encoder = turnmill.Encoder(tokenizer=TOKENIZER, schema="text", threads=3)
    again = pickle.loads(pickle.dumps(encoder))
    for one in (encoder, again):
        one.encode(ROWS)
        one.encode(ROWS, threads=2)
        one(pa.Table.from_pylist(ROWS))
        one({"text": ["a", "b"]})
    assert seen == [3, 2, 3, 3] * 2


def test_a_number_of_threads_that_no_machine_has() -> None:
    with pytest.raises(ArgumentError, match="threads"):
        turnmill.Encoder(tokenizer=TOKENIZER, threads=0)
