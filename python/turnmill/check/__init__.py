"""Finds what is wrong in training data, by rule: raw conversations, or data tokenized by any tool.

Functions import what they need, so that `turnmill --help` is fast.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Unpack

from turnmill._arguments import thread_count
from turnmill._recipe_argument import recipe_of, takes_keys
from turnmill._recipe_keys import EncodingKeys
from turnmill.recipe import Recipe
from turnmill.tokenizer import Tokenizer

if TYPE_CHECKING:
    from turnmill.check.files import FileCheck
    from turnmill.check.findings import Findings

__all__ = ["check", "check_batch", "check_files"]


@takes_keys(EncodingKeys)
def check(
    data: Any,
    recipe: Recipe | None = None,
    *,
    tokenizer: str | os.PathLike[str] | Tokenizer | None = None,
    serving: str | os.PathLike[str] | None = None,
    response_marker: str | None = None,
    ignore_label: int | None = None,
    max_rates: dict[str, float] | None = None,
    evidence: int = 5,
    threads: int | None = None,
    text: bool = True,
    **keys: Unpack[EncodingKeys],
) -> Findings:
    """Checks data by every rule; see ``docs/rules.md`` for the list.

    Rows with ``input_ids`` (or ``tokens``) are tokenized data, from any tool: what is trained
    is read from ``labels``, ``loss_mask``, ``completion_mask`` or ``assistant_masks``, documents
    of packed rows from ``seq_lengths``, ``position_ids`` or ``attention_mask``. Other rows are
    conversations: they are encoded with the recipe, and what that finds is listed.

    Args:
        data: A directory that ``turnmill prepare`` or ``datasets`` wrote, Parquet, Arrow or JSON
            files, or rows in memory: anything Arrow, a ``datasets.Dataset``, a list of dicts.
        recipe: How conversations are encoded; of tokenized data, which tokenizer, template and
            stop set it has.
        tokenizer: The tokenizer of the data: a directory, a model id in the local cache, or a
            `Tokenizer`. A directory that turnmill wrote names its own.
        serving: The directory of the model that will be served: its stop set and template are
            compared with the data's.
        response_marker: The text that the trainer searches for to find where an answer starts.
        ignore_label: A label that means untrained, besides -100, such as 0.
        max_rates: Rules with the share of rows up to which they are accepted.
        evidence: How many places are kept for each rule.
        threads: Threads to work with; all cores by default.
        text: Whether places show texts of the data. Without, tokens have ids only.
        **keys: Recipe keys; they win over the recipe. For tokenized data, ``stop`` is the tokens or
            ids that the serving side stops on (by default those of ``serving``, else of the
            tokenizer's ``generation_config.json``, else its eos), ``template`` the chat template if
            it is not the tokenizer's, and ``max_length`` the length at which rows were cut (by
            default that of the longest row, if it looks like a limit).

    Raises:
        DataError: The data cannot be read or has no rows that turnmill knows.
        TokenizerError: No tokenizer is named, or it cannot be loaded.
    """
    from turnmill.check.run import run
    from turnmill.check.settings import Settings

    named = tokenizer.path if isinstance(tokenizer, Tokenizer) else tokenizer
    chosen = recipe_of(recipe, named, keys)
    settings = Settings(
        tokenizer=tokenizer if tokenizer is not None else chosen.tokenizer,
        stop=None if isinstance(chosen.stop, str) else list(chosen.stop),
        serving=serving,
        template=chosen.template,
        max_length=chosen.max_length,
        response_marker=response_marker,
        ignore_label=ignore_label,
        recipe=chosen,
        evidence=evidence,
        threads=thread_count(threads),
    )
    found = run(data, settings).judged(max_rates or {})
    return found if text else found.without_text()


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
        stop: As in `check`; None is "auto".
        max_length: The length at which the trainer cuts, if it does.
    """
    from turnmill.check.collated import table_of

    name = getattr(tokenizer, "name_or_path", tokenizer)
    stops = "auto" if stop is None else list(stop)
    return check(table_of(batch), tokenizer=name, stop=stops, max_length=max_length)


def check_files(output: str | os.PathLike[str], *, threads: int | None = None) -> FileCheck:
    """Compares every file of an output, and of its packs, with the manifest; encodes nothing.

    Args:
        output: A directory that :func:`turnmill.prepare` wrote, or a URI.
        threads: How many files are read at a time; all cores by default.

    Raises:
        DataError: turnmill did not write the directory.
        TurnmillError: A run is at work on it.
    """
    from turnmill.check.files import compare_files

    return compare_files(output, thread_count(threads))
