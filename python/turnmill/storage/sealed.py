"""JSON files that vouch for themselves: the last key is the hash of all others."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from turnmill.errors import DataError
from turnmill.storage.local import json_text, named, write_json
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
    try:
        with named(path):
            text = path.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        raise _damaged(path) from None
    plain = _opened(text)
    if plain is None:
        raise _damaged(path)
    return plain


def _opened(text: str) -> dict[str, Any] | None:
    """The value, if every byte of the text is what was written."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    plain = {key: value[key] for key in value if key != _SEAL} if type(value) is dict else {}
    return plain if text == json_text({**plain, _SEAL: _seal(plain)}) else None


def _damaged(path: AnyPath) -> DataError:
    return DataError(
        "the file was changed after it was written",
        code="broken-output",
        path=str(path),
        hint="remove the directory it is in, or give another one",
    )


def _seal(value: dict[str, Any]) -> str:
    """The SHA-256 of the value, in hexadecimal."""
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()
