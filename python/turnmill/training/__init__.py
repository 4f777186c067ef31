"""Data sets for a training loop, over a written set or straight from its sources, and collators.

Everything gives numpy arrays; torch is only needed where tensors or its `DataLoader` are asked for.
Modules that import pyarrow are imported in the functions, so that `turnmill --help` is fast.
"""

from __future__ import annotations

from turnmill.training.collators import PaddingCollator, PaddingFreeCollator
from turnmill.training.encoding import EncodingDataset
from turnmill.training.iterable import IterableDataset
from turnmill.training.samples import SampleDataset

__all__ = [
    "EncodingDataset",
    "IterableDataset",
    "PaddingCollator",
    "PaddingFreeCollator",
    "SampleDataset",
]
