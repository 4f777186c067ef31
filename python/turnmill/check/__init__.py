"""Finds what is wrong in training data, by rule: raw conversations, or data tokenized by any tool.

Functions import what they need, so that `turnmill --help` is fast.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from turnmill._arguments import thread_count
from turnmill._recipe_argument import checked_recipe
from turnmill.recipe import Recipe
from turnmill.tokenizer import Tokenizer

if TYPE_CHECKING:
    from turnmill.check.findings import Findings

__all__ = ["check", "check_batch"]


def check(
    data: Any,
    *,
    tokenizer: str | os.PathLike[str] | Tokenizer | None = None,
    stop: Iterable[str | int] | None = None,
    serving: str | os.PathLike[str] | None = None,
    template: str | None = None,
    max_length: int | None = None,
    response_marker: str | None = None,
    ignore_label: int | None = None,
    recipe: Recipe | None = None,
    max_rates: dict[str, float] | None = None,
    evidence: int = 5,
    threads: int | None = None,
) -> Findings:
    """Checks data by every rule; see ``docs/rules.md`` for the list.

    Rows with ``input_ids`` (or ``tokens``) are tokenized data, from any tool: what is trained
    is read from ``labels``, ``loss_mask``, ``completion_mask`` or ``assistant_masks``, documents
    of packed rows from ``seq_lengths``, ``position_ids`` or ``attention_mask``. Other rows are
    conversations: they are encoded with the recipe, and what that finds is listed.

    Args:
        data: A directory that ``turnmill prepare`` or ``datasets`` wrote, Parquet, Arrow or JSON
            files, or rows in memory: anything Arrow, a ``datasets.Dataset``, a list of dicts.
        tokenizer: The tokenizer of the data: a directory, a model id in the local cache, or a
            `Tokenizer`. A directory that turnmill wrote names its own.
        stop: Tokens or ids that the serving side stops on; by default those of ``serving``, else
            of the tokenizer's ``generation_config.json``, else its eos.
        serving: The directory of the model that will be served: its stop set and template are
            compared with the data's.
        template: The chat template of tokenized data, as source, if it is not the tokenizer's.
        max_length: The length at which rows were cut; by default that of the longest row, if it
            looks like a limit.
        response_marker: The text that the trainer searches for to find where an answer starts.
        ignore_label: A label that means untrained, besides -100, such as 0.
        recipe: How raw conversations are to be encoded.
        max_rates: Rules with the share of rows up to which they are accepted.
        evidence: How many places are kept for each rule.
        threads: Threads to work with; all cores by default.

    Raises:
        DataError: The data cannot be read or has no rows that turnmill knows.
        TokenizerError: No tokenizer is named, or it cannot be loaded.
    """
    from turnmill.check.run import run
    from turnmill.check.settings import Settings

    settings = Settings(
        tokenizer=tokenizer,
        stop=None if stop is None else list(stop),
        serving=serving,
        template=template,
        max_length=max_length,
        response_marker=response_marker,
        ignore_label=ignore_label,
        recipe=None if recipe is None else checked_recipe(recipe),
        evidence=evidence,
        threads=thread_count(threads),
    )
    return run(data, settings).judged(max_rates or {})


def check_batch(
    batch: Any,
    tokenizer: str | os.PathLike[str] | Tokenizer,
    *,
    stop: Iterable[str | int] | None = None,
    max_length: int | None = None,
) -> Findings:
    """Checks one collated batch as the trainer really sees it.

    Finds what cannot be seen in the data set: a collator that masks the terminator because it is
    the pad token, rows that were cut, document boundaries that were lost.

    Args:
        batch: A mapping with ``input_ids`` and ``labels``, rows of equal length: tensors of any
            framework, numpy arrays or lists.
        tokenizer: As in `check`; a Hugging Face tokenizer works through its ``name_or_path``.
        stop: As in `check`.
        max_length: The length at which the trainer cuts, if it does.
    """
    from turnmill.check.collated import table_of

    name = getattr(tokenizer, "name_or_path", tokenizer)
    return check(table_of(batch), tokenizer=name, stop=stop, max_length=max_length)
