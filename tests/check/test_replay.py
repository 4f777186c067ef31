"""The replay: every trained turn stands behind the prompt that the server sends.

The oracle is what a server does: transformers renders the conversation before a turn with the
generation prompt, and tokenizers encodes it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from tokenizers import Tokenizer

import turnmill
from fixtures import SMALL, both, rows, stops, tokenizer_dir
from oracle import Reference, frozen_clock, messages, sharegpt
from turnmill.output.manifest import read_manifest, write_manifest

DEMO = Path(turnmill.__file__).parent / "demo"
TOKENIZER = DEMO / "tokenizer"
ROLES = {"user": "user", "assistant": "assistant"}


def talk(*contents):
    return {
        "messages": [
            {"role": "assistant" if place % 2 else "user", "content": content}
            for place, content in enumerate(contents)
        ]
    }


GOOD = talk("Hi", "Hello!", "Bye", "Bye.")
LAST_ONLY = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}"
    "{% if loop.last %}{{ '>' }}{% endif %}{{ m.content + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""Prints a mark before the last message of a conversation, and never before an earlier one."""


def replay(data, **options):
    return turnmill.check(data, tokenizer=TOKENIZER, **options).facts["replay"]


def test_raw_conversations_are_replayed_from_rendered_prompts():
    found = replay([GOOD, talk("Hi", "Hello!")])
    assert (found["by"], found["turns"], found["rate"]) == ("rendered", 3, 1.0)
    assert found["by_turn"] == [{"turns": 2, "rate": 1.0}, {"turns": 1, "rate": 1.0}]


def test_a_template_that_looks_ahead_gives_a_rate_by_turn():
    recipe = turnmill.Recipe(tokenizer=TOKENIZER, template=LAST_ONLY, history="as-rendered")
    findings = turnmill.check([GOOD] * 4, tokenizer=TOKENIZER, recipe=recipe)
    found = findings.facts["replay"]
    # The prompt of every turn ends in a user's message that the template marks as the last one.
    assert found["rate"] < 1.0
    assert [at["turns"] for at in found["by_turn"]] == [4, 4]
    assert "history-rewritten" in findings.rules


def test_an_answer_that_merges_with_the_header_is_no_right_turn():
    findings = turnmill.check([talk("Hi", "\nHello!")], tokenizer=TOKENIZER)
    assert ("boundary-merge" in findings.rules) == (findings.facts["replay"]["rate"] < 1.0)
    assert "prompt-parity" not in findings.rules


@pytest.mark.parametrize("name", both("llama-3.2-instruct", "mistral-7b-instruct-v0.3", "qwen3"))
def test_the_rate_is_that_of_the_reference(name):
    some = rows("demo-sharegpt" if name in SMALL else "sharegpt_dev.jsonl.zst", 40)
    recipe = turnmill.Recipe(
        tokenizer=tokenizer_dir(name), stop=stops(name), now="2026-03-04T05:06:07",
        special_in_content="parse",
    )  # fmt: skip
    found = turnmill.check(some, tokenizer=tokenizer_dir(name), recipe=recipe).facts["replay"]
    expected = reference_turns(name, some, turnmill.Encoder(recipe))
    assert [(at["turns"], round(at["turns"] * at["rate"])) for at in found["by_turn"]] == expected
    assert found["turns"] > 40


def reference_turns(name, some, encoder):
    """Turns and right turns by position, the last for all later ones."""
    reference = Reference(tokenizer_dir(name))
    by_turn: dict[int, list[int]] = {}
    table = encoder.encode(some).table
    for row, ids, labels in zip(
        *(table[column].to_pylist() for column in ("row", "input_ids", "labels")), strict=True
    ):
        chat = sharegpt(some[row]).messages
        starts = [
            at
            for at, label in enumerate(labels)
            if label != -100 and (at == 0 or labels[at - 1] == -100)
        ]
        turns = [at for at, message in enumerate(chat) if message["role"] == "assistant"]
        trained = [(position, turn) for position, turn in enumerate(turns) if turn]
        for start, (position, turn) in zip(starts, trained, strict=True):
            right = ids[:start] in reference.encode(server_texts(reference, chat[:turn]))
            at = by_turn.setdefault(min(position, 7), [0, 0])
            by_turn[min(position, 7)] = [at[0] + 1, at[1] + right]
    return [tuple(by_turn[position]) for position in sorted(by_turn)]


