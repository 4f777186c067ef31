"""What the choices of a recipe do to a conversation, against transformers and tokenizers.

The text of every sample is transformers' render, its ids are those of the wheel; what is trained is
written down here.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

import fixtures
import turnmill
from conversations import SEARCH, TOOLS, assistant, call, tool, user
from fixtures import both, stops, template_text
from oracle import NOW, Reference, Rendered, Row, frozen_clock

Messages = list[dict[str, Any]]


@cache
def reference(tokenizer: str, template: str | None = None) -> Reference:
    source = template_text(template) if template else None
    return Reference(fixtures.tokenizer_dir(tokenizer), source)


def rendered(model: Reference, messages: Messages, **keys: Any) -> str:
    """What transformers renders."""
    with frozen_clock():
        found = Reference.render(_With(model, keys), Row(messages, keys.pop("tools", None)))
    assert isinstance(found, Rendered), found
    return found.text


class _With(Reference):
    """A reference with more variables."""

    def __init__(self, model: Reference, variables: dict[str, Any]) -> None:
        self.tokenizer, self.template = model.tokenizer, model.template
        more = {key: value for key, value in variables.items() if key != "tools"}
        self.tokens = {**model.tokens, **more}


def encode(tokenizer: str, *rows: dict[str, Any], **choices: Any) -> turnmill.Encoded:
    choices = {"stop": stops(tokenizer), "now": NOW, **choices}
    recipe = turnmill.Recipe(tokenizer=fixtures.tokenizer_dir(tokenizer), **choices)
    return turnmill.Encoder(recipe).encode(list(rows))


def only(encoded: turnmill.Encoded) -> dict[str, Any]:
    assert encoded.rejects.to_pylist() == []
    (row,) = encoded.table.to_pylist()
    return dict(row)


def runs(model: Reference, row: dict[str, Any]) -> list[str]:
    """The text of each trained run."""
    found: list[list[int]] = [[]]
    for label in row["labels"]:
        if label != -100:
            found[-1].append(label)
        elif found[-1]:
            found.append([])
    return [model.tokenizer.decode(ids, skip_special_tokens=False) for ids in found if ids]


ASK = user("2+2?")
FIELD = [ASK, assistant("4", reasoning_content="Two.")]
INLINE = [ASK, assistant("<think>\nTwo.\n</think>\n\n4")]
NONE = [ASK, assistant("4")]
THOUGHT, EMPTY = "<think>\nTwo.\n</think>\n\n", "<think>\n\n</think>\n\n"


QWEN = pytest.mark.parametrize("tokenizer", both("qwen3"))
LLAMA = pytest.mark.parametrize("tokenizer", both("llama-3.2-instruct"))


@QWEN
@pytest.mark.parametrize(
    ("reasoning", "of_field", "of_none"),
    [
        ("train", [THOUGHT + "4<|im_end|>"], ["4<|im_end|>"]),
        ("train-empty", [THOUGHT + "4<|im_end|>"], [EMPTY + "4<|im_end|>"]),
        ("mask", ["<think>", "</think>\n\n4<|im_end|>"], ["4<|im_end|>"]),
    ],
)
def test_reasoning_is_trained_as_chosen(
    tokenizer: str, reasoning: str, of_field: list[str], of_none: list[str]
) -> None:
    model = reference(tokenizer)
    data = [FIELD, INLINE, NONE]
    encoded = encode(tokenizer, *({"messages": messages} for messages in data), reasoning=reasoning)
    assert encoded.rejects.to_pylist() == []
    rows = encoded.table.to_pylist()
    texts = [rendered(model, messages) for messages in data]
    assert [row["input_ids"] for row in rows] == model.encode(texts)
    assert [runs(model, row) for row in rows] == [of_field, of_field, of_none]
    # The template reads reasoning inside the content as it reads the field.
    assert encoded.counts["reasoning-inline"] == 1


@LLAMA
def test_reasoning_in_the_content_is_text_where_the_template_reads_none(tokenizer: str) -> None:
    model = reference(tokenizer)
    encoded = encode(tokenizer, {"messages": INLINE})
    assert runs(model, only(encoded)) == [THOUGHT + "4<|eot_id|>"]
    assert encoded.counts["reasoning-inline"] == 1, "a note, as in a check of the rows"


@QWEN
def test_reasoning_in_the_content_counts_as_reasoning_that_would_be_lost(tokenizer: str) -> None:
    messages = [*INLINE, user("sure?"), assistant("Yes")]
    with pytest.raises(turnmill.RecipeError) as raised:
        encode(tokenizer, {"messages": messages})
    assert raised.value.code == "reasoning-dropped"


@LLAMA
def test_the_date_is_the_recipes(tokenizer: str) -> None:
    model = reference(tokenizer)
    row = only(encode(tokenizer, {"messages": NONE}))
    text = rendered(model, NONE)
    assert "04 Mar 2026" in text
    assert [row["input_ids"]] == model.encode([text])


@LLAMA
def test_a_rows_variables_win_over_the_recipes(tokenizer: str) -> None:
    model = reference(tokenizer)
    data = [
        {"messages": NONE},
        {"messages": NONE, "chat_template_kwargs": {"date_string": "1 May 2020"}},
    ]
    recipe = {"date_string": "9 Sep 1999"}
    encoded = encode(tokenizer, *data, template_kwargs=recipe)
    assert encoded.rejects.to_pylist() == []
    dates = ("9 Sep 1999", "1 May 2020")
    texts = [rendered(model, NONE, date_string=date) for date in dates]
    assert encoded.table["input_ids"].to_pylist() == model.encode(texts)


@pytest.mark.parametrize(
    "tokenizer",
    [
        "small-gemma-3",
        pytest.param("gemma-3", marks=pytest.mark.full),
        *both("mistral-7b-instruct-v0.3"),
    ],
)
def test_a_leading_answer_is_trimmed_where_it_is_asked_for(tokenizer: str) -> None:
    model = reference(tokenizer)
    messages = [assistant("Welcome."), ASK, assistant("4")]
    kept = encode(tokenizer, {"messages": messages})
    assert kept.rejects["code"].to_pylist() == ["template-error"]
    encoded = encode(tokenizer, {"messages": messages}, role_order="trim")
    assert [only(encoded)["input_ids"]] == model.encode([rendered(model, messages[1:])])
    assert encoded.counts["turn-without-prompt"] == 1


@QWEN
def test_a_leading_answer_is_context_where_the_template_takes_it(tokenizer: str) -> None:
    model = reference(tokenizer)
    messages = [assistant("Welcome."), ASK, assistant("4")]
    row = only(encode(tokenizer, {"messages": messages}))
    assert [row["input_ids"]] == model.encode([rendered(model, messages)])
    assert runs(model, row) == ["4<|im_end|>"]


QUICK = (*fixtures.SMALL, "qwen3", "mistral-7b-instruct-v0.3", "phi-3-mini")


@pytest.mark.parametrize(
    "tokenizer",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.full)
        for name in fixtures.TOKENIZERS
    ],
)
def test_apart_is_the_prompt_and_the_answer_each_for_itself(tokenizer: str) -> None:
    model = reference(tokenizer)
    messages = [ASK, assistant("  4, "), user("a\n"), assistant("\n\nb")]
    row = only(encode(tokenizer, {"messages": messages}, boundary="apart", history="as-rendered"))
    text = rendered(model, messages)
    cuts = [0]
    for turn in (1, 3):
        prompt = rendered(model, messages[:turn], add_generation_prompt=True)
        assert text.startswith(prompt)
        cuts.append(len(prompt))
    parts = [text[a:b] for a, b in zip(cuts, [*cuts[1:], None], strict=True)]
    assert row["input_ids"] == [id_ for ids in model.encode(parts) for id_ in ids]


CHAIN = [
    user("find"),
    assistant("", tool_calls=[SEARCH]),
    tool("nothing"),
    assistant("Nothing."),
    user("thanks"),
    assistant("Bye."),
]
IDENTIFIED = [
    user("find"),
    assistant("", tool_calls=[call("search", {"query": "a"}, id="abcdefghi")]),
    tool("nothing", tool_call_id="abcdefghi"),
    assistant("Nothing."),
    user("thanks"),
    assistant("Bye."),
]
PLAIN = [ASK, assistant("4"), user("sure?"), assistant("Yes")]

RETURN = ["<|return|>", "<|endoftext|>", "<|call|>"]
"""Stops of gpt-oss without the token that closes an earlier message."""

ENDINGS: dict[str, tuple[str, str | None, Messages, list[str]]] = {
    "phi-3, the eos behind the loop": (
        "phi-3-mini",
        "llamacpp.microsoft-Phi-3.5-mini-instruct",
        PLAIN,
        ["4<|end|>", "Yes<|end|>"],
    ),
    "mistral, no generation prompt": (
        "mistral-7b-instruct-v0.3",
        None,
        PLAIN,
        ["4</s>", "Yes</s>"],
    ),
    "mistral, calls": (
        "mistral-7b-instruct-v0.3",
        None,
        IDENTIFIED,
        [
            '[TOOL_CALLS] [{"name": "search", "arguments": {"query": "a"}, "id": "abcdefghi"}]</s>',
            "Nothing.</s>",
            "Bye.</s>",
        ],
    ),
    "deepseek, after a tool's result": (
        "deepseek-v3",
        "llamacpp.deepseek-ai-DeepSeek-V3.1",
        [
            user("find"),
            assistant("", tool_calls=[call("search", {"a": 1})]),
            tool("x"),
            assistant("Here."),
        ],
        [
            '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>search<｜tool▁sep｜>{"a": 1}'
            "<｜tool▁call▁end｜><｜tool▁calls▁end｜><｜end▁of▁sentence｜>",
            "Here.<｜end▁of▁sentence｜>",
        ],
    ),
    "gpt-oss, the last turn alone": (
        "gpt-oss",
        "llamacpp.openai-gpt-oss-120b",
        PLAIN,
        ["<|channel|>final<|message|>Yes<|return|>"],
    ),
}


OWN_TEMPLATES = {
    "phi-3, the eos behind the loop": None,
    "mistral, no generation prompt": None,
    "mistral, calls": None,
    "gpt-oss, the last turn alone": "unseen/harmony",
}
"""The template of the small model in each of these cases; DeepSeek-V3.1 has none of ours."""
for _case, _template in OWN_TEMPLATES.items():
    _name, _, _messages, _ends = ENDINGS[_case]
    ENDINGS[f"small {_case}"] = (f"small-{_name}", _template, _messages, _ends)
ENDINGS["small deepseek, a call"] = (
    "small-deepseek-v3",
    None,
    [user("find"), assistant("Here.", tool_calls=None), user("again"), assistant("There.")],
    ["Here.<｜end▁of▁sentence｜>", "There.<｜end▁of▁sentence｜>"],
)


@pytest.mark.parametrize("case", ENDINGS)
def test_a_turn_ends_where_serving_stops(case: str) -> None:
    tokenizer, template, messages, trained = ENDINGS[case]
    is_gpt_oss = "gpt-oss" in tokenizer
    model = reference(tokenizer, template)
    tools = TOOLS if any("tool_calls" in message for message in messages) else None
    choices: dict[str, Any] = {"history": "as-rendered"}
    if template:
        choices["template"] = template_text(template)
    if is_gpt_oss:
        choices["stop"] = RETURN
    encoded = encode(tokenizer, {"messages": messages, "tools": tools}, **choices)
    row = only(encoded)
    assert [row["input_ids"]] == model.encode([rendered(model, messages, tools=tools)])
    assert [text.strip() for text in runs(model, row)] == trained
    assert encoded.counts.get("untrained-assistant-turn", 0) == is_gpt_oss


@pytest.mark.parametrize(
    ("tokenizer", "template"),
    [("small-gpt-oss", "unseen/harmony"), ("gpt-oss", "llamacpp.openai-gpt-oss-120b")],
)
def test_every_turn_of_gpt_oss_is_trained_where_the_history_is_expanded(
    tokenizer: str, template: str
) -> None:
    model = reference(tokenizer, template)
    encoded = encode(
        tokenizer,
        {"messages": PLAIN},
        history="expand",
        template=template_text(template),
        stop=RETURN,
    )
    rows = encoded.table.to_pylist()
    expected = [rendered(model, PLAIN[:2]), rendered(model, PLAIN)]
    assert [row["input_ids"] for row in rows] == model.encode(expected)
    trained = [text for row in rows for text in runs(model, row)]
    final = "<|channel|>final<|message|>"
    assert trained == [f"{final}4<|return|>", f"{final}Yes<|return|>"]


# TRL's tags hold the newline of the header, which the generation prompt has already.
@pytest.mark.parametrize(
    ("tokenizer", "template", "extra"),
    [("small-qwen3", "built-in/qwen2.5", ""), ("qwen3", "trl.qwen2_5_training", "\n")],
)
def test_spans_come_from_tags_or_are_inferred_as_chosen(
    tokenizer: str, template: str, extra: str
) -> None:
    with pytest.raises(turnmill.TemplateError) as raised:
        encode(tokenizer, {"messages": NONE}, spans="tags")
    assert raised.value.code == "template-spans"
    source = template_text(template)
    found = {
        spans: only(encode(tokenizer, {"messages": PLAIN}, spans=spans, template=source))
        for spans in ("auto", "tags", "inferred")
    }
    assert found["auto"] == found["tags"]
    model = reference(tokenizer)
    tagged, inferred = ([*runs(model, found[spans])] for spans in ("tags", "inferred"))
    assert inferred == ["4<|im_end|>", "Yes<|im_end|>"]
    assert tagged == [extra + text for text in inferred]
