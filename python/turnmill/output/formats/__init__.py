"""The formats of data files: one module and one line of the table for each."""

from __future__ import annotations

from turnmill.output.formats.arrow import Arrow
from turnmill.output.formats.format import Block, Format, Loading, Writer
from turnmill.output.formats.parquet import Parquet
from turnmill.storage.remote import AnyPath, RemotePath

__all__ = ["FORMATS", "Block", "Format", "Loading", "Writer", "default_format", "format_of"]

_ARROW, _PARQUET = Arrow(), Parquet()
FORMATS: dict[str, Format] = {format_.name: format_ for format_ in (_ARROW, _PARQUET)}
"""Every format by its name. A new one is added here, and to the words of the recipe's `format`."""


def default_format(output: AnyPath) -> Format:
    """The default: trainers map local files; over a network, smaller files matter more."""
    return _PARQUET if isinstance(output, RemotePath) else _ARROW


def format_of(data: AnyPath) -> Format:
    """The format of a data file, by its ending."""
    return FORMATS[data.suffix.removeprefix(".")]
