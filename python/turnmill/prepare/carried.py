"""Columns that are carried into the index, and those of them that no row has."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from turnmill.inputs.find import Input
from turnmill.output.sinks import Sink


def carried_names(input_: Input, for_all: Sequence[str] | None) -> list[str]:
    """The columns that are carried from an input, its own first, as the core orders them."""
    own: list[str] = json.loads(input_.overrides).get("carry") or []
    return list(dict.fromkeys([*own, *(for_all or ())]))


def found_names(index: Sink, names: Sequence[str]) -> list[str]:
    """Those of the carried columns in which a row has a value.

    Args:
        index: The index, once it is closed; the carried columns are its last ones.
        names: What the rows call them.
    """
    columns = index.columns[len(index.columns) - len(names) :]
    return [name for name, column in zip(names, columns, strict=False) if column in index.valued]


def missing_columns(
    found: Iterable[tuple[Input, Sequence[str]]], for_all: Sequence[str] | None
) -> list[str]:
    """Says of each carried column that no row has a value in it.

    Args:
        found: The input of each shard, and the carried columns in which a row has a value.
        for_all: The columns that are carried from every input.
    """
    known: dict[str, bool] = {}
    for input_, here in found:
        for name in carried_names(input_, for_all):
            known[name] = known.get(name, False) or name in here
    return [
        f"no row has a value to carry in the column {name!r}"
        for name, is_known in known.items()
        if not is_known
    ]
