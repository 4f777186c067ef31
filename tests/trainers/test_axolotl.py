"""`as_axolotl_prepares` against Axolotl 0.19.0's own strategy.

It needs the wheel's files: `pip install --no-deps axolotl==0.19.0`. The strategy needs torch only
by way of what it imports, so that is replaced by stand-ins.
"""

from __future__ import annotations

import copy
import importlib.util
import logging
import sys
import types

import pytest
from pydantic import BaseModel
from transformers import AutoTokenizer

import fixtures
from conversations import assistant, call, system, user
from fixtures import TOKENIZERS, spread, tokenizer_dir
from oracle import Row, messages, sharegpt
from turnmill.integrations.axolotl import as_axolotl_prepares

SPEC = importlib.util.find_spec("axolotl")
pytestmark = pytest.mark.skipif(SPEC is None, reason="Axolotl is not installed")


class Config(dict[str, object]):
    """A configuration whose keys are attributes."""

    __getattr__ = dict.get


class Strategy:
    """What the strategy inherits."""

    def __init__(self, prompter, tokenizer, train_on_inputs=False, sequence_len=2048):
        self.prompter, self.tokenizer = prompter, tokenizer
        self.train_on_inputs, self.sequence_len = train_on_inputs, sequence_len


@pytest.fixture(scope="module")
def axolotl():
    with pytest.MonkeyPatch.context() as patch:

        def stand_in(name, **contents):
            module = types.ModuleType(name)
            vars(module).update(contents)
            patch.setitem(sys.modules, name, module)

        (root,) = SPEC.submodule_search_locations
        for name in ("", ".prompt_strategies", ".utils", ".utils.schemas"):
            stand_in("axolotl" + name, __path__=[root + name.replace(".", "/")])
        quiet = logging.getLogger("quiet")
        patch.setattr(quiet, "disabled", True)
        stand_in("axolotl.utils.logging", get_logger=lambda _: quiet)
        stand_in("axolotl.utils.dict", remove_none_values=without_nulls)
        stand_in("axolotl.prompters", IGNORE_TOKEN_ID=-100, Prompter=object)
        stand_in("axolotl.prompt_tokenizers", PromptTokenizingStrategy=Strategy)
        stand_in(
            "axolotl.utils.chat_templates",
            get_chat_template_from_config=own_template,
        )
        stand_in("axolotl.utils.schemas.datasets", DatasetConfig=BaseModel)
        name = "axolotl.prompt_strategies.chat_template"
        patch.delitem(sys.modules, name, raising=False)
        yield importlib.import_module(name)
        patch.delitem(sys.modules, name, raising=False)


def own_template(tokenizer, **_):
    """The tokenizer's own template."""
    return tokenizer.chat_template


def without_nulls(value):
    """As `remove_none_values` of Axolotl."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def detail(*parts):
    keys = ("begin_offset", "end_offset", "train")
    return [dict(zip(keys, part, strict=True)) for part in parts]


def rows():
    found = [
        [system("Be brief."), user("Hi"), assistant(" I am\n"), user("And?"), assistant("你😀 no")],
        [user("Hi"), assistant("[[dummy"), {**user("x"), "keep": True}, assistant("[z")],
        [user("Hi"), {**assistant("[z"), "keep": False}, user("q"), assistant("")],
        [user("Hi"), {**assistant("Let me"), "detail": []}],
        [
            user("Hi"),
            {
                **assistant("Let me think. The answer is 4.\nWell!"),
                "detail": detail((0, 13, False), (14, 29, True), (30, 35, False)),
            },
        ],
        [
            user("2+2"),
            assistant([{"text": "Hm..", "train": False}, {"text": " four", "weight": 1}]),
        ],
        [user("2+2"), {**assistant("four"), "reasoning_content": "I add."}],
        [
            user("2+2"),
            {
                **assistant([{"text": "fo", "weight": 0}, {"text": "ur"}]),
                "reasoning_content": [{"text": "I add", "train": False}, {"text": " two"}],
            },
        ],
        [user("w"), assistant("", tool_calls=[call("add", {"a": 1})])],
    ]
    made = [{"messages": chat} for chat in found]
    made.append({"messages": found[0][1:], "system": "From the row."})
    for name, read in (("demo-messages", messages), ("demo-sharegpt", sharegpt)):
        taken = [read(row) for row in spread(fixtures.rows(name), 3)]
        made += [{"messages": row.messages} for row in taken if isinstance(row, Row)]
    return made


FLAGS = {"message_field_training": "keep", "message_field_training_detail": "detail"}
ENDS = {"eot_tokens": ["<|im_end|>", "<end_of_turn>", "<|eot_id|>", "<|end|>"]}
OPTIONS = [
    ({}, {}),
    (FLAGS, {}),
    ({**FLAGS, "train_on_eos": "all"}, {}),
    ({**FLAGS, "train_on_eos": "last"}, {}),
    ({**FLAGS, "train_on_eos": "none"}, {}),
    ({**FLAGS, "roles_to_train": ["assistant", "human"], "drop_system_message": True}, {}),
    (FLAGS, ENDS),
    (FLAGS, {"train_on_inputs": True}),
]


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize(("options", "config"), OPTIONS)
def test_labels_of_axolotl(axolotl, name, options, config):
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_dir(name))
    given = Config({"train_on_inputs": False, "sequence_len": 1 << 20, **config})
    strategy = axolotl.load(tokenizer, given, options)
    compared = 0
    for row in rows():
        try:
            theirs = strategy.tokenize_prompt(copy.deepcopy(row))
        except Exception:  # noqa: BLE001 - templates raise anything
            continue
        (ours,) = as_axolotl_prepares([row], tokenizer, options, config)
        assert ours["input_ids"] == list(theirs["input_ids"])
        assert ours["labels"] == theirs["labels"], row
        compared += 1
    assert compared > 3
