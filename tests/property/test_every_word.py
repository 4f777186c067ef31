"""Every reader and template: each word of a row is in the ids exactly once, or a rule says so.

The rows are those of `cases/shapes.py` and `cases/answers.py`, of which `docs/reading.md` is made:
all schemas and all wire formats. Every text in them, of whatever message, call, argument, result,
thought, tool and system, becomes a word of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

import turnmill
from cases import answers, shapes
from fixtures import both, built_in_templates, stops, template_text, tokenizer_dir
from property.test_check_after_prepare import REFUSALS, every_template, marked, stop_of

LOSSES = {
    "field-lost",
    "message-lost",
    "reasoning-dropped",
    "system-left-out",
    "tools-lost",
    "trailing-non-assistant-turn",
    "turn-lost",
}
"""Rules that say of a row which is written that something of it is not in the text."""
TECHNICAL = {
    "from",
    "id",
    "label",
    "prompt_id",
    "role",
    "score_chosen",
    "signature",
    "tool_use_id",
    "type",
    "weight",
}
"""Keys whose values are no text of the conversation."""
VALUES = {"arguments", "args", "input", "parameters"}
"""Keys of the arguments of a call, whose numbers are of the conversation too."""
IDS = ("input_ids", "prompt_ids", "chosen_ids", "rejected_ids", "completion_ids")
MODELS = (
    "qwen3",
    "llama-3.2-instruct",
    "mistral-7b-instruct-v0.3",
    "deepseek-v3",
    "phi-3-mini",
    "gemma-3",
    "gpt-oss",
)
QUICK_TEMPLATES = [*built_in_templates()[::4], "unseen/glm-style", "unseen/gemma-4-style"]


class Words:
    """The words of one row."""

    def __init__(self, *, once: bool) -> None:
        self.numbers = count(101)
        self.once = once
        self.known: dict[str, str] = {}
        self.unique: list[str] = []
        """Those that stand once in the row."""
        self.named: list[str] = []
        """Those of a function, which stand in calls, in results and in the tools; a template may
        describe a tool twice."""

    def of(self, text: str) -> str:
        """A new word; where texts are compared with each other, one for each text."""
        if not self.once and text in self.known:
            return self.known[text]
        self.known[text] = word = f"zebra{next(self.numbers)}"
        self.unique.append(word)
        return word

    def name(self, text: str) -> str:
        if text not in self.known:
            self.known[text] = f"zebra{next(self.numbers)}"
            self.named.append(self.known[text])
        return self.known[text]

    def wrong_in(self, text: str) -> list[str]:
        """The words that the text of a sample does not have, or not once."""
        missing = [word for word in [*self.named, *self.unique] if word not in text]
        return missing + [word for word in self.unique if self.once and text.count(word) > 1]

    def row(self, value: Any, key: str = "", *, inside: bool = False) -> Any:
        """The value with a word for each text."""
        if key in TECHNICAL:
            return value
        if isinstance(value, dict):
            inside = inside or key in VALUES
            return {name: self.row(item, name, inside=inside) for name, item in value.items()}
        if isinstance(value, list):
            return [self.row(item, key, inside=inside) for item in value]
        if isinstance(value, str) and value.strip():
            return self.text(value, key, inside=inside)
        if inside and isinstance(value, (int, float)) and not isinstance(value, bool):
            return self.of(str(value))
        return value

    def text(self, text: str, key: str, *, inside: bool) -> str:
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if isinstance(value, (dict, list)):
            return json.dumps(self.row(value, key, inside=inside))
        return self.name(text) if key in ("name", "description") else self.of(text)


def worded() -> Iterator[tuple[str, dict[str, Any], Words]]:
    """What a row is, the row with words, and its words."""
    for shape in [*shapes.SCHEMAS, *shapes.WIRE]:
        words = Words(once=True)
        yield shape.what, words.row(shape.row), words
    for judged in [*answers.PAIRS, *answers.LABELLED]:
        # What two texts begin with alike is their prompt: they are more than a word each.
        is_text = isinstance(judged.prompt, str) and "prompt" not in judged.row
        if not is_text and "Human:" not in str(judged.row):
            words = Words(once=False)
            yield judged.what, words.row(judged.row), words


@cache
def rows() -> list[tuple[str, dict[str, Any], Words]]:
    return list(worded())


def assert_no_word_is_lost(directory: Path, stop: list[Any], least: float) -> None:
    """`least`: the share of rows that the template must take."""
    recipe = turnmill.Recipe(tokenizer=directory, stop=stop, history="as-rendered")
    encoder = turnmill.Encoder(recipe)
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    written, lost = 0, []
    for what, row, words in rows():
        made = encoder.encode([row])
        assert made.table.num_rows + made.rejects.num_rows == 1, what
        if made.rejects.num_rows:
            continue
        written += 1
        sample = made.table.to_pylist()[0]
        ids = [sample[name] for name in IDS if name in sample]
        text = "".join(tokenizer.decode(list_, skip_special_tokens=False) for list_ in ids)
        wrong = words.wrong_in(text)
        if wrong and not LOSSES & made.counts.keys():
            lost.append(f"{what}: {wrong} of {json.dumps(row)} in {text!r}; {made.counts}")
    assert not lost, "\n\n".join(lost)
    assert written >= least * len(rows()), written


@pytest.mark.parametrize("model", both(*MODELS))
def test_every_word_of_every_reader_with_a_model(model: str) -> None:
    assert_no_word_is_lost(tokenizer_dir(model), stops(model), 0.4)


@pytest.mark.parametrize("template", QUICK_TEMPLATES)
def test_every_word_of_every_reader_with_a_template(template: str, tmp_path: Path) -> None:
    source = template_text(template)
    assert_no_word_is_lost(marked(source, tmp_path / "model"), stop_of(source), 0.4)


@pytest.mark.full
@pytest.mark.parametrize("template", every_template())
def test_every_word_of_every_reader_with_every_template(template: str, tmp_path: Path) -> None:
    source = template_text(template)
    try:
        assert_no_word_is_lost(marked(source, tmp_path / "model"), stop_of(source), 0.0)
    except turnmill.TurnmillError as error:
        assert error.code in REFUSALS  # noqa: PT017, most templates are taken
