"""The forms of an export: one module for each kind of file."""

from __future__ import annotations

from importlib import import_module

from turnmill.export.names import TARGETS
from turnmill.export.targets.target import Target

__all__ = ["Target", "target_of"]


def target_of(name: str) -> Target:
    """The form with this name, one of `turnmill.export.names`."""
    module, _, made = TARGETS[name][0].partition(":")
    target: Target = getattr(import_module(f"{__name__}.{module}"), made)
    return target
