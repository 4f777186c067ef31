"""The forms of an export: one module for each kind of file, one line of the table for each form."""

from __future__ import annotations

from turnmill.export.targets.arrays import Arrays
from turnmill.export.targets.directories import AXOLOTL, DATASETS, LLAMA_FACTORY, TRL
from turnmill.export.targets.mds import LLM_FOUNDRY, MDS
from turnmill.export.targets.megatron import Megatron
from turnmill.export.targets.messages import Messages
from turnmill.export.targets.nemo import Nemo
from turnmill.export.targets.parquet import ParquetFiles
from turnmill.export.targets.target import Target

__all__ = ["Target", "target_of"]

_TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        DATASETS,
        ParquetFiles(),
        TRL,
        AXOLOTL,
        LLAMA_FACTORY,
        Megatron(),
        Nemo(),
        MDS,
        LLM_FOUNDRY,
        Arrays(),
        Messages(),
    )
}


def target_of(name: str) -> Target:
    """The form with this name, one of `turnmill.export.names`."""
    return _TARGETS[name]
