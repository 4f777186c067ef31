"""Who speaks in tokens that are written: messages start at the headers that the template prints.

A role is known by the shortest start of its header that no other role has. A template that prints
no header before some role leaves its tokens with the message before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from turnmill.errors import TurnmillError
from turnmill.template import Template
from turnmill.tokenizer import Tokenizer

START = "none"
"""The name of what stands before the first header, and of texts without a template."""


@dataclass(frozen=True)
class Header:
    """The ids by which a message of a role is known."""

    role: str
    ids: tuple[int, ...]


@dataclass(frozen=True)
class Roles:
    """The headers of a template, the longest first."""

    headers: tuple[Header, ...] = ()

    @property
    def names(self) -> list[str]:
        """The roles by their number in `of_tokens`."""
        return [START, *dict.fromkeys(header.role for header in self.headers)]

    def of_tokens(
        self, ids: npt.NDArray[Any], starts: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """The role of each token, as a position in `names`.

        Args:
            ids: The tokens of samples, one after another.
            starts: Where the samples start.
        """
        marks = self._marks(ids)
        marks[starts[starts < len(ids)]] = np.maximum(marks[starts[starts < len(ids)]], 0)
        known = np.where(marks >= 0, np.arange(len(ids)), 0)
        roles: npt.NDArray[np.int64] = marks[np.maximum.accumulate(known)] if len(ids) else marks
        return roles

    def starts(self, ids: npt.NDArray[Any]) -> list[tuple[int, str]]:
        """Where messages start in one sample, and whose they are."""
        marks = self._marks(ids)
        places = np.flatnonzero(marks >= 0).tolist()
        found = [(place, self.names[marks[place]]) for place in places]
        return found if found and found[0][0] == 0 else [(0, START), *found]

    def _marks(self, ids: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """The number of a role where its header starts, -1 elsewhere."""
        marks = np.full(len(ids), -1, np.int64)
        for header in self.headers:
            found = _places(ids, header.ids)
            marks[found[marks[found] < 0]] = self.names.index(header.role)
        return marks


def _places(ids: npt.NDArray[Any], pattern: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Where a pattern stands."""
    found = np.flatnonzero(ids[: max(len(ids) - len(pattern) + 1, 0)] == pattern[0])
    for i, id_ in enumerate(pattern[1:], 1):
        found = found[ids[found + i] == id_]
    return found


def roles_of(facts: Mapping[str, Any], tokenizer: Tokenizer) -> Roles:
    """The roles of the template that a run used; none if it had none, or does not tell."""
    source = (facts.get("template") or {}).get("source")
    if not source:
        return Roles()
    try:
        study = Template(source, special_tokens=tokenizer.special_tokens).study()
    except TurnmillError:
        return Roles()
    texts = _header_texts(study, tokenizer)
    found = {role: tuple(tokenizer.encode(text).tolist()) for role, text in texts.items()}
    return Roles(tuple(sorted(_told_apart(found), key=lambda header: -len(header.ids))))


def _header_texts(study: dict[str, Any], tokenizer: Tokenizer) -> dict[str, str]:
    """What stands before a message of each role."""
    bos = tokenizer.special_tokens.get("bos_token", "")
    texts = {
        role["role"]: role["header"].removeprefix(bos)
        for role in study["roles"]
        if role["accepted"] and role["header"].removeprefix(bos).strip()
    }
    # The turn of a template that prints nothing before it starts where the user's message ends.
    ends = {role["role"]: role["footer"] for role in study["roles"]}
    if "assistant" not in texts and ends.get("user", "").strip():
        texts["assistant"] = ends["user"].strip()
    return texts


def _told_apart(headers: dict[str, tuple[int, ...]]) -> list[Header]:
    """Of each header the shortest start that no other has; of equal ones the first."""
    distinct = {ids: role for role, ids in reversed(headers.items())}
    return [
        Header(role, ids[: _shortest(ids, [other for other in distinct if other != ids])])
        for ids, role in distinct.items()
    ]


def _shortest(ids: tuple[int, ...], others: list[tuple[int, ...]]) -> int:
    for length in range(1, len(ids)):
        if all(other[:length] != ids[:length] for other in others):
            return length
    return len(ids)
