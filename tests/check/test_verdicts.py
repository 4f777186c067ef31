"""Verdicts: what is right is not condemned, and a guess is not taken for knowledge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import tiny_tokenizer
import turnmill
from fixtures import template_text, token_id, tokenizer_dir
from turnmill import cli
from turnmill.check.findings import Findings

LLAMA = "small-llama-3.2-instruct"
QWEN = "small-qwen3"
CHAT = [
    {"role": "user", "content": "Hello there"},
    {"role": "assistant", "content": "Hi, how are you?"},
    {"role": "user", "content": "Fine."},
    {"role": "assistant", "content": "Good to hear."},
]
HEADER = "'<|start_header_id|>assistant<|end_header_id|>\\n\\n'"
ALWAYS_PROMPTS = (
    "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>"
    "\\n\\n' + m.content | trim + '<|eot_id|>' }}{% endfor %}{{ " + HEADER + " }}"
)
"""As Llama-3-Instruct was published: it asks for an answer after every conversation."""


def warnings(findings: Findings) -> set[str]:
    return {name for name, found in findings.rules.items() if found.severity != "info"}


def samples(directory: Path, messages: list[dict[str, Any]], **keys: Any) -> pa.Table:
    """What another tool could have written."""
    encoder = turnmill.Encoder(turnmill.Recipe(tokenizer=directory, **keys))
    return encoder.encode([{"messages": messages}] * 3).table.select(["input_ids", "labels"])


def test_a_template_that_always_asks_for_an_answer_leaves_its_header(tmp_path: Path) -> None:
    keys = {"template": ALWAYS_PROMPTS, "history": "as-rendered"}
    recipe = turnmill.Recipe(tokenizer=tokenizer_dir(LLAMA), **keys)
    turnmill.prepare([{"messages": CHAT}] * 3, tmp_path / "out", recipe)
    assert turnmill.check(tmp_path / "out").ok
    written = samples(tokenizer_dir(LLAMA), CHAT, **keys)
    # Under the model's own template the same header is one too many.
    findings = turnmill.check(written, tokenizer=tokenizer_dir(LLAMA))
    assert "generation-prompt-in-sample" in findings.rules


def test_turns_that_the_recipe_leaves_out_are_no_finding(tmp_path: Path) -> None:
    keys = {"train_on": "last-turn", "history": "as-rendered"}
    recipe = turnmill.Recipe(tokenizer=tokenizer_dir(LLAMA), **keys)
    rows = [{"messages": CHAT}] * 3
    turnmill.prepare(rows, tmp_path / "out", recipe)
    assert "untrained-assistant-turn" not in turnmill.check(tmp_path / "out").rules
    raw = turnmill.check(rows, recipe)
    assert "untrained-assistant-turn" not in raw.rules
    written = samples(tokenizer_dir(LLAMA), CHAT, **keys)
    foreign = turnmill.check(written, tokenizer=tokenizer_dir(LLAMA))
    assert "untrained-assistant-turn" in foreign.rules


def test_a_rewritten_history_is_none_in_single_turns() -> None:
    for messages, fires in ((CHAT[:2], False), (CHAT, True)):
        written = samples(tokenizer_dir(QWEN), messages, history="as-rendered")
        findings = turnmill.check(written, tokenizer=tokenizer_dir(QWEN))
        assert ("non-prefix-template" in findings.rules) == fires


@pytest.fixture
def unsure(tmp_path: Path) -> Path:
    """A model without generation_config.json, whose eos is not what its template prints."""
    directory = tmp_path / "unsure"
    directory.mkdir()
    for file in tokenizer_dir(LLAMA).iterdir():
        (directory / file.name).write_bytes(file.read_bytes())
    (directory / "generation_config.json").unlink()
    config = json.loads((directory / "tokenizer_config.json").read_text("utf-8"))
    config["eos_token"] = "<|end_of_text|>"
    (directory / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    return directory


@pytest.mark.parametrize("end", ["<|eot_id|>", "<|end_of_text|>"])
def test_a_guessed_stop_set_decides_nothing(
    end: str, unsure: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = samples(tokenizer_dir(LLAMA), CHAT)
    eot, other = token_id(LLAMA, "<|eot_id|>"), token_id(LLAMA, end)
    rows = [
        {name: [other if id_ == eot else id_ for id_ in row[name]] for name in row}
        for row in written.to_pylist()
    ]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    findings = turnmill.check(data, tokenizer=unsure)
    assert (findings.ok, findings.undecided) == (False, True)
    assert "the template ends turns in <|eot_id|>" in findings.to_dict()["doubt"]
    told = ["check", str(data), "--tokenizer", str(unsure)]
    assert cli.main(told) == 2
    assert capsys.readouterr().out.startswith("undecided: the stop set is a guess")
    assert cli.main([*told, "--stop", end]) == 0


def test_a_result_inside_the_turn_that_called_is_context(tmp_path: Path) -> None:
    marks = ["<bos>", "<eos>", "<pad>", "<|turn>", "<turn|>", "<|tool>", "<tool|>"]
    marks += ["<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>"]
    marks += ['<|"|>', "<|channel>", "<channel|>", "<|think|>"]
    template = template_text("unseen/gemma-4-style")
    place = tiny_tokenizer.write(tmp_path / "gemma", marks, template=template, bos_token="<bos>")
    call = {"type": "function", "function": {"name": "look", "arguments": {"where": "here"}}}
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "found"},
        {"role": "assistant", "content": "Done"},
    ]
    stop = ["<turn|>", "<|tool_response>"]
    written = samples(place, messages, stop=stop, history="as-rendered")
    findings = turnmill.check(written, tokenizer=place, stop=stop)
    assert "premature-terminator" not in findings.rules
    assert findings.facts["turns"] == 6
    # A stop token with trained text right after it is still premature.
    (row,) = written.slice(0, 1).to_pylist()
    inside = {**row, "labels": row["input_ids"]}
    broken = turnmill.check([inside], tokenizer=place, stop=stop)
    assert warnings(broken) & {"premature-terminator", "prompt-in-loss", "packing-boundary"}
