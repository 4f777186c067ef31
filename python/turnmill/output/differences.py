"""In what two records of how something was made differ."""

from __future__ import annotations

import json
from typing import Any


def differences(before: Any, now: Any, path: str = "") -> list[str]:
    """The values in which two objects differ, one line each: ``recipe.eos: "ensure", now …``."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = dict.fromkeys([*before, *now])
        return [
            line
            for key in keys
            for line in differences(
                before.get(key), now.get(key), f"{path}.{key}" if path else str(key)
            )
        ]
    if before == now:
        return []
    return [f"{path}: {_short(before)}, now {_short(now)}"]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
