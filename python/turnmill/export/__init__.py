"""A written set in the form that one trainer reads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from turnmill.export.names import TARGETS

if TYPE_CHECKING:
    from turnmill.export.result import Export

__all__ = ["TARGETS", "export"]


def export(
    output: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    to: str,
    split: str | None = None,
    packed: bool = False,
) -> Export:
    """Writes the samples of an output in the form that one trainer reads.

    Rows stay in their order: row ``i`` of the export is sample ``i`` of the output, or of its data
    set, so `turnmill show` leads from it to the input. The export is read and written a batch at a
    time. It appears whole or not at all, and nothing is ever replaced.

    Args:
        output: A directory that :func:`turnmill.prepare` wrote, or one that
            :func:`turnmill.pack` made in it.
        destination: A new or an empty directory on a local disk.
        to: The form: ``datasets``, ``parquet``, ``trl``, ``axolotl``, ``llama-factory``,
            ``megatron``, ``nemo``, ``mds``, ``llm-foundry``, ``numpy`` or ``messages``;
            docs/export.md describes them.
        split: ``train`` or ``validation`` where the output holds both; both by default.
        packed: Write the rows of the only pack of the output. Of several packs, name one as
            ``output``.

    Returns:
        What was written, and how the trainer is told to read it.

    Raises:
        ArgumentError: An argument has a type or a value that it cannot have.
        DataError: The output cannot be written in this form, or the destination is not empty.
        OSError: A file cannot be read or written.
    """
    from turnmill.export.run import run

    return run(output, destination, to=to, split=split, packed=packed)
