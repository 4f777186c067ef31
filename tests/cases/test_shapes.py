"""Every shape of `shapes.py` is read as its author meant it, and counted; exact mode leaves it."""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import turnmill
from cases import shapes
from cases.shapes import Refused, Shape
from turnmill import _core

DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"
ROOT = Path(__file__).parents[2]
ALL = [*shapes.SCHEMAS, *shapes.WIRE]


@cache
def encoder(wire: str = "normalise") -> turnmill.Encoder:
    recipe = turnmill.Recipe(
        tokenizer=DEMO,
        template="qwen3",
        stop=["<|im_end|>"],
        history="as-rendered",
        columns=["labels", "weights"],
        max_rejects=1.0,
        wire=wire,
    )
    return turnmill.Encoder(recipe)


def look(row: dict[str, Any], wire: str = "normalise") -> dict[str, Any]:
    session = encoder(wire)._session
    schema = session.inspect(_core.Head([row]), "rows").schema
    found = session.look(json.dumps(row).encode(), schema)
    assert found is not None
    return found


@pytest.mark.parametrize("shape", ALL, ids=lambda shape: shape.what)
def test_the_template_gets_the_conversation_that_is_meant(shape: Shape) -> None:
    found = look(shape.row)
    assert found.get("reject") is None
    assert found["messages"] == shape.messages
    assert found["tools"] == shape.tools


@pytest.mark.parametrize("shape", ALL, ids=lambda shape: shape.what)
def test_every_change_is_counted(shape: Shape) -> None:
    encoded = encoder().encode([shape.row])
    assert encoded.rejects.to_pylist() == []
    counted = {rule: count for rule, count in encoded.counts.items() if rule in RULES}
    assert counted == shape.rules


RULES = {rule for shape in shapes.WIRE for rule in shape.rules}


@pytest.mark.parametrize("shape", shapes.SCHEMAS, ids=lambda shape: shape.what)
def test_a_row_that_needs_nothing_is_the_same_with_keep(shape: Shape) -> None:
    kept, normalised = look(shape.row, "keep"), look(shape.row)
    assert kept == normalised


@pytest.mark.parametrize("shape", shapes.WIRE, ids=lambda shape: shape.what)
def test_keep_leaves_the_messages_as_transformers_takes_them(shape: Shape) -> None:
    if "messages" not in shape.row or "messages-parsed" in shape.rules:
        return
    found = look(shape.row, "keep")
    taken = [
        {key: value for key, value in message.items() if value is not None}
        for message in shape.row["messages"]
    ]
    if "messages" not in found:
        # Only parts and tools that transformers does not know are refused.
        assert "blocks-read" in shape.rules or isinstance(shape.row["tools"], dict)
    else:
        assert found["messages"] == taken


@pytest.mark.parametrize("refused", shapes.REFUSED, ids=lambda refused: refused.what)
def test_what_cannot_be_read_is_left_out_under_its_rule(refused: Refused) -> None:
    rejects = encoder().encode([refused.row]).rejects
    assert rejects["code"].to_pylist() == [refused.rule]


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ("2+3", "is a list of plain strings: make it one text, or parts such as"),
        (5, "is a list with an integer in it, which is no part"),
    ],
)
def test_a_list_without_parts_is_told_what_to_become(item: Any, says: str) -> None:
    rejects = encoder().encode([{"messages": [shapes.user([item]), shapes.assistant()]}]).rejects
    assert f"the content of `user` {says}" in rejects["reason"][0].as_py()


def test_the_weight_of_a_row_is_that_of_its_tokens() -> None:
    row = {"weight": 0.25, "messages": [shapes.user(), shapes.assistant(weight=2)]}
    (weights,) = encoder().encode([row]).table["weights"].to_pylist()
    assert set(weights) == {0.0, 0.5}


def test_the_document_is_made_from_the_shapes() -> None:
    path = ROOT / "scripts" / "reading.py"
    spec = importlib.util.spec_from_file_location("reading", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / "reading.md").read_text("utf-8") == module.page()
