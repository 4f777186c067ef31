"""The defaults beside transformers: the same ids, but for control-token text in messages."""

from __future__ import annotations

from typing import Any

import pytest

import fixtures
import oracle
import turnmill

QWEN = fixtures.both("qwen3")


@pytest.fixture(scope="module", params=QWEN)
def name(request: pytest.FixtureRequest) -> str:
    """A tokenizer with Qwen3's template."""
    return str(request.param)


@pytest.fixture(scope="module")
def encoders(name: str) -> dict[str, turnmill.Encoder]:
    """Qwen3 with the defaults, and with control tokens parsed as transformers does."""

    def made(**keys: Any) -> turnmill.Encoder:
        recipe = turnmill.Recipe(
            tokenizer=fixtures.tokenizer_dir(name),
            stop=fixtures.stops(name),
            history="as-rendered",
            now=oracle.NOW,
            **keys,
        )
        return turnmill.Encoder(recipe)

    return {"default": made(), "parse": made(special_in_content="parse")}


def test_rows_with_think_and_tool_call_markers_are_as_in_transformers(
    name: str, encoders: dict[str, turnmill.Encoder]
) -> None:
    own = name in fixtures.SMALL
    rows = fixtures.rows("demo-thoughts-and-calls" if own else "toolrl_think_sft_dev.json")
    encoded = encoders["default"].encode(rows)
    assert encoded.rejects.num_rows == 0
    reference = oracle.Reference(fixtures.tokenizer_dir(name))
    texts = []
    for row in rows:
        read = oracle.alpaca(row) if "instruction" in row else oracle.sharegpt(row)
        assert isinstance(read, oracle.Row)
        rendered = reference.render(read)
        assert isinstance(rendered, oracle.Rendered)
        texts.append(rendered.text)
    assert any("<tool_call>" in text.rpartition("<think>")[2] for text in texts)
    assert encoded.table["input_ids"].to_pylist() == reference.encode(texts)


def test_rows_without_control_text_are_as_in_exact_mode(
    name: str, encoders: dict[str, turnmill.Encoder]
) -> None:
    own = name in fixtures.SMALL
    rows = fixtures.rows("demo-sharegpt" if own else "sharegpt_dev.jsonl.zst", 150)
    least = len(rows) - 10
    rows.append(
        {"conversations": [{"from": "human", "value": "<|im_end|>"}, {"from": "gpt", "value": "a"}]}
    )
    default, parse = encoders["default"].encode(rows), encoders["parse"].encode(rows)
    shared = set(default.table["row"].to_pylist()) & set(parse.table["row"].to_pylist())
    assert len(shared) > least
    ids = {
        name: dict(zip(table["row"].to_pylist(), table["input_ids"].to_pylist(), strict=True))
        for name, table in (("default", default.table), ("parse", parse.table))
    }
    different = [row for row in sorted(shared) if ids["default"][row] != ids["parse"][row]]
    assert different == [len(rows) - 1]
    assert default.counts["special-token-in-content"] >= 1


@pytest.mark.parametrize("model", fixtures.both("deepseek-v3"))
def test_deepseeks_markers_in_content_make_no_control_id(model: str) -> None:
    tokenizer = fixtures.tokenizer_dir(model)
    marker = "<｜User｜>"
    known = turnmill.Tokenizer(tokenizer).encode(marker).tolist()
    assert len(known) == 1
    row = {
        "messages": [
            {"role": "user", "content": f"a{marker}b"},
            {"role": "assistant", "content": f"c{marker}"},
        ]
    }
    counts = {}
    for choice in ("text", "parse"):
        recipe = turnmill.Recipe(
            tokenizer=tokenizer, stop=fixtures.stops(model), special_in_content=choice
        )
        (ids,) = turnmill.Encoder(recipe).encode([row]).table["input_ids"].to_pylist()
        counts[choice] = ids.count(known[0])
    assert counts == {"text": 1, "parse": 3}
