"""The bytes of an output directory, for comparing two runs."""

from __future__ import annotations

import hashlib
from pathlib import Path


def hashes(output: str) -> dict[str, str]:
    """The SHA-256 of every file but run.json, by relative path."""
    return {
        str(path.relative_to(output)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path(output).rglob("*"))
        if path.is_file() and path.name != "run.json"
    }
