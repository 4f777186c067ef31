"""Which other setting would keep rejected rows: it is tried on some of them before it is named."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import islice
from typing import Any

from turnmill.encoder.inspect import inspect_input
from turnmill.encoder.row import encode_row
from turnmill.encoder.session import Session
from turnmill.errors import TurnmillError
from turnmill.inputs.find import Input
from turnmill.inputs.rows import rows_of

_CURES: dict[str, tuple[tuple[str, str], ...]] = {
    "template-error": (("role_order", "trim"), ("wire", "normalise")),
    "turn-lost": (("wire", "normalise"),),
    "reasoning-dropped": (("history", "expand"), ("history", "last-turn")),
    "overlong-sample": (("over_length", "whole-turns"), ("over_length", "oldest-turns")),
}
"""Keys that may help against a rule, each with the value to try."""
TRIED = 5
"""Rows that are tried."""
_FARTHEST = 20_000
"""Rows of an input that are read to find them."""


def cure(
    rule: str, rejects: Sequence[dict[str, Any]], session: Session, inputs: list[Input]
) -> str:
    """The flag that keeps most of the rejected rows, and of how many; empty if none helps.

    Args:
        rule: The rule that rejected them.
        rejects: Some of its entries in `rejects.parquet`.
        session: The session that rejected them.
        inputs: The inputs of the run.
    """
    best, flag = 0, ""
    for key, value in _CURES.get(rule, ()):
        if getattr(session.recipe, key) == value:
            continue
        changed: dict[str, Any] = {key: value}
        kept = _kept(dataclasses.replace(session.recipe, **changed), rejects, inputs)
        if kept > best:
            best, flag = kept, f"--{key.replace('_', '-')} {value}"
    return f"{flag} keeps {best} of {len(rejects)} rows that were tried" if flag else ""


def _kept(recipe: Any, rejects: Sequence[dict[str, Any]], inputs: list[Input]) -> int:
    """How many of the rows give samples under another recipe."""
    try:
        session = Session(recipe)
        return sum(_kept_of(input_, rejects, session) for input_ in inputs)
    except (TurnmillError, OSError):
        return 0


def _kept_of(input_: Input, rejects: Sequence[dict[str, Any]], session: Session) -> int:
    wanted = {row["row"] for row in rejects if row["source"] == input_.name}
    if not wanted or max(wanted) >= _FARTHEST:
        return 0
    schema = inspect_input(input_, session, check_backend=False).schema
    picked = (row for row in islice(rows_of(input_), max(wanted) + 1) if row.row in wanted)
    return sum(bool(encode_row(row, session, input_, schema).samples) for row in picked)
