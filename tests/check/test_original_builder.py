"""The audit of data made by the builder that this project exists because of.

Chinese-LLaMA-Alpaca-3 wrapped its prompts in the Llama-3 format and left the answers bare, so no
sample ended in `<|eot_id|>`. The corrected builder appends it, then cuts the row at the limit.
"""

from __future__ import annotations

import pyarrow as pa
import pytest
from tokenizers import Tokenizer

import turnmill
from fixtures import both, rows, stops, tokenizer_dir

CASES = list(
    zip(both("llama-3.2-instruct"), ("demo-alpaca", "ruozhiba_gpt4t_zh.json.zst"), strict=True)
)
HEADER = "<|start_header_id|>{role}<|end_header_id|>\n\n"
SYSTEM = "You are a helpful assistant. 你是一个乐于助人的助手。"


@pytest.fixture(scope="module", params=CASES, ids=[name for name, _ in CASES])
def case(request):
    """A tokenizer by its name, and the rows that are built with it."""
    name, data = request.param
    return name, rows(data)


def build(case, *, corrected, max_length):
    """What the builder makes of rows; prompt and answer are tokenized apart and then cut."""
    name, rows = case
    tokenizer = Tokenizer.from_file(str(tokenizer_dir(name) / "tokenizer.json"))
    sources, targets = [], []
    for row in rows:
        instruction = row["instruction"] + ("\n" + row["input"] if row["input"] else "")
        sources.append(
            HEADER.format(role="system")
            + f"{SYSTEM}<|eot_id|>"
            + HEADER.format(role="user")
            + f"{instruction}<|eot_id|>"
            + HEADER.format(role="assistant")
        )
        targets.append(row["output"] + ("<|eot_id|>" if corrected else ""))
    encoded = [
        [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]
        for texts in (sources, targets)
    ]
    ids, labels = [], []
    for source, target in zip(*encoded, strict=True):
        ids.append((source + target)[:max_length])
        labels.append(([-100] * len(source) + target)[:max_length])
    return pa.table(
        {
            "input_ids": pa.array(ids, pa.list_(pa.int32())),
            "labels": pa.array(labels, pa.list_(pa.int64())),
        }
    )


def test_the_uncorrected_builder_lacks_the_terminator_in_every_row(case):
    table = build(case, corrected=False, max_length=512)
    findings = turnmill.check(table, tokenizer=tokenizer_dir(case[0]), stop=stops(case[0]))
    missing = findings.rules["missing-terminator"]
    assert (missing.rate, missing.count) == (1.0, len(case[1]))
    assert "truncated-terminator" not in findings.rules
    assert not findings.ok
    place = missing.evidence[0]
    assert (place["row"], place["turn"]) == (0, 0)
    assert "".join(token["text"] for token in place["tokens"] if token["trained"])
    assert case[1][0]["output"].endswith(place["tokens"][-1]["text"])


@pytest.mark.parametrize("max_length", [512, 320, 256])
def test_the_corrected_builder_lacks_it_exactly_where_it_cut(case, max_length):
    whole = build(case, corrected=True, max_length=1 << 20)
    table = build(case, corrected=True, max_length=max_length)
    cut = [
        row
        for row, ids in enumerate(whole["input_ids"].to_pylist())
        if len(ids) > max_length and any(x != -100 for x in table["labels"][row].as_py())
    ]
    findings = turnmill.check(
        table, tokenizer=tokenizer_dir(case[0]), stop=stops(case[0]), evidence=5000
    )
    errors = {name for name, found in findings.rules.items() if found.severity == "error"}
    assert errors - {"all-labels-masked"} == ({"truncated-terminator"} if cut else set())
    found = findings.rules.get("truncated-terminator")
    places = found.evidence if found else []
    assert [place["row"] for place in places] == cut
    assert {place["note"] for place in places} <= {f"cut at {max_length} tokens"}
