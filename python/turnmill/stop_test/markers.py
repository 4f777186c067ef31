"""Texts that have no place in an answer: ends of other models' turns, and beginnings of turns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from turnmill.errors import TurnmillError
from turnmill.template import Template
from turnmill.tokenizer import Tokenizer

_ENDS = (
    *("</s>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"),
    *("<end_of_turn>", "<eos>", "<|end|>", "<|return|>", "<|end_of_turn|>"),
    "<｜end▁of▁sentence｜>",
)
"""Stop tokens of public models."""

_BEGINNINGS = (
    *("<|im_start|>", "<|start_header_id|>", "<start_of_turn>", "<|user|>", "<|assistant|>"),
    *("<|system|>", "[INST]", "<<SYS>>", "<｜User｜>", "<｜Assistant｜>", "### Instruction:"),
    *("\nUSER:", "\nASSISTANT:", "\nHuman:", "\nUser:", "\nAssistant:"),
)
"""What public templates print before messages."""


@dataclass(frozen=True)
class Markers:
    """What to look for in the text of an answer."""

    ending: tuple[str, ...] = ()
    beginning: tuple[str, ...] = ()

    def ends(self, text: str, reference: str) -> bool:
        """Whether a text, and not its reference, holds the end of another model's turn."""
        return any(marker in text and marker not in reference for marker in self.ending)

    def begins(self, text: str, reference: str) -> bool:
        """Whether a text, and not its reference, holds the beginning of a turn."""
        return any(marker in text and marker not in reference for marker in self.beginning)


def markers_of(tokenizer: Tokenizer, template: str | None, stops: Iterable[str]) -> Markers:
    """The markers that matter for a model.

    Args:
        tokenizer: Its own eos and pad count as ends too.
        template: The chat template: what it prints before messages counts as a beginning. None
            is the tokenizer's own.
        stops: The texts of the stop set, which are not foreign ends.
    """
    own = tokenizer.special_tokens
    named = [own[name] for name in ("eos_token", "pad_token") if own.get(name)]
    ending = dict.fromkeys([*_ENDS, *named])
    headers = _headers(template or tokenizer.path)
    stops = set(stops)
    # GLM ends an answer with the marker of the next role: it belongs to the stop set.
    return Markers(
        tuple(end for end in ending if end not in stops),
        tuple(start for start in dict.fromkeys([*_BEGINNINGS, *headers]) if start not in stops),
    )


def _headers(template: str) -> list[str]:
    """What a template prints before the messages of each role."""
    try:
        roles = Template(template).study()["roles"]
    except (TurnmillError, OSError):  # no template, or one that is refused: the public ones remain
        return []
    texts = (str(role.get("header") or "").strip() for role in roles)
    return [text for text in texts if len(text) > 1]
