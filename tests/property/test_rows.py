"""Rows given as Python objects become what the same rows become as JSON Lines.

One difference is meant: of objects, columns that the schema does not read are not looked at.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import turnmill
from fixtures import ROOT

TOKENIZER = ROOT / "python" / "turnmill" / "demo" / "tokenizer"
GOOD = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "你好"}]}

texts = st.sampled_from(["", "a", "你好", "<|im_end|>", " x\n", "\x00", "\ud800"])
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts)
keys = st.sampled_from(["content", "text", "type", "x", "function", "name", "arguments"])
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=6,
)
messages = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "assistant", "system", "tool", "bot", None, 3]),
        "content": st.one_of(texts, values),
    },
    optional={
        "tool_calls": values,
        "reasoning_content": values,
        "weight": values,
        "x": values,
    },
)
rows = st.fixed_dictionaries(
    {"messages": st.one_of(st.lists(messages, max_size=4), values)},
    optional={"tools": values, "chat_template_kwargs": values},
)


@pytest.fixture(scope="module")
def encoder() -> turnmill.Encoder:
    return turnmill.Encoder(turnmill.Recipe(tokenizer=TOKENIZER))


def rejects(encoded: turnmill.Encoded) -> list[Any]:
    """Row, rule and message of every reject; a reason may name a column of the JSON text."""
    return encoded.rejects.select(["row", "code", "message"]).to_pylist()


@given(some=st.lists(rows, max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_objects_and_json_lines_agree(
    encoder: turnmill.Encoder, tmp_path_factory: pytest.TempPathFactory, some: list[Any]
) -> None:
    path = Path(tmp_path_factory.getbasetemp(), "rows.jsonl")
    path.write_text("".join(json.dumps(row) + "\n" for row in [GOOD, *some]), "utf-8")
    from_objects, from_json = encoder.encode([GOOD, *some]), encoder.encode(path)
    assert from_objects.table.equals(from_json.table)
    assert rejects(from_objects) == rejects(from_json)
    accounted = {*from_json.table["row"].to_pylist(), *from_json.rejects["row"].to_pylist()}
    assert accounted == set(range(len(some) + 1))
