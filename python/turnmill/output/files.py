"""The names of the files of one shard."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from turnmill.output.formats import Format
from turnmill.storage import STAGING

TRAIN, VALIDATION = "train", "validation"
"""The two data sets of an output that sets conversations apart, each a directory."""


@dataclass(frozen=True)
class ShardFiles:
    """The paths of the files of a shard, relative to the output directory."""

    data: str
    index: str
    rejects: str
    receipt: str
    apart: str | None = None
    """The samples that are set apart, where they have a file of their own."""

    def names(self) -> set[str]:
        """All of them."""
        return {name for name in astuple(self) if name is not None}

    def data_of(self, split: str | None) -> str:
        """The file with the samples of a data set."""
        return self.apart if self.apart and split == VALIDATION else self.data


def shard_files(name: str, format_: Format) -> ShardFiles:
    """The file names of the shard called ``name``, every sample of which is written."""
    return ShardFiles(
        data=f"data-{name}.{format_.name}",
        index=f"index-{name}.parquet",
        rejects=_rejects(name),
        receipt=f"{STAGING}/receipt-{name}.json",
    )


def stored_files(name: str, format_: Format, *, divided: bool) -> ShardFiles:
    """The file names of a shard whose samples wait until it is known which are written.

    Args:
        name: The shard.
        format_: The format of the data.
        divided: Whether the samples that are set apart have a file of their own.
    """
    return ShardFiles(
        data=f"{STAGING}/stored-{name}.{format_.name}",
        index=f"{STAGING}/waiting-index-{name}.arrow",
        rejects=_rejects(name),
        receipt=f"{STAGING}/receipt-{name}.json",
        apart=f"{STAGING}/stored-apart-{name}.{format_.name}" if divided else None,
    )


def _rejects(name: str) -> str:
    return f"{STAGING}/rejects-{name}.parquet"


@dataclass(frozen=True)
class ChosenFiles:
    """The paths of the chosen samples of a shard, relative to the output directory."""

    data: str
    index: str
    receipt: str

    def names(self) -> set[str]:
        """All of them."""
        return set(astuple(self))


def chosen_files(name: str, split: str | None, format_: Format) -> ChosenFiles:
    """The file names for the samples of the shard called ``name`` that are in ``split``."""
    place, mark = (f"{split}/", f"{split}-") if split else ("", "")
    return ChosenFiles(
        data=f"{place}data-{name}.{format_.name}",
        index=f"{place}index-{name}.parquet",
        receipt=f"{STAGING}/chosen-{mark}{name}.json",
    )
