"""The names of the files of one shard."""

from __future__ import annotations

from dataclasses import dataclass

from turnmill.output.formats import Format
from turnmill.storage import STAGING


@dataclass(frozen=True)
class ShardFiles:
    """The paths of the files of a shard, relative to the output directory."""

    data: str
    index: str
    rejects: str
    receipt: str


def shard_files(name: str, format_: Format) -> ShardFiles:
    """The file names of the shard called ``name``."""
    return ShardFiles(
        data=f"data-{name}.{format_.name}",
        index=f"index-{name}.parquet",
        rejects=f"{STAGING}/rejects-{name}.parquet",
        receipt=f"{STAGING}/receipt-{name}.json",
    )
