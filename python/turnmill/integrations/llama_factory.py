"""LLaMA-Factory's ``dataset_info.json``, read as it is.

from turnmill.integrations.llama_factory import dataset_inputs
turnmill.prepare(dataset_inputs("data", "identity,alpaca_en_demo"), "out", tokenizer="model")
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from turnmill.errors import DataError
from turnmill.recipe import Input

__all__ = ["dataset_inputs"]

_FILE = "dataset_info.json"
_HUBS = ("hf_hub_url", "ms_hub_url", "om_hub_url", "cloud_file_name", "script_url")
_MEDIA = ("images", "videos", "audios")
_ALPACA = {"prompt": "instruction", "query": "input", "response": "output"}
_ROW = {"system": "system", "tools": "tools", "history": "history"}
_JUDGED = {"chosen": "chosen", "rejected": "rejected", "kto_tag": "label"}
"""Its names of columns, and ours."""
_MESSAGES = {True: "messages", False: "conversations"}
_TAGS = {
    "user_tag": ("human", "user"),
    "assistant_tag": ("gpt", "assistant"),
    "observation_tag": ("observation", "tool"),
    "function_tag": ("function_call", "function_call"),
    "system_tag": ("system", "system"),
}
"""Its tags of roles: what each is by default, and our role."""


def dataset_inputs(
    dataset_dir: str | os.PathLike[str], dataset: str | Iterable[str]
) -> list[Input]:
    """The data sets of LLaMA-Factory's ``dataset`` as inputs for `turnmill.prepare`.

    Formats ``alpaca``, ``sharegpt`` and ``openai``, with ``columns``, ``tags``, ``ranking`` and
    ``kto_tag``. Columns that the description does not name are left unread, as there.

    Args:
        dataset_dir: The directory with ``dataset_info.json``, or that file.
        dataset: Names in it: a list, or text with commas, as in the configuration.

    Raises:
        DataError: There is no such file or data set, or it lies on a hub, or it has images.
    """
    place = Path(dataset_dir)
    file = place if place.is_file() else place / _FILE
    described = _read(file)
    names = [name.strip() for name in dataset.split(",")] if isinstance(dataset, str) else dataset
    return [_input(name, _entry(name, described, file), file) for name in names]


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except OSError as error:
        message = f"{_FILE} cannot be read: {error.strerror}"
        raise DataError(message, code="no-dataset-info", path=file) from None
    except ValueError as error:
        message = f"{_FILE} is not JSON: {error}"
        raise DataError(message, code="no-dataset-info", path=file) from None
    if not isinstance(found, dict):
        raise DataError(f"{_FILE} is not an object", code="no-dataset-info", path=file)
    return found


def _entry(name: str, described: dict[str, Any], file: Path) -> dict[str, Any]:
    entry = described.get(name)
    if not isinstance(entry, dict):
        known = ", ".join(list(described)[:8])
        message = f"{_FILE} describes no data set {name!r}"
        raise DataError(message, code="no-dataset-info", path=file, hint=f"it has: {known}")
    return entry


def _input(name: str, entry: dict[str, Any], file: Path) -> Input:
    columns, tags = entry.get("columns"), entry.get("tags")
    media = [column for column in _MEDIA if (columns or {}).get(column)]
    if media:
        message = f"the data set {name!r} has {', '.join(media)}, and turnmill reads text only"
        raise DataError(message, code="media", path=file, hint="leave it out")
    own = next((entry[key] for key in _HUBS if key in entry), None)
    if "file_name" not in entry or own is not None:
        message = f"the data set {name!r} is not a file here: {own}"
        raise DataError(
            message, code="not-local", path=file, hint="download it, and give file_name"
        )
    kind = entry.get("formatting", "alpaca")
    if kind not in {"alpaca", "sharegpt", "openai"}:
        message = f"the data set {name!r} has the formatting {kind!r}"
        raise DataError(message, code="no-dataset-info", path=file, hint="alpaca, sharegpt, openai")
    fields, ignored = _fields(kind, columns, tags, judged=_judged(entry, columns or {}))
    return Input(
        str(file.parent / entry["file_name"]),
        schema=_schema(kind, entry, columns or {}),
        fields=fields,
        roles={} if kind == "alpaca" else _roles(tags),
        ignore=ignored,
        cap=entry.get("num_samples"),
    )


def _judged(entry: Mapping[str, Any], columns: Mapping[str, Any]) -> list[str]:
    """The columns by which answers are judged."""
    if columns.get("kto_tag"):
        return ["kto_tag"]
    return ["chosen", "rejected"] if entry.get("ranking") else []


def _schema(kind: str, entry: Mapping[str, Any], columns: Mapping[str, Any]) -> str:
    judged = _judged(entry, columns)
    if judged:
        return "kto" if judged == ["kto_tag"] else "preference"
    return "messages" if kind == "openai" else kind


def _fields(
    kind: str, columns: Any, tags: Any, *, judged: list[str]
) -> tuple[dict[str, str], list[str]]:
    """Its columns and tags with our names, and the names of ours that it leaves unread."""
    plain = kind == "openai" or bool(judged)  # answers are judged under the names of `messages`
    ours = dict(_ALPACA) if kind == "alpaca" else {"messages": _MESSAGES[plain]}
    defaults = dict(_ALPACA) if kind == "alpaca" else {"messages": "conversations"}
    ours |= _ROW | {name: _JUDGED[name] for name in judged}
    named = columns if columns is not None else defaults
    fields = {named[name]: own for name, own in ours.items() if named.get(name)}
    if kind != "alpaca":
        role, content = ("role", "content") if plain else ("from", "value")
        given = tags if tags is not None else {}
        fields |= {given.get("role_tag", "from"): role, given.get("content_tag", "value"): content}
    unread = [own for own in ours.values() if own not in fields.values() and own not in fields]
    return {theirs: own for theirs, own in fields.items() if theirs != own}, unread


def _roles(tags: Any) -> dict[str, str]:
    """Its tags with our roles. A tag that a description with tags leaves out is none."""
    named = {name: own for name, (own, _) in _TAGS.items()} if tags is None else tags
    found = {named[name]: role for name, (_, role) in _TAGS.items() if named.get(name)}
    return {theirs: role for theirs, role in found.items() if theirs != role}
