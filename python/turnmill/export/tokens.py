"""The smallest type that holds the tokens of a vocabulary."""

from __future__ import annotations

from typing import Any

import numpy as np

from turnmill.export.source import DataSet

_SMALL_VOCABULARY = 65_500
"""Below it Megatron takes 16 bits (``DType.optimal_dtype``)."""


def token_type(data_set: DataSet) -> np.dtype[Any]:
    """``uint16`` for a vocabulary of fewer than 65,500 tokens, else ``int32``."""
    size = data_set.fact("tokenizer")["vocab_size"]
    return np.dtype("uint16" if size < _SMALL_VOCABULARY else "int32")
