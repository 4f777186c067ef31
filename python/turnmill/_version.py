"""The version of this build."""

from __future__ import annotations

from turnmill._core import build_info

VERSION: str = build_info()["version"]
