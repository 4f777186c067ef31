"""Packing: several samples in one row of a fixed length, with the boundaries kept.

A pack is an index over a written output: which samples share a row. The tokens are not copied, so
nothing is tokenized again for another length, seed or strategy. :func:`pack` makes the index and,
if asked, the rows; :class:`PackedDataset` reads rows straight from index and output.
"""

from __future__ import annotations

from turnmill.packing.dataset import PackedDataset
from turnmill.packing.lengths import pack_lengths
from turnmill.packing.packs import pack
from turnmill.packing.result import Pack

__all__ = ["Pack", "PackedDataset", "pack", "pack_lengths"]
