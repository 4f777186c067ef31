"""Axolotl's ``chat_template`` data sets: its configuration read as it is, and its own labels.

from turnmill.integrations.axolotl import dataset_inputs, recipe_keys
config = "config.yml"
turnmill.prepare(dataset_inputs(config), "out", **recipe_keys(config))
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from turnmill.integrations.axolotl.config import Entry, read_config
from turnmill.recipe import Input

__all__ = ["as_axolotl_prepares", "dataset_inputs", "recipe_keys"]

_Config = str | os.PathLike[str] | Mapping[str, Any]


def dataset_inputs(config: _Config) -> list[Input]:
    """The data sets under ``datasets:`` as inputs for `turnmill.prepare`.

    Reads ``path``, ``data_files``, ``split``, ``field_messages``, ``field_tools``,
    ``message_property_mappings``, ``message_field_training`` and ``roles``. Paths are those of the
    working directory, as in Axolotl.

    Args:
        config: The configuration: its file in YAML, or what was read from it.

    Raises:
        DataError: A data set is not here, is of another type than ``chat_template``, or asks for
            labels with which turns would not end.
        TurnmillError: PyYAML is not installed.
    """
    from turnmill.integrations.axolotl.inputs import inputs_of

    return [input_ for entry in read_config(config) for input_ in inputs_of(entry)]


def recipe_keys(config: _Config) -> dict[str, Any]:
    """The keys of a recipe that the configuration says.

    ``tokenizer``, ``template``, ``template_kwargs``, ``train_on`` (``roles_to_train``),
    ``max_length`` (``sequence_len``) and ``validation`` (``val_set_size``, which must be a share).

    Args:
        config: As for `dataset_inputs`.

    Raises:
        DataError: The data sets differ in what is trained, or in the template; or
            ``val_set_size`` is a number of rows.
    """
    from turnmill.integrations.axolotl.inputs import keys_of

    return keys_of(read_config(config))


def as_axolotl_prepares(
    rows: Iterable[Mapping[str, Any]],
    tokenizer: Any,
    options: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
) -> Any:
    """The samples that Axolotl itself would train on, before it drops long ones.

    For those who want equality rather than turnmill's promise. ``train_on_eos``, ``train_on_eot``,
    ``eot_tokens``, ``message_field_training_detail`` and parts with ``train`` or ``weight`` are
    what they are there, and a turn ends only if they make it.

    Args:
        rows: Rows as they stand in the data.
        tokenizer: A tokenizer of transformers.
        options: One entry of ``datasets:``.
        config: The rest of the configuration: ``eot_tokens``, ``train_on_inputs``,
            ``chat_template`` and what belongs to it.

    Returns:
        A `datasets.Dataset` with ``input_ids``, ``attention_mask`` and ``labels``, which Axolotl
        takes as tokenized data.

    Raises:
        DataError: The options cannot be read here, or a row has no messages.
        TemplateError: The template refuses a row.
    """
    from turnmill.integrations.axolotl.labels import dataset_of

    return dataset_of(rows, tokenizer, Entry(dict(options or {}), dict(config or {})))
