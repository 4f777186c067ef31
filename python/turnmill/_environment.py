"""The environment variables that turnmill reads, in one place.

``NO_COLOR``, ``FORCE_COLOR`` and ``TERM`` control colour; ``HF_HOME``, ``HF_HUB_CACHE`` and
``MODELSCOPE_CACHE`` say where model ids are looked up, ``XDG_CACHE_HOME`` where verdicts are kept.
``LC_ALL``, ``LC_MESSAGES``, ``LANG`` and ``LANGUAGE`` choose the language (`turnmill.languages`).
``PAGER`` shows what is long.
"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path


def chunk_rows() -> int | None:
    """``TURNMILL_CHUNK_ROWS``: rows of one work item. The output does not depend on it."""
    value = os.environ.get("TURNMILL_CHUNK_ROWS")
    return int(value) if value else None


def api_key() -> str | None:
    """``TURNMILL_API_KEY``: the key of a server that `stop-test` asks."""
    return os.environ.get("TURNMILL_API_KEY") or None


def traceback() -> bool:
    """``TURNMILL_TRACEBACK``: whether the command line lets errors through with their traceback."""
    return bool(os.environ.get("TURNMILL_TRACEBACK"))


def pager() -> list[str] | None:
    """``PAGER``, or ``less``: the command that shows a long text; ``None`` if there is none."""
    words = shlex.split(os.environ.get("PAGER", "less"))
    return words if words and shutil.which(words[0]) else None


def working_directory() -> str:
    """Where relative paths are looked for, for a message; somebody may have removed it."""
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return "a working directory that was removed"


def cache_directory() -> Path | None:
    """``XDG_CACHE_HOME``, or ``~/.cache``. What is kept there only saves time.

    ``None`` for a user without a home.
    """
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "turnmill"
    except RuntimeError:
        return None
