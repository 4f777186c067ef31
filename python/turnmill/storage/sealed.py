"""JSON files that vouch for themselves: the last key is the hash of all others."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from turnmill.errors import DataError
from turnmill.storage.local import read_json, write_json
from turnmill.storage.remote import AnyPath

_SEAL = "seal"


def write_sealed(path: AnyPath, value: dict[str, Any]) -> str:
    """Writes ``value`` with the seal, and returns the file's SHA-256."""
    return write_json(path, {**value, _SEAL: _seal(value)})


def read_sealed(path: AnyPath) -> dict[str, Any] | None:
    """The value without its seal, or ``None`` if there is no such file.

    Raises:
        DataError: The file is not what was written.
    """
    value = read_json(path)
    if value is None:
        return None
    plain = {key: item for key, item in value.items() if key != _SEAL} if _is_object(value) else {}
    if not plain or value.get(_SEAL) != _seal(plain):
        raise DataError(
            "the file was changed after it was written",
            code="broken-output",
            path=str(path),
            hint="remove the directory it is in, or give another one",
        )
    return plain


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _seal(value: dict[str, Any]) -> str:
    """The SHA-256 of the value, in hexadecimal."""
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()