@pytest.mark.parametrize("name", both("qwen3"))
def test_no_conversation_shows_what_qwen3_sends_between_two_answers_in_a_row(name):
    """Its prompt has an empty think block before the first answer, no whole conversation has."""
    chat = [*talk("Hi", "Hello!")["messages"], {"role": "assistant", "content": "Well?"}]
    chat += talk("Fine.", "Good.")["messages"]
    sent = server_texts(Reference(tokenizer_dir(name)), chat[:2])
    assert all("<think>" in text for text in sent)
    for history in ("as-rendered", "expand"):
        recipe = turnmill.Recipe(tokenizer=tokenizer_dir(name), stop=stops(name), history=history)
        findings = turnmill.check([{"messages": chat}], tokenizer=recipe.tokenizer, recipe=recipe)
        rates = [at["rate"] for at in findings.facts["replay"]["by_turn"]]
        assert rates == [1.0, 0.0, 1.0]
        assert {"role-order", "history-rewritten"} <= set(findings.rules)


def server_texts(reference, chat):
    """What a server may send: the template's default, or reasoning switched off."""
    from transformers.utils.chat_template_utils import render_jinja_template

    found = []
    for switch in ({}, {"enable_thinking": False}):
        with frozen_clock():
            texts, _ = render_jinja_template(
                conversations=[chat],
                chat_template=reference.template,
                add_generation_prompt=True,
                **switch,
                **reference.tokens,
            )
        found += texts
    return found


@pytest.mark.parametrize("answer", ["你好，我是。", "1. Yes", "Yes"])
@pytest.mark.parametrize("name", both("phi-3-mini"))
def test_a_space_that_the_tokenizer_writes_is_the_answers(name, answer):
    """Phi-3 puts a token ``▁`` before such answers. The prompt has it not, the model writes it.

    Where the answer is one token with its space, that is no space which the row lacks.
    """
    recipe = turnmill.Recipe(tokenizer=tokenizer_dir(name), stop=stops(name))
    findings = turnmill.check([talk("Hi", answer)], tokenizer=recipe.tokenizer, recipe=recipe)
    assert findings.facts["replay"]["rate"] == 1.0
    assert not {"prompt-parity", "prefix-space-drift", "boundary-merge"} & findings.rules.keys()
    sample = turnmill.Encoder(recipe).encode([talk("Hi", answer)]).table.to_pylist()[0]
    reference = Tokenizer.from_file(str(tokenizer_dir(name) / "tokenizer.json"))
    assert (
        sample["input_ids"]
        == reference.encode(
            f"<|user|>\nHi<|end|>\n<|assistant|>\n{answer}<|end|>\n<|endoftext|>",
            add_special_tokens=False,
        ).ids
    )
    prompt = reference.encode("<|user|>\nHi<|end|>\n<|assistant|>\n", add_special_tokens=False).ids
    assert all(label == -100 for label in sample["labels"][: len(prompt)])
    assert sample["labels"][len(prompt)] == sample["input_ids"][len(prompt)]


@pytest.mark.parametrize("name", both("phi-3-mini"))
def test_a_space_that_a_control_token_swallows_is_named_with_its_message(name):
    """Phi-3's ``<|assistant|>`` takes the newline behind it and the answer's own first space."""
    recipe = turnmill.Recipe(tokenizer=tokenizer_dir(name), stop=stops(name))
    data = [talk("Hi", "Hello"), talk("Hi", "Hello", "Bye", " Bye")]
    found = turnmill.check(data, tokenizer=recipe.tokenizer, recipe=recipe).rules["boundary-merge"]
    place = found.evidence[0]
    assert (found.count, place["row"], place["message"]) == (1, 1, 3)


@pytest.mark.parametrize("name", both("qwen3"))
def test_thinking_that_the_server_has_to_switch_off_is_noted(name):
    findings = turnmill.check([GOOD], tokenizer=tokenizer_dir(name), stop=stops(name))
    found = findings.facts["replay"]
    assert found["rate"] == 1.0
    assert found["switched"] == {"enable_thinking=false": 1}
    assert any("enable_thinking=false" in note for note in findings.facts["notes"])


@pytest.mark.parametrize(
    ("prompt", "completion", "rate"), [("I sit", " there.", 1.0), ("I sit t", "here.", 0.0)]
)
def test_completions_are_replayed_from_their_prompts(prompt, completion, rate):
    findings = turnmill.check([{"prompt": prompt, "completion": completion}], tokenizer=TOKENIZER)
    assert (findings.facts["replay"]["turns"], findings.facts["replay"]["rate"]) == (1, rate)
    assert ("boundary-merge" in findings.rules) == (rate < 1.0)
    assert "prompt-parity" not in findings.rules


