"""Every environment variable of turnmill's own, in one place.

``NO_COLOR``, ``FORCE_COLOR`` and ``TERM`` decide on colour; ``HF_HOME``, ``HF_HUB_CACHE`` and
``MODELSCOPE_CACHE`` say where model ids are looked up.
"""

from __future__ import annotations

import os


def chunk_rows() -> int | None:
    """``TURNMILL_CHUNK_ROWS``: rows of one work item; tests show that no byte depends on it."""
    value = os.environ.get("TURNMILL_CHUNK_ROWS")
    return int(value) if value else None


def traceback() -> bool:
    """``TURNMILL_TRACEBACK``: whether the command line lets errors through with their traceback."""
    return bool(os.environ.get("TURNMILL_TRACEBACK"))
