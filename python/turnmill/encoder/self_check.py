"""The verdict on the fast tokenizer backend, and where it is kept.

A verdict also holds for later runs, so it is cached by the tokenizer's hash and turnmill's version.
The cache is only a convenience: if it cannot be read or written, the check is silently repeated.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path

from turnmill._environment import cache_directory
from turnmill.errors import TurnmillError


def difference(
    fingerprint: str, version: str, compare: Callable[[], tuple[int, str | None]]
) -> str | None:
    """The first difference between the fast backend and the reference; ``None``: there is none.

    Args:
        fingerprint: Hash of the tokenizer's files.
        version: Version of turnmill.
        compare: Compares the two: bytes compared, and the first difference in words. Called if no
            verdict is cached.
    """
    kept = cache_directory()
    path = kept and kept / "self-check" / f"{fingerprint}-{version}.json"
    found = path and _read(path)
    if found:
        return found["difference"]
    try:
        compared, words = compare()
    except TurnmillError as error:
        warnings.warn(
            f"the tokenizer's self-check could not be made: {error}", RuntimeWarning, stacklevel=2
        )
        return None
    if compared and path:
        _write(path, {"difference": words})
    return words


def _read(path: Path) -> dict[str, str | None] | None:
    try:
        verdict = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    known = isinstance(verdict, dict) and isinstance(verdict.get("difference", 0), str | None)
    return verdict if known else None


def _write(path: Path, verdict: dict[str, str | None]) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(verdict) + "\n", "utf-8")
        temporary.replace(path)
    except OSError:
        return
