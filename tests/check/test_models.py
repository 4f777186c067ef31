"""Clean data of every model raises no error; each defect of it is named at its row and turn."""

from __future__ import annotations

import pyarrow as pa
import pytest

import turnmill
from fixtures import TOKENIZERS, both, stops, token_id, tokenizer_dir

CHAT = [
    {"role": "user", "content": "Hello there"},
    {"role": "assistant", "content": "Hi, how are you?"},
    {"role": "user", "content": "Fine."},
    {"role": "assistant", "content": "Good to hear."},
]
LOCATED = tuple(name for name in TOKENIZERS if "gpt-oss" not in name)
"""gpt-oss ends its turns in a token that its public stop set does not hold: a run stops there."""


def encoded(name, messages=CHAT):
    recipe = turnmill.Recipe(tokenizer=tokenizer_dir(name), stop=stops(name))
    table = turnmill.Encoder(recipe).encode([{"messages": messages}]).table
    return table["input_ids"][0].as_py(), table["labels"][0].as_py()


def audit(name, ids, labels):
    table = pa.table({"input_ids": [ids], "labels": [labels]})
    return turnmill.check(table, tokenizer=tokenizer_dir(name), stop=stops(name), max_length=9999)


def errors(findings):
    return [name for name, found in findings.rules.items() if found.severity == "error"]


def runs(labels):
    """Start and end of each trained run."""
    edges = [i for i in range(1, len(labels)) if (labels[i] == -100) != (labels[i - 1] == -100)]
    if labels[-1] != -100:
        edges.append(len(labels))
    return list(zip(edges[::2], edges[1::2], strict=True))


@pytest.mark.parametrize("name", LOCATED)
def test_clean_data_is_clean_and_replays(name):
    findings = audit(name, *encoded(name))
    assert errors(findings) == []
    assert findings.ok
    assert findings.facts["turns"] == 2
    assert findings.facts["replay"]["rate"] in {1.0, None}
    assert findings.facts["notes"] == []


@pytest.mark.parametrize("name", LOCATED)
def test_a_terminator_masked_in_the_first_turn(name):
    ids, labels = encoded(name)
    (_, end), _ = runs(labels)
    labels[end - 1] = -100
    findings = audit(name, ids, labels)
    assert errors(findings) == ["terminator-masked"]
    place = findings.rules["terminator-masked"].evidence[0]
    assert (place["row"], place["turn"]) == (0, 0)


@pytest.mark.parametrize("name", LOCATED)
def test_a_terminator_left_out_of_the_last_turn(name):
    ids, labels = encoded(name)
    _, (_, end) = runs(labels)
    findings = audit(name, ids[: end - 1], labels[: end - 1])
    assert errors(findings) == ["missing-terminator"]
    assert findings.rules["missing-terminator"].evidence[0]["turn"] == 1


@pytest.mark.parametrize("name", LOCATED)
def test_prompts_in_the_loss(name):
    ids, _ = encoded(name)
    assert "prompt-in-loss" in errors(audit(name, ids, list(ids)))


@pytest.mark.parametrize("name", both("qwen3", "llama-3.2-instruct", "gemma-3", "deepseek-v3"))
def test_labels_one_token_late(name):
    ids, labels = encoded(name)
    shifted = [-100, *labels[:-1]]
    late = [id_ if label != -100 else -100 for id_, label in zip(ids, shifted, strict=True)]
    assert "mask-off-by-one" in errors(audit(name, ids, late))
    early = [
        id_ if label != -100 else -100 for id_, label in zip(ids, [*labels[1:], -100], strict=True)
    ]
    assert "mask-off-by-one" in errors(audit(name, ids, early))


@pytest.mark.parametrize("name", both("qwen3", "llama-3.2-instruct", "gemma-3"))
def test_an_untrained_turn_and_a_generation_prompt(name):
    ids, labels = encoded(name)
    (start, end), (second, _) = runs(labels)
    one = labels[:start] + [-100] * (end - start) + labels[end:]
    findings = audit(name, ids, one)
    assert "untrained-assistant-turn" in findings.rules
    assert errors(audit(name, ids[:second], labels[:second])) == ["generation-prompt-in-sample"]


@pytest.mark.parametrize("name", both("qwen3"))
def test_a_prompt_that_the_server_tokenizes_otherwise(name):
    ids, labels = encoded(name)
    tokenizer = turnmill.Tokenizer(tokenizer_dir(name))
    place = ids.index(tokenizer.encode("Hello").tolist()[0])
    apart = tokenizer.encode("H").tolist() + tokenizer.encode("ello").tolist()
    ids, labels = ids[:place] + apart + ids[place + 1 :], [-100] * (len(apart) - 1) + labels
    findings = audit(name, ids, labels)
    assert errors(findings) == ["prompt-parity"]
    assert findings.facts["replay"]["rate"] == 0.0
    assert findings.rules["prompt-parity"].evidence[0]["row"] == 0


@pytest.mark.parametrize(
    ("name", "base"),
    [
        *((name, "<|endoftext|>") for name in both("qwen3")),
        *((name, "<|end_of_text|>") for name in both("llama-3.2-instruct")),
    ],
)
def test_the_base_models_stop_set(name, base):
    ids, labels = encoded(name)
    table = pa.table({"input_ids": [ids], "labels": [labels]})
    findings = turnmill.check(table, tokenizer=tokenizer_dir(name), stop=[token_id(name, base)])
    assert errors(findings) == ["wrong-terminator"]
    assert findings.rules["wrong-terminator"].count == 2


@pytest.mark.parametrize("name", both("llama-3.2-instruct"))
def test_a_stop_token_in_the_text_of_a_user(name):
    ids, labels = encoded(name)
    tokenizer = turnmill.Tokenizer(tokenizer_dir(name))
    place = ids.index(tokenizer.encode("Hello").tolist()[0])
    stop = token_id(name, "<|eot_id|>")
    ids, labels = [*ids[:place], stop, *ids[place:]], [-100, *labels]
    assert "control-token-in-content" in errors(audit(name, ids, labels))
