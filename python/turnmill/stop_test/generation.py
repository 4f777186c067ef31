"""What a generator gives: new ids for each prompt, asked for in batches."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from turnmill._arguments import is_whole, kind_of
from turnmill.errors import ArgumentError
from turnmill.stop_test.prompts import Prompt

Progress = Callable[[int, int], None]
"""Is told how many prompts are answered, and of how many."""


@dataclass(frozen=True)
class Generation:
    """The answer to one prompt."""

    ids: Sequence[int]
    """The new ids, without the prompt; the token that ended it is kept if it is known."""
    ended: bool | None = None
    """Whether it ended by itself, as a server says it. None: the ids tell."""
    exact: bool = True
    """Whether these are the model's ids; False if they were made from the text of an answer, in
    which the token that ended it does not show."""


Generate = Callable[[list[list[int]], list[int]], Sequence[Generation | Sequence[int]]]
"""Takes prompts as ids, and how many new tokens each may have; gives an answer for each."""


def generations(
    generate: Generate,
    prompts: Sequence[Prompt],
    budget: float,
    batch: int,
    progress: Progress | None,
) -> list[Generation]:
    """Asks for all answers.

    Raises:
        ArgumentError: `generate` returned something else than new ids for each prompt.
    """
    answers: list[Generation] = []
    for some in _batches(prompts, batch):
        rooms = [prompt.room(budget) for prompt in some]
        given = generate([list(prompt.ids) for prompt in some], list(rooms))
        answers += _checked(given, some, rooms)
        if progress is not None:
            progress(len(answers), len(prompts))
    return answers


def _batches(prompts: Sequence[Prompt], size: int) -> Iterator[list[Prompt]]:
    rest = iter(prompts)
    while some := list(itertools.islice(rest, size)):
        yield some


def _checked(given: Any, prompts: list[Prompt], rooms: list[int]) -> list[Generation]:
    if isinstance(given, str) or not hasattr(given, "__len__") or len(given) != len(prompts):
        found = f"{len(given)} answers" if hasattr(given, "__len__") else kind_of(given)
        raise _refused(f"generate returned {found} for {len(prompts)} prompts")
    return [
        _answer(answer, prompt, room)
        for answer, prompt, room in zip(given, prompts, rooms, strict=True)
    ]


def _answer(given: Any, prompt: Prompt, room: int) -> Generation:
    answer = given if isinstance(given, Generation) else Generation(_ids(given))
    ids = _ids(answer.ids)
    if len(ids) > len(prompt.ids) and ids[: len(prompt.ids)] == prompt.ids:
        raise _refused("generate returned the prompt before the answer")
    # A generator that pads a batch, or cannot stop at each room, gives more: it does not count.
    return Generation(ids[:room], answer.ended, answer.exact)


def _ids(given: Any) -> list[int]:
    listed = given.tolist() if hasattr(given, "tolist") else given
    if isinstance(listed, str) or not isinstance(listed, Sequence):
        raise _refused(f"generate returned {kind_of(given)} as an answer")
    if not all(is_whole(id_) for id_ in listed):
        raise _refused("generate returned an answer that is not made of ids")
    return [int(id_) for id_ in listed]


def _refused(message: str) -> ArgumentError:
    hint = (
        "return a list with one list of new ids for each prompt, without the prompt and with the "
        "stop token"
    )
    return ArgumentError(message, code="invalid-generation", hint=hint)
