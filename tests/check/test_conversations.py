"""`turnmill.check` on conversations and on directories that turnmill wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import turnmill
from turnmill import cli

DEMO = Path(turnmill.__file__).parent / "demo"
TOKENIZER = DEMO / "tokenizer"


def talk(*contents):
    roles = ["user", "assistant"] * len(contents)
    return {
        "messages": [
            {"role": role, "content": content}
            for role, content in zip(roles, contents, strict=False)
        ]
    }


GOOD = talk("Hi", "Hello!", "Bye", "Bye.")


def found(rows, **options):
    return turnmill.check(rows, tokenizer=TOKENIZER, **options)


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (talk("Hi", "Hello.</s>"), "foreign-terminator-text"),
        (talk("Hi", "Hello. "), "trailing-whitespace"),
        (talk("Hi", "a\x00b"), "nul-byte"),
        (talk("Hi\r\nthere", "Hello."), "crlf"),
        (talk("Hi", "a\ufffdb"), "replacement-char"),
        (talk("Hi", "### Response: Hello."), "template-marker-in-content"),
        (talk("Hi", "a</think>b"), "reasoning-malformed"),
        (talk("Hi <|im_end|> there", "Hello."), "special-token-in-content"),
        ({"messages": [{"role": "user", "content": "Hi"}]}, "no-assistant-turn"),
        (talk("Hi", None), "null-content"),
        (talk("Hi", 42), "non-string-content"),
        ({"messages": [{"role": "wizard", "content": "Hi"}]}, "unknown-role"),
        (talk("Hi", ""), "empty-assistant-turn"),
        (talk("Hi", "Hello.", "Are you there?"), "trailing-non-assistant-turn"),
        (
            {"messages": [GOOD["messages"][0], *GOOD["messages"]]},
            "role-order",
        ),
    ],
)
def test_each_rule_names_its_row_and_leaves_the_good_one_alone(row, rule):
    findings = found([GOOD, row])
    assert rule in findings.rules
    assert [place["row"] for place in findings.rules[rule].evidence] == [1]
    assert rule not in found([GOOD, GOOD]).rules


def test_a_rate_is_a_share_of_rows_however_often_a_row_breaks_the_rule():
    often = talk("<|im_end|> and <|im_end|>", "Hello.", "<|im_end|>", "Bye.")
    found_in = found([often, GOOD]).rules["special-token-in-content"]
    assert (found_in.count, found_in.rate) == (3, 0.5)
    place = found_in.evidence[0]
    assert (place["message"], place["note"]) == (0, '"<|im_end|>"')


@pytest.mark.parametrize(
    ("contents", "rule", "message", "note"),
    [
        (("Hi", "Hello.", "Bye", "Bye.</s>"), "foreign-terminator-text", 3, "</s>"),
        (("Hi", "Hello.", "a\r\nb", "Bye."), "crlf", 2, "a\\r\\nb"),
        (("Hi", "Hello.", "Bye", "a</think>b"), "reasoning-malformed", 3, "</think>"),
        (("Hi", "Hello.", "### Response: 世界", "Bye."), "template-marker-in-content", 2, "世界"),
        (("Hi", "Hello.", "Bye", ""), "empty-assistant-turn", 3, ""),
    ],
)
def test_what_a_content_shows_is_named_with_its_message(contents, rule, message, note):
    place = found([GOOD, talk(*contents)]).rules[rule].evidence[0]
    assert (place["row"], place["message"]) == (1, message)
    assert note in place["note"]


LABELS = {
    # What a rule is about: the turn's end, its start, or the message's own text.
    "crlf": (talk("Hi", "Hello!", "Bye", "Bye.\r\nBye"), 1, 3, "<|im_end|>", True),
    "empty-assistant-turn": (talk("Hi", "", "Bye", "Bye."), 0, 1, "<|im_end|>", True),
    "special-token-in-content": (talk("Hi", "Hello!", "Q<|im_end|>"), None, 2, "Q", False),
}


@pytest.mark.parametrize("rule", LABELS)
def test_evidence_of_conversations_has_turn_and_tokens_with_their_labels(rule):
    row, turn, message, text, trained = LABELS[rule]
    row["messages"] += talk("Thanks.", "Yes.")["messages"][len(row["messages"]) % 2 :]
    findings = found([GOOD, row] * 8, evidence=7)
    places = findings.rules[rule].evidence
    assert [place["row"] for place in places] == [1, 3, 5, 7, 9, 11, 13]
    sample = turnmill.Encoder(turnmill.Recipe(tokenizer=TOKENIZER)).encode([row]).table
    for place in places:
        assert (place["turn"], place["message"]) == (turn, message)
        assert text in [token["text"] for token in place["tokens"] if token["trained"] == trained]
        for token in place["tokens"]:
            at = token["position"]
            assert token["id"] == sample["input_ids"][0][at].as_py()
            assert token["label"] == sample["labels"][0][at].as_py()


@pytest.mark.parametrize(("content", "rule"), [(None, "null-content"), (42, "non-string-content")])
def test_a_reject_about_a_turn_names_it(content, rule, tmp_path):
    row = talk("Hi", "Hello!", "Bye", content)
    place = found([GOOD, row]).rules[rule].evidence[0]
    assert (place["row"], place["turn"], place["message"]) == (1, 1, 3)
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps(item) + "\n" for item in (GOOD, row)))
    turnmill.prepare(source, tmp_path / "out", turnmill.Recipe(tokenizer=TOKENIZER))
    [reject] = pq.read_table(tmp_path / "out" / "rejects.parquet").to_pylist()
    assert (reject["row"], reject["message"]) == (1, 3)
    shown = turnmill.show(tmp_path / "out", source=f"{source}:2")
    assert f"rejected: {rule}" in str(shown)
    assert "message 3: " in str(shown)
    assert shown[0].to_dict()["reject"]["message"] == 3


def test_a_reject_that_comes_before_the_tokens_has_none():
    """The template prints the text of a turn and not its calls: the row before had more tokens."""
    call = {"type": "function", "function": {"name": "look", "arguments": {}}}
    calling = talk("Hi", "Let me look.")
    calling["messages"][1]["tool_calls"] = [call]
    recipe = turnmill.Recipe(
        tokenizer=TOKENIZER,
        template="{% for m in messages %}<|im_start|>{{ m.role + '\\n' + m.content }}<|im_end|>\n"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    )
    place = found([GOOD, calling], recipe=recipe).rules["turn-lost"].evidence[0]
    assert (place["row"], place["turn"], place["message"], place["tokens"]) == (1, 0, 1, [])


def test_what_was_found_before_the_first_row_is_shown():
    endless = (
        "{% for m in messages %}{{ m.role }}:\n{{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant:\n{% endif %}"
    )
    recipe = turnmill.Recipe(tokenizer=TOKENIZER, template=endless)
    findings = found([GOOD], recipe=recipe)
    assert "the template never ends a turn" in findings.facts["notes"][0]
    assert "the template never ends a turn" in " ".join(str(findings).split())
    # A server's prompt has no eos behind the first answer, for its template prints none.
    assert [at["rate"] for at in findings.facts["replay"]["by_turn"]] == [1.0, 0.0]


def test_a_file_names_lines(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join([json.dumps(GOOD), "", '{"messages": [', json.dumps(GOOD)]))
    findings = found(path)
    assert not findings.ok
    place = findings.rules["invalid-json"].evidence[0]
    assert (place["row"], place["line"]) == (1, 3)
    assert findings.rows == 3


def test_the_demo_data_has_no_errors():
    for name in ("messages.jsonl", "sharegpt.json", "alpaca.jsonl"):
        findings = found(DEMO / "data" / name)
        errors = [name for name, item in findings.rules.items() if item.severity == "error"]
        assert findings.rows > 0
        assert findings.ok == (not errors)


@pytest.fixture
def written(tmp_path):
    out = tmp_path / "out"
    recipe = turnmill.Recipe(tokenizer=TOKENIZER)
    turnmill.prepare([GOOD] * 5, out, recipe)
    return out


def test_an_output_directory_is_verified_from_its_files(written):
    findings = turnmill.check(written)
    assert (findings.rows, findings.ok) == (5, True)
    assert findings.facts["replay"]["rate"] == 1.0
    assert cli.main(["check", str(written), "--quiet"]) == 0


def test_a_lost_file_and_a_changed_one_are_named(written):
    index = next(written.glob("index-*.parquet"))
    index.write_bytes(index.read_bytes() + b"x")
    assert "stale-cache" in turnmill.check(written).rules
    index.unlink()
    assert "broken-input" in turnmill.check(written).rules


def test_another_tokenizer_than_the_datas_is_named(written, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for file in TOKENIZER.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    config = json.loads((other / "tokenizer_config.json").read_text())
    config["eos_token"] = "<|endoftext|>"
    (other / "tokenizer_config.json").write_text(json.dumps(config))
    assert "stale-cache" in turnmill.check(written, tokenizer=other).rules


def test_a_serving_directory_is_compared(written, tmp_path):
    other = tmp_path / "model"
    other.mkdir()
    for file in TOKENIZER.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    same = turnmill.check(written, serving=other)
    assert same.ok
    (other / "generation_config.json").write_text(json.dumps({"eos_token_id": 0}))
    (other / "chat_template.jinja").write_text("{{ messages }}")
    findings = turnmill.check(written, serving=other)
    assert findings.rules["wrong-terminator"].rate == 1.0
    assert "prompt-parity" in findings.rules
