"""The generation test: prompts of the data in, answers out, and whether they stop.

Functions import what they need, so that `turnmill --help` is fast.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from turnmill._arguments import whole_number
from turnmill.errors import ArgumentError
from turnmill.tokenizer import Tokenizer

if TYPE_CHECKING:
    from turnmill.stop_test.generation import Generate
    from turnmill.stop_test.result import StopTest

__all__ = ["stop_test"]

_MOST = 100_000


def stop_test(
    rows: Any,
    generate: Generate | str | os.PathLike[str],
    *,
    tokenizer: str | os.PathLike[str] | Tokenizer | None = None,
    stop: Iterable[str | int] | None = None,
    prompts: int = 100,
    seed: int = 0,
    budget: float = 2.0,
    min_stop: float = 0.95,
    baseline: StopTest | str | os.PathLike[str] | None = None,
    batch: int = 8,
    examples: int = 5,
    model_name: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> StopTest:
    """Lets a model answer prompts of the data, and counts how many answers stop.

    Prompts are drawn at random: a row, then one of its trained turns. What stands before the
    turn is the prompt, as inference sees it; the turn is the reference. An output with a
    validation set gives prompts of that set, which the training has not seen.

    >>> rows = [{"input_ids": [5, 6, 7, 2], "labels": [-100, -100, 7, 2]}]
    >>> result = stop_test(rows, lambda prompts, rooms: [[7, 2] for _ in prompts], stop=[2])
    >>> result.rates["stop"].share, result.ok
    (1.0, True)

    Args:
        rows: A directory that ``turnmill prepare`` wrote, or any rows with ``input_ids`` and
            ``labels``.
        generate: Takes prompts (lists of ids) and the number of new tokens that each may have;
            returns new ids for each, with the token that ended it and without the prompt. Or the
            directory of a model, or the URL of a server.
        tokenizer: The tokenizer of the rows; an output knows its own. Without one, control tokens
            of other models and beginnings of turns are not looked for.
        stop: What the answers should end in, tokens or ids: by default the stop set of the
            output, else that of the tokenizer.
        prompts: How many prompts.
        seed: Another seed draws other prompts.
        budget: How many times the length of its reference an answer may have; 64 tokens more are
            always allowed.
        min_stop: The least share that has to stop.
        baseline: An earlier result on the same data, or its JSON file, such as that of the model
            before training.
        batch: How many prompts `generate` gets at once.
        examples: How many failures are kept.
        model_name: The name of the model, where a server has several.
        progress: Is called with the number of prompts that are answered, and of all.

    Returns:
        The rates with their intervals; ``print`` draws them, and ``.ok`` is the verdict: enough
        answers stop, none of them goes on after its stop token, and not fewer than before.

    Raises:
        ArgumentError: An argument is not allowed, or `generate` returned something else.
        DataError: The rows have no prompt before a trained turn, or the baseline is not a result.
        TurnmillError: The model cannot be loaded, or the server does not answer.
    """
    from turnmill.stop_test.run import Settings, run

    settings = Settings(
        tokenizer=tokenizer,
        stop=None if stop is None else list(stop),
        prompts=whole_number(prompts, "prompts", 1, _MOST),
        seed=whole_number(seed, "seed", 0, 1 << 63),
        budget=_number(budget, "budget", 1.0, 1000.0),
        min_stop=_number(min_stop, "min_stop", 0.0, 1.0),
        batch=whole_number(batch, "batch", 1, _MOST),
        examples=whole_number(examples, "examples", 0, _MOST),
        model_name=model_name,
    )
    return run(rows, generate, settings, baseline, progress)


def _number(value: Any, name: str, least: float, most: float) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most:
        return float(value)
    message = f"{name} cannot be {value!r}"
    hint = f"{name} takes a number from {least:g} to {most:g}"
    raise ArgumentError(message, code=f"invalid-{name.replace('_', '-')}", hint=hint)
