"""Templates that print parts and no text get a text as one part; with tags and without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

import turnmill
from cases import shapes

DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"
UNTAGGED = shapes.PARTS_TEMPLATE
TAGGED = UNTAGGED.replace(
    "{% for part in message['content'] %}",
    "{% if message['role'] == 'assistant' %}{% generation %}"
    "{% for part in message['content'] %}{{ part['text'] }}{% endfor %}<|im_end|>\n"
    "{% endgeneration %}{% else %}{% for part in message['content'] %}",
).replace("{% endfor %}<|im_end|>\n{% endfor %}", "{% endfor %}<|im_end|>\n{% endif %}{% endfor %}")
FIRST = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'][0]['text'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Prints the first part alone."""
ANSWERS_ARE_TEXT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['role'] == 'assistant' %}{{ message['content'] }}"
    "{% else %}{{ message['content'][0]['text'] }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Prints parts of some roles only."""

ROW = {
    "messages": [
        shapes.system(),
        shapes.user("Hi there"),
        shapes.assistant("Hello."),
        shapes.user("Bye"),
        shapes.assistant("Bye."),
    ]
}


def in_parts(messages: list[dict[str, Any]], roles: set[str]) -> list[dict[str, Any]]:
    return [
        {**message, "content": [{"type": "text", "text": message["content"]}]}
        if message["role"] in roles
        else message
        for message in messages
    ]


@pytest.mark.parametrize(
    ("template", "roles"),
    [
        (UNTAGGED, {"system", "user", "assistant"}),
        (TAGGED, {"system", "user", "assistant"}),
        (FIRST, {"system", "user", "assistant"}),
        (ANSWERS_ARE_TEXT, {"system", "user"}),
    ],
    ids=["untagged", "tagged", "first part", "some roles"],
)
def test_a_text_is_printed_as_one_part(template: str, roles: set[str]) -> None:
    recipe = turnmill.Recipe(tokenizer=DEMO, template=template, stop=["<|im_end|>"])
    encoded = turnmill.Encoder(recipe).encode([ROW])
    assert encoded.rejects.to_pylist() == []
    assert encoded.counts["content-as-parts"] == sum(m["role"] in roles for m in ROW["messages"])
    (row,) = encoded.table.to_pylist()
    meant = in_parts(ROW["messages"], roles)
    texts, _ = render_jinja_template(conversations=[meant], chat_template=template)
    tokenizer = turnmill.Tokenizer(DEMO)
    assert row["input_ids"] == tokenizer.encode(texts[0]).tolist()
    trained = [id_ for id_ in row["labels"] if id_ != -100]
    text = b"".join(tokenizer._token_bytes(trained)).decode()
    assert [part.strip() for part in text.split("<|im_end|>")] == ["Hello.", "Bye.", ""]


def test_parts_and_media_stay_as_they_are() -> None:
    recipe = turnmill.Recipe(tokenizer=DEMO, template=UNTAGGED, stop=["<|im_end|>"])
    content = [{"type": "image"}, {"type": "text", "text": "What is it?"}]
    row = {"messages": [shapes.user(), shapes.assistant("A cat.")]}
    row["messages"][0]["content"] = content
    encoded = turnmill.Encoder(recipe).encode([row])
    (ids,) = encoded.table["input_ids"].to_pylist()
    text = b"".join(turnmill.Tokenizer(DEMO)._token_bytes(ids)).decode()
    assert text == "<|im_start|>User: <image>What is it?<|im_end|>\nAssistant: A cat.<|im_end|>\n"


def test_keep_leaves_the_text_and_the_row_is_rejected() -> None:
    recipe = turnmill.Recipe(
        tokenizer=DEMO, template=UNTAGGED, stop=["<|im_end|>"], wire="keep", max_rejects=1.0
    )
    rejects = turnmill.Encoder(recipe).encode([ROW]).rejects
    assert rejects["code"].to_pylist() == ["turn-lost"]


def test_the_study_names_the_roles() -> None:
    assert turnmill.Template(UNTAGGED).study()["part_roles"]
    assert turnmill.Template("chatml").study()["part_roles"] == []
