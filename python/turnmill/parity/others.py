"""The labels of other preparations, by their rules as `turnmill.integrations` has them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from turnmill.errors import RecipeError, TurnmillError
from turnmill.parity.reference import Reference, Theirs
from turnmill.rules import IGNORED
from turnmill.template import Template

__all__ = ["AGAINST", "reference_of"]

_Labels = Callable[[dict[str, Any], list[int]], list[int]]


class _Labelled(Reference):
    """The ids of transformers, and labels that come from elsewhere."""

    def __init__(self, path: Path, template: str | None, rules: str, labels: Any) -> None:
        super().__init__(path, template)
        self._rules = rules
        self._labels: _Labels = labels(self._tokenizer, template)

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the libraries, and whose rules give the labels."""
        name, version = self._rules.split()
        return {**super().versions, f"rules of {name}": version}

    def encode(self, conversation: dict[str, Any], *, mask: bool) -> Theirs | str:
        """The text and ids of transformers, and which of them the others train."""
        theirs = super().encode(conversation, mask=False)
        if isinstance(theirs, str) or not mask:
            return theirs
        try:
            labels = self._labels(conversation, theirs.ids)
        except TurnmillError as error:
            # Such as a template that refuses the stand-in of a turn with calls.
            return f"{self._rules}: {error}"
        if len(labels) != len(theirs.ids):
            return f"{self._rules}: {len(labels)} labels for {len(theirs.ids)} ids"
        return Theirs(theirs.text, theirs.ids, [int(label != IGNORED) for label in labels])


def _axolotl(tokenizer: Any, template: str | None) -> _Labels:
    from turnmill.integrations.axolotl.config import Entry
    from turnmill.integrations.axolotl.labels import Labeller
    from turnmill.integrations.axolotl.turns import Turn

    def labels(conversation: dict[str, Any], _: list[int]) -> list[int]:
        source = template or tokenizer.get_chat_template(tools=conversation["tools"])
        given = {"chat_template_kwargs": conversation["variables"], "chat_template_jinja": source}
        labeller = Labeller(tokenizer, Entry({}, given))
        turns = [Turn(message) for message in conversation["messages"]]
        return labeller.conversation(turns, conversation["tools"])[1]

    return labels


def _unsloth(tokenizer: Any, template: str | None) -> _Labels:
    """With the texts before a question and before an answer as markers."""
    from turnmill.integrations.unsloth import train_on_responses_only

    source = template or tokenizer.get_chat_template()
    study = Template(source, special_tokens=tokenizer.special_tokens_map).study()
    start = tokenizer.bos_token or ""
    question = next(
        (role["header"].removeprefix(start) for role in study["roles"] if role["role"] == "user"),
        None,
    )
    answer = study["generation_prompts"].get("user")
    if not question or not answer:
        raise RecipeError(
            "the template prints nothing before a question or before an answer: no markers",
            code="no-markers",
            hint="compare with another: --against axolotl",
        )
    mapped = train_on_responses_only(
        None, question, answer, tokenizer=tokenizer, return_function=True
    )

    def labels(_: dict[str, Any], ids: list[int]) -> list[int]:
        found: list[int] = list(mapped({"input_ids": [ids]})["labels"][0])
        return found

    return labels


_RULES = {"axolotl": ("axolotl 0.19.0", _axolotl), "unsloth": ("unsloth_zoo 2026.10.9", _unsloth)}
AGAINST = ("transformers", "trl", *_RULES)
"""What rows are compared with."""


def reference_of(against: str, path: Path, template: str | None, *, has_tags: bool) -> Reference:
    """The other side.

    TRL's `assistant_only_loss` is the mask of transformers, and needs its tags.
    """
    if against == "trl" and not has_tags:
        raise RecipeError(
            "TRL's assistant_only_loss needs a template with {% generation %} tags",
            code="no-tags",
            hint="give the training template that TRL puts in its place: --template FILE",
        )
    if against in _RULES:
        return _Labelled(path, template, *_RULES[against])
    return Reference(path, template)
