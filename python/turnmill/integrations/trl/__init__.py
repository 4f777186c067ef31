"""For `SFTTrainer` of TRL: data sets that it neither cuts, mixes nor prepares again.

from turnmill.integrations.trl import sft_dataset
made = sft_dataset("chats.jsonl", "out", tokenizer=tokenizer)
trainer = SFTTrainer(model, train_dataset=made.train, args=SFTConfig(**made.config, ...), ...)
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Unpack

from turnmill._arguments import whole_number
from turnmill._recipe_argument import recipe_of, takes_keys
from turnmill._recipe_keys import EncodingKeys, RecipeKeys
from turnmill.errors import ArgumentError
from turnmill.recipe import Recipe

if TYPE_CHECKING:
    from turnmill.prepare.result import Run

__all__ = ["TrainingSet", "as_trl_prepares", "lazy_sft_dataset", "sft_dataset"]

_COLUMNS = ("input_ids", "labels")
_PREPARED = {"skip_prepare_dataset": True}
PLAIN: dict[str, Any] = {"max_length": None, "packing": False, "dataset_kwargs": _PREPARED}
"""Fields of `SFTConfig` for samples; ``max_length`` would cut them where preparation is not left
out."""
PACKED: dict[str, Any] = {**PLAIN, "padding_free": True}
"""For packed rows: only the padding-free collator reads where their documents end."""
LAZY: dict[str, Any] = {**PLAIN, "remove_unused_columns": False}
"""For rows that are encoded on access, whose columns exist only then."""


@dataclass(frozen=True)
class TrainingSet:
    """Data sets for `SFTTrainer`, and the fields of `SFTConfig` that go with them."""

    train: Any
    """A `datasets.Dataset` for ``train_dataset``."""
    config: dict[str, Any]
    """Fields of `SFTConfig`: ``SFTConfig(output_dir=..., **made.config)``."""
    validation: Any = None
    """A `datasets.Dataset` for ``eval_dataset``, if some conversations are set apart."""
    run: Run | None = None
    """What was written, and what was not."""
    model_kwargs: dict[str, Any] = field(default_factory=dict)
    """What the model has to be loaded with, so that attention keeps documents apart."""


@takes_keys(RecipeKeys)
def sft_dataset(
    inputs: Any,
    output: str | os.PathLike[str],
    recipe: Recipe | None = None,
    *,
    tokenizer: Any = None,
    threads: int | None = None,
    **keys: Unpack[RecipeKeys],
) -> TrainingSet:
    """Prepares conversations for `SFTTrainer`: every trained turn ends, and stays as it is.

    With ``pack=N`` the samples share rows of so many tokens; no turn is cut, and documents do not
    see each other. With ``validation`` a part is set apart, which is not packed.

    Args:
        inputs: As for :func:`turnmill.prepare`.
        output: The output directory.
        recipe: How to make samples from the rows.
        tokenizer: A tokenizer of transformers, or as in a recipe.
        threads: Number of threads; all cores by default.
        **keys: Recipe keys, such as ``max_length=4096``; they win over the recipe.

    Raises:
        TurnmillError: As :func:`turnmill.prepare`.
    """
    import datasets

    from turnmill.output.files import TRAIN, VALIDATION
    from turnmill.packing import pack
    from turnmill.prepare import prepare

    chosen = _recipe(recipe, tokenizer, {"columns": _COLUMNS, **keys})
    run = prepare(inputs, output, chosen, threads=threads)
    apart = bool(run.totals.splits)
    place = os.fspath(output)
    train = f"{place}/{TRAIN}" if apart else place
    config, model = PLAIN, {}
    if chosen.pack is not None:
        strategy, seed = chosen.pack_strategy, chosen.seed
        packed = pack(place, chosen.pack, strategy=strategy, seed=seed, write=True)
        train, config = str(packed.path), PACKED
        model = {"attn_implementation": "flash_attention_2"}
    loaded = datasets.load_from_disk(train)
    validation = datasets.load_from_disk(f"{place}/{VALIDATION}") if apart else None
    return TrainingSet(loaded, dict(config), validation, run, model)


@takes_keys(EncodingKeys)
def lazy_sft_dataset(
    inputs: Any,
    recipe: Recipe | None = None,
    *,
    tokenizer: Any = None,
    threads: int = 1,
    **keys: Unpack[EncodingKeys],
) -> TrainingSet:
    """A set whose rows are encoded when the trainer asks for them: the first step comes at once.

    A row that cannot be used is replaced by the next one that can; how often which rule did that is
    counted in ``train.format["format_kwargs"]["transform"].counts`` of this process. Write the set
    with `sft_dataset` to see all rejects before training.

    Args:
        inputs: A file of JSON lines, a list of dicts, or anything Arrow.
        recipe: How to make samples from the rows.
        tokenizer: A tokenizer of transformers, or as in a recipe.
        threads: Threads that encode a batch; one by default, since loaders have workers.
        **keys: Recipe keys; they win over the recipe.

    Raises:
        ArgumentError: The inputs have no rows by number, such as a compressed file.
        RecipeError: The recipe makes several samples of a row, or needs a decision.
    """
    from turnmill.integrations.trl.lazy import lazy_dataset

    count = whole_number(threads, "threads", 1, 1 << 16)
    chosen = _recipe(recipe, tokenizer, {**keys, "columns": _COLUMNS})
    return TrainingSet(lazy_dataset(inputs, chosen, count), dict(LAZY))


def as_trl_prepares(
    dataset: Any,
    tokenizer: Any,
    *,
    assistant_only_loss: bool = False,
    completion_only_loss: bool | None = None,
    chat_template: str | None = None,
    dataset_text_field: str = "text",
    threads: int | None = None,
) -> TrainingSet:
    """The rows that `SFTTrainer` itself would train on, before it cuts or packs them, only sooner.

    For those who want equality rather than turnmill's promise: labels are TRL's, turns end only if
    its template and its data make them.

    Args:
        dataset: A `datasets.Dataset` with ``messages``, ``prompt`` and ``completion``, or text.
        tokenizer: A tokenizer of transformers.
        assistant_only_loss: As in `SFTConfig`. Give `chat_template` the training template then, or
            the turns are inferred.
        completion_only_loss: As in `SFTConfig`.
        chat_template: Another template than the tokenizer's.
        dataset_text_field: As in `SFTConfig`.
        threads: Number of threads; all cores by default.

    Raises:
        ArgumentError: Only assistant turns are asked for, of rows that are not conversations; or a
            row has none.
    """
    from turnmill.integrations.trl.labels import labelled

    if assistant_only_loss and not {"messages", "prompt"} & set(dataset.column_names):
        message = "assistant_only_loss needs conversations"
        raise ArgumentError(message, code="invalid-choice", hint="give a column `messages`")
    made = labelled(
        dataset,
        tokenizer,
        assistant_only=assistant_only_loss,
        completion_only=completion_only_loss,
        template=chat_template,
        text=dataset_text_field,
        threads=threads,
    )
    return TrainingSet(made, dict(PLAIN))


def _recipe(recipe: Recipe | None, tokenizer: Any, keys: Any) -> Recipe:
    from turnmill.integrations.tokenizers import directory_of

    return recipe_of(recipe, None if tokenizer is None else directory_of(tokenizer), keys)
