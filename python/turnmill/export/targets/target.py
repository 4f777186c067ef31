"""What a form of export must define."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

from turnmill.export.result import Written
from turnmill.export.source import DataSet
from turnmill.output.trainers import NextStep

Packs = Literal["either", "only", "never"]


class Target(Protocol):
    """One form."""

    @property
    def name(self) -> str:
        """The value of ``--to``."""

    @property
    def labels(self) -> str:
        """How the reader takes the labels: whether they are shifted, and by whom."""

    @property
    def packs(self) -> Packs:
        """Whether it holds samples or packed rows."""

    @property
    def alone(self) -> str:
        """Why packed rows are of no use in it; ``None`` if they are."""

    @property
    def weights(self) -> bool:
        """Whether it has a place for weights."""

    @property
    def needs_ids(self) -> bool:
        """Whether it holds the tokens of ``input_ids``."""

    def write(self, directory: Path, data_set: DataSet) -> Written:
        """Writes one data set."""

    def finish(self, directory: Path, splits: Sequence[str]) -> None:
        """Writes what stands beside the data sets.

        Args:
            directory: The export; each data set is in a directory of its name in it.
            splits: Their names; none if there is one data set, in ``directory`` itself.
        """

    def next_steps(self, place: str, data_sets: Sequence[DataSet]) -> list[NextStep]:
        """What to tell the trainer; ``place`` is the finished directory."""
