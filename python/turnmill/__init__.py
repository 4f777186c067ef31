"""turnmill: conversations in, training tensors out, and every trained turn ends.

>>> import turnmill
>>> sorted(turnmill.build_info())
['architecture', 'debug', 'os', 'version']
"""

from __future__ import annotations

import warnings

from turnmill import _start

_start.begin()  # before the modules below, which take the most of the command's first moments

# ruff: noqa: E402
from turnmill._core import build_info
from turnmill.check import check, check_batch, check_files
from turnmill.encoder import Encoded, Encoder
from turnmill.errors import (
    ArgumentError,
    DataError,
    DebugBuildWarning,
    InternalError,
    RecipeError,
    TemplateError,
    TokenizerError,
    TurnmillError,
)
from turnmill.export import export
from turnmill.packing import PackedDataset, pack, pack_lengths
from turnmill.parity import parity
from turnmill.prepare import merge, prepare
from turnmill.recipe import Input, Recipe
from turnmill.report import report
from turnmill.show import show
from turnmill.stats import stats
from turnmill.stop_test import stop_test
from turnmill.template import Rendered, Template
from turnmill.tokenizer import Tokenizer
from turnmill.training import (
    EncodingDataset,
    IterableDataset,
    PaddingCollator,
    PaddingFreeCollator,
    SampleDataset,
)
from turnmill.view import view

__version__: str = build_info()["version"]

__all__ = [
    "ArgumentError",
    "DataError",
    "DebugBuildWarning",
    "Encoded",
    "Encoder",
    "EncodingDataset",
    "Input",
    "InternalError",
    "IterableDataset",
    "PackedDataset",
    "PaddingCollator",
    "PaddingFreeCollator",
    "Recipe",
    "RecipeError",
    "Rendered",
    "SampleDataset",
    "Template",
    "TemplateError",
    "Tokenizer",
    "TokenizerError",
    "TurnmillError",
    "__version__",
    "build_info",
    "check",
    "check_batch",
    "check_files",
    "export",
    "merge",
    "pack",
    "pack_lengths",
    "parity",
    "prepare",
    "report",
    "show",
    "stats",
    "stop_test",
    "view",
]

if build_info()["debug"]:
    warnings.warn(
        "turnmill was built without optimisation: it is many times slower than a release build",
        DebugBuildWarning,
        stacklevel=2,
    )
