"""What the configuration says of one data set."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turnmill.errors import DataError, TurnmillError

__all__ = ["Entry", "read_config"]

_ROLES = {"human": "user", "gpt": "assistant"}
"""Names of roles that are others by default."""
_OWN_TEMPLATE = {"tokenizer_default", "jinja"}
_CODE = "axolotl-config"


@dataclass(frozen=True)
class Entry:
    """One entry of ``datasets:``, with the configuration that it stands in."""

    options: dict[str, Any]
    config: dict[str, Any]

    def get(self, name: str, default: Any = None) -> Any:
        """An option; one that is null is as if it were not there."""
        found = self.options.get(name)
        return default if found is None else found

    @property
    def mappings(self) -> dict[str, str]:
        """The template's names of a message's fields to the data's."""
        given = dict(self.get("message_property_mappings", {}))
        for name in ("role", "content"):  # the older options
            if old := self.get(f"message_field_{name}"):
                given[name] = old
        if given:
            return given
        thinking = self.get("template_thinking_key", "reasoning_content")
        return {
            "role": "role",
            "content": "content",
            thinking: self.get("field_thinking", "reasoning_content"),
        }

    @property
    def roles(self) -> dict[str, str]:
        """The data's names of roles to the template's."""
        given = self.get("roles")
        if not given:
            return dict(_ROLES)
        return {source: target for target, sources in given.items() for source in sources}

    @property
    def trained_roles(self) -> list[str]:
        """The roles whose turns are trained."""
        roles = self.roles
        return [roles.get(role, role) for role in self.get("roles_to_train", ["assistant"])]

    def chat_template(self) -> str | None:
        """Source, or a file; None: the tokenizer's own.

        Raises:
            DataError: It is one of Axolotl's own by name.
        """
        for holder in (self.options, self.config):
            if source := holder.get("chat_template_jinja"):
                return str(source)
            name = holder.get("chat_template")
            if name is not None and name not in _OWN_TEMPLATE:
                raise self.refusal(
                    f"chat_template: {name} is a template of Axolotl's own",
                    "give its text under chat_template_jinja",
                )
            if name is not None:
                return None
        return None

    def refuse(self, names: Mapping[str, str]) -> None:
        """Refuses options that are set, each with what to do instead."""
        for name, hint in names.items():
            if self.get(name):
                raise self.refusal(f"{name} is not read", hint)

    def refusal(self, message: str, hint: str) -> DataError:
        """An error that names the data set."""
        place = self.get("path")
        where = "" if place is None else f"the data set {place!r}: "
        return DataError(where + message, code=_CODE, hint=hint)


def read_config(config: str | os.PathLike[str] | Mapping[str, Any]) -> list[Entry]:
    """The entries of ``datasets:``."""
    found = config if isinstance(config, Mapping) else _from_file(Path(config))
    entries = found.get("datasets") if isinstance(found, Mapping) else None
    if (
        not isinstance(entries, list)
        or not entries
        or not all(isinstance(entry, Mapping) for entry in entries)
    ):
        raise DataError(
            "the configuration has no data sets under `datasets`",
            code=_CODE,
            path=None if isinstance(config, Mapping) else config,
            hint="name each data set by its path and type: chat_template",
        )
    rest = {name: value for name, value in found.items() if name != "datasets"}
    return [Entry(dict(entry), rest) for entry in entries]


def _from_file(file: Path) -> Any:
    try:
        import yaml  # type: ignore[import-untyped]
    except ImportError:
        raise TurnmillError(
            "PyYAML is not installed",
            code="no-yaml",
            hint="pip install pyyaml, or give the configuration as a dict",
        ) from None
    try:
        return yaml.safe_load(file.read_text("utf-8"))
    except OSError as error:
        message = f"the configuration cannot be read: {error.strerror}"
        raise DataError(message, code=_CODE, path=file) from None
    except yaml.YAMLError as error:
        raise DataError(f"it is not YAML: {error}", code=_CODE, path=file) from None
