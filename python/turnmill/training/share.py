"""Which part of a stream one process reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from turnmill._arguments import kind_of, whole_number
from turnmill.errors import ArgumentError, DataError

_MOST = 1 << 20
_MOST_TURNS = 1 << 53


@dataclass(frozen=True)
class Share:
    """One worker of one rank. Turns go round the ranks first, then round the workers of each."""

    rank: int = 0
    world_size: int = 1
    worker: int = 0
    workers: int = 1

    @classmethod
    def of(cls, rank: Any, world_size: Any) -> Share:
        """The share of a rank.

        Raises:
            ArgumentError: The numbers do not fit together.
        """
        size = whole_number(world_size, "world_size", 1, _MOST)
        return cls(whole_number(rank, "rank", 0, size - 1), size)

    @property
    def first(self) -> int:
        """The first turn, from 0."""
        return self.rank + self.world_size * self.worker

    @property
    def step(self) -> int:
        """From one turn to the next."""
        return self.world_size * self.workers

    def to_dict(self) -> dict[str, int]:
        """What a state says of it: how many share, not who this is."""
        return {"world_size": self.world_size, "workers": self.workers}


def same_state(theirs: Any, mine: dict[str, Any]) -> None:
    """Refuses a state of another stream.

    Raises:
        ArgumentError: It is not a state.
        DataError: It differs in a key of ``mine``.
    """
    if not isinstance(theirs, dict):
        message = f"a state is a dict, not {kind_of(theirs)}"
        raise ArgumentError(message, code="invalid-state", hint="give what state_dict() returned")
    for key, value in mine.items():
        if theirs.get(key) != value:
            raise DataError(
                f"the state is of another stream: its {key} is {theirs.get(key)!r}, "
                f"and here it is {value!r}",
                code="other-state",
                hint="make the data set with the same arguments, or start from the beginning",
            )


def numbers_of(state: dict[str, Any], *names: str, least: int = 0) -> list[int]:
    """The numbers that a state has under these names.

    Raises:
        ArgumentError: One is missing, or is none that a stream can have.
    """
    return [whole_number(state.get(name), name, least, _MOST_TURNS) for name in names]
