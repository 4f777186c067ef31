"""Entries of a configuration as inputs and keys of a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from turnmill.integrations.axolotl.config import Entry
from turnmill.recipe import Input

__all__ = ["inputs_of", "keys_of"]

_EXACT = "as_axolotl_prepares gives Axolotl's labels"
_UNREAD = {
    "message_field_training_detail": f"strike it, or: {_EXACT}",
    "split_thinking": "strike it: turnmill reads the text of a turn as it stands",
    "drop_system_message": "take the system messages out of the rows",
    "shards": "give `cap` to the input, or split the file",
    "preprocess_shards": "strike it: the data is never held in memory",
    "input_transform": "transform the rows before",
}
_WEIGHTS = ("train", "weight", "loss", "loss_weight")
"""Names under which a message says whether it is trained."""


def inputs_of(entry: Entry) -> list[Input]:
    """The files of one data set."""
    kind = entry.get("type")
    if not isinstance(kind, str) or kind.split(".")[0] != "chat_template":
        hint = "turnmill renders the model's own chat template; other prompts are not read"
        raise entry.refusal(f"its type is {kind!r}, not chat_template", hint)
    entry.refuse(_UNREAD)
    _require_ends(entry)
    own = (*_WEIGHTS, None)
    if entry.get("message_field_training") not in own:
        name = entry.get("message_field_training")
        hint = f"rename it to `train` in the rows, or: {_EXACT}"
        raise entry.refusal(f"message_field_training: {name} is not read", hint)
    roles = {theirs: ours for theirs, ours in entry.roles.items() if theirs != ours}
    return [
        Input(
            place,
            schema="messages",
            fields=_fields(entry),
            roles=roles,
            split=_split(entry, place),
        )
        for place in _places(entry)
    ]


def _split(entry: Entry, place: str) -> str | None:
    """The split of a directory; a file is one."""
    split = entry.get("split", "train")
    if "[" in split or (split != "train" and not Path(place).is_dir()):
        hint = "give a file of these rows, or a directory and the name of one of its splits"
        raise entry.refusal(f"split: {split} of {place}", hint)
    return split if Path(place).is_dir() and entry.get("split") else None


def _require_ends(entry: Entry) -> None:
    """Each trained turn ends in a trained stop token, which is what ``turn`` means."""
    for name in ("train_on_eos", "train_on_eot"):
        if (chosen := entry.get(name, "turn")) != "turn":
            hint = f"turnmill trains the end of each trained turn: strike it, or: {_EXACT}"
            raise entry.refusal(f"{name}: {chosen}", hint)


def _places(entry: Entry) -> list[str]:
    files = entry.get("data_files")
    places = [entry.get("path")] if not files else [files] if isinstance(files, str) else files
    for place in places:
        if place is None or not Path(place).exists():
            hint = "download it, and give the file: turnmill never downloads anything"
            raise entry.refusal(f"{place} is not a file here", hint)
    return [str(place) for place in places]


def _fields(entry: Entry) -> dict[str, str]:
    """The data's names of fields to ours."""
    mappings = entry.mappings
    named = {
        entry.get("field_messages", "messages"): "messages",
        entry.get("field_tools", "tools"): "tools",
    }
    for ours, theirs in mappings.items():
        if ours in ("role", "content"):
            named[theirs] = ours
        elif ours != theirs:
            hint = f"rename it to {ours} in the rows, or: {_EXACT}"
            raise entry.refusal(f"the field {theirs} of messages is not read as {ours}", hint)
    return {theirs: ours for theirs, ours in named.items() if theirs != ours}


def keys_of(entries: Sequence[Entry]) -> dict[str, Any]:
    """What the configuration says of the whole run."""
    chosen = [_training(entry) for entry in entries]
    for entry, keys in zip(entries, chosen, strict=True):
        if keys != chosen[0]:
            hint = "prepare them one by one, and name the outputs in one configuration"
            raise entry.refusal("what is trained differs between the data sets", hint)
    config = entries[0].config
    keys = dict(chosen[0])
    keys["tokenizer"] = config.get("tokenizer_config") or config.get("base_model")
    keys["template_kwargs"] = config.get("chat_template_kwargs")
    keys["max_length"] = config.get("sequence_len")
    share = config.get("val_set_size") or 0
    if share >= 1:
        hint = "turnmill takes a share, so that rows keep their side when data is added: 0.05"
        raise entries[0].refusal(f"val_set_size: {share} is a number of rows", hint)
    keys["validation"] = share or None
    return {name: value for name, value in keys.items() if value is not None}


def _training(entry: Entry) -> dict[str, Any]:
    if entry.config.get("train_on_inputs"):
        hint = f'strike it, or give train_on="everything" yourself, or: {_EXACT}'
        raise entry.refusal("train_on_inputs: true", hint)
    roles = entry.trained_roles
    if not roles:
        hint = f"name a role, or: {_EXACT}"
        raise entry.refusal("roles_to_train is empty", hint)
    train_on = "assistant" if roles == ["assistant"] else roles
    return {"train_on": train_on, "template": entry.chat_template()}