@pytest.fixture
def written(tmp_path):
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in [GOOD, talk("Hi"), GOOD]))
    turnmill.prepare(source, tmp_path / "out", turnmill.Recipe(tokenizer=TOKENIZER))
    return source, tmp_path / "out"


def test_turnmills_own_output_is_replayed_from_its_sources(written):
    _, out = written
    findings = turnmill.check(out)
    found = findings.facts["replay"]
    assert findings.ok
    assert (found["by"], found["turns"], found["rate"]) == ("rendered", 4, 1.0)


def test_the_report_says_how_many_turns_were_replayed():
    encoder = turnmill.Encoder(turnmill.Recipe(tokenizer=TOKENIZER))
    table = encoder.encode([talk("Hi", "Hello!")] * 2048).table.select(["input_ids", "labels"])
    findings = turnmill.check(table, tokenizer=TOKENIZER)
    found = findings.facts["replay"]
    assert (found["turns"], found["of"]) == (1024 + 16, 2048)
    said = " ".join(str(findings).split())
    assert "100 % of 1,040 replayed turns (2,048 in all)" in said
    assert "the first 1,024 rows are replayed and one of 64 after them" in said


def test_the_report_says_why_fewer_turns_of_a_long_conversation_are_replayed():
    row = talk(*["Say a word, please."] * 120)
    found = turnmill.check([row], tokenizer=TOKENIZER)
    replay = found.facts["replay"]
    assert (replay["of"], replay["rate"]) == (60, 1.0)
    assert 8 < replay["turns"] < 60
    why = "of very long conversations only the first turns and the last one are replayed"
    assert why in " ".join(str(found).split())
    assert why not in " ".join(str(turnmill.check([GOOD], tokenizer=TOKENIZER)).split())


def test_a_tokenizer_that_cannot_be_replayed_says_so(tmp_path):
    for file in TOKENIZER.iterdir():
        shutil.copy(file, tmp_path)
    spec = json.loads((tmp_path / "tokenizer.json").read_text())
    spec["normalizer"] = {"type": "Lowercase"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(spec))
    table = pa.table({"input_ids": [[500, 501, 2]], "labels": [[-100, 501, 2]]})
    findings = turnmill.check(table, tokenizer=tmp_path)
    assert findings.facts["replay"]["rate"] is None
    assert "no turn can be replayed" in str(findings)


def test_without_its_sources_an_output_is_replayed_from_its_ids(written):
    source, out = written
    source.unlink()
    findings = turnmill.check(out)
    assert findings.ok
    assert findings.facts["replay"]["by"] == "decoded"
    assert " is gone; " in findings.facts["notes"][-1]


def test_sources_that_changed_are_not_taken_for_those_of_the_run(written):
    source, out = written
    source.write_text(source.read_text().replace("Hello!", "Hello."))
    findings = turnmill.check(out)
    assert findings.facts["replay"]["by"] == "decoded"
    assert " is different now; " in findings.facts["notes"][-1]


def test_an_output_that_is_not_what_its_sources_give(written, tmp_path):
    source, out = written
    other = tmp_path / "other"
    changed = tmp_path / "changed" / source.name
    changed.parent.mkdir()
    first, *rest = source.read_text().splitlines(keepends=True)
    changed.write_text(first + "".join(rest).replace("Hello!", "Hello."))
    turnmill.prepare(changed, other, turnmill.Recipe(tokenizer=TOKENIZER))
    record = json.loads((out / "turnmill.json").read_text())
    theirs = json.loads((other / "turnmill.json").read_text())
    mine, shard = record["shards"][0], theirs["shards"][0]
    for kind in ("data", "index"):
        shutil.copy(other / shard[kind], out / mine[kind])
    mine["sha256"] = shard["sha256"]
    (out / "turnmill.json").write_text(json.dumps(record))
    write_manifest(out, read_manifest(out))
    findings = turnmill.check(out)
    note = findings.rules["stale-cache"].evidence[0]["note"]
    assert note.endswith("gives with the recorded recipe, from sample 1 on")


def test_messages_with_a_system_prompt_and_tools_replay():
    row = {"messages": [{"role": "system", "content": "Be kind."}, *GOOD["messages"]]}
    assert messages(row).messages[0]["role"] == "system"
    assert replay([row])["rate"] == 1.0


def test_prompts_that_are_texts_are_not_called_rendered():
    data = [{"prompt": "I sit", "completion": " there."}]
    report = turnmill.check(data, tokenizer=TOKENIZER)
    assert report.facts["replay"]["texts"] == 1
    assert "are texts of the rows, without a template" in " ".join(str(report).split())
