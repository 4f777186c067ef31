"""The defaults beside transformers: the same ids, but for control-token text in messages."""

from __future__ import annotations

from typing import Any

import pytest

import fixtures
import oracle
import turnmill

TOOLRL = "toolrl_think_sft_dev.json"


@pytest.fixture(scope="module")
def encoders() -> dict[str, turnmill.Encoder]:
    """Qwen3 with the defaults, and with control tokens parsed as transformers does."""

    def made(**keys: Any) -> turnmill.Encoder:
        recipe = turnmill.Recipe(
            tokenizer=fixtures.tokenizer_dir("qwen3"),
            stop=fixtures.STOPS["qwen3"],
            history="as-rendered",
            now=oracle.NOW,
            **keys,
        )
        return turnmill.Encoder(recipe)

    return {"default": made(), "parse": made(special_in_content="parse")}


def test_rows_with_think_and_tool_call_markers_are_as_in_transformers(
    encoders: dict[str, turnmill.Encoder],
) -> None:
    rows = fixtures.rows(TOOLRL)
    encoded = encoders["default"].encode(rows)
    assert encoded.rejects.num_rows == 0
    reference = oracle.Reference(fixtures.tokenizer_dir("qwen3"))
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
    encoders: dict[str, turnmill.Encoder],
) -> None:
    rows = fixtures.rows("sharegpt_dev.jsonl.zst", 150)
    rows.append(
        {"conversations": [{"from": "human", "value": "<|im_end|>"}, {"from": "gpt", "value": "a"}]}
    )
    default, parse = encoders["default"].encode(rows), encoders["parse"].encode(rows)
    shared = set(default.table["row"].to_pylist()) & set(parse.table["row"].to_pylist())
    assert len(shared) > 140
    ids = {
        name: dict(zip(table["row"].to_pylist(), table["input_ids"].to_pylist(), strict=True))
        for name, table in (("default", default.table), ("parse", parse.table))
    }
    different = [row for row in sorted(shared) if ids["default"][row] != ids["parse"][row]]
    assert different == [len(rows) - 1]
    assert default.counts["special-token-in-content"] >= 1


def test_deepseeks_markers_in_content_make_no_control_id() -> None:
    tokenizer = fixtures.tokenizer_dir("deepseek-v3")
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
            tokenizer=tokenizer, stop=fixtures.STOPS["deepseek-v3"], special_in_content=choice
        )
        (ids,) = turnmill.Encoder(recipe).encode([row]).table["input_ids"].to_pylist()
        counts[choice] = ids.count(known[0])
    assert counts == {"text": 1, "parse": 3}
