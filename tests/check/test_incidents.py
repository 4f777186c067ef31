"""Each way in which published data went wrong, on every tokenizer: the rule, the row, the turn.

Three rows of two turns; one turn of the middle row is broken. The rules that fire have to be the
named one alone (of severity error), at that row and turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import pyarrow as pa
import pytest

import turnmill
from fixtures import both, published, stops, token_id, tokenizer_dir

NAMES = both("qwen3", "llama-3.2-instruct", "mistral-7b-instruct-v0.3", "gemma-3", "deepseek-v3")
CHAT = [
    {"role": "user", "content": "Hello there"},
    {"role": "assistant", "content": "Hi, how are you?"},
    {"role": "user", "content": "Fine. And you?"},
    {"role": "assistant", "content": "I am well, thanks for asking."},
]
WRONG = {
    "qwen3": "<|object_ref_start|>",
    "llama-3.2-instruct": "<|reserved_special_token_0|>",
    "mistral-7b-instruct-v0.3": "[control_8]",
    "gemma-3": "<start_of_image>",
    "deepseek-v3": "<｜place▁holder▁no▁0｜>",
}
"""Control tokens that end no turn."""
OF_ALIENS = {"wrong-terminator", "control-token-in-content"}
ROW, TURN = 1, 1
"""The broken turn: the last one of the middle row."""


@dataclass
class Sample:
    """One row, and where its turns lie."""

    ids: list[int]
    labels: list[int]

    @property
    def turns(self) -> list[tuple[int, int]]:
        """Start and end of each trained run."""
        marks = [label != -100 for label in [-100, *self.labels, -100][:-1]] + [False]
        edges = [at - 1 for at in range(1, len(marks)) if marks[at] != marks[at - 1]]
        return list(zip(edges[::2], edges[1::2], strict=True))

    def put(self, start: int, end: int, ids: list[int], *, trained: bool) -> None:
        """Puts ids in place of others."""
        self.ids[start:end] = ids
        self.labels[start:end] = ids if trained else [-100] * len(ids)


@cache
def tokenizer(name: str) -> turnmill.Tokenizer:
    return turnmill.Tokenizer(tokenizer_dir(name))


@cache
def encoded(name: str) -> pa.Table:
    recipe = turnmill.Recipe(tokenizer=tokenizer_dir(name), stop=stops(name))
    return turnmill.Encoder(recipe).encode([{"messages": CHAT}]).table


def sample(name: str) -> Sample:
    table = encoded(name)
    return Sample(table["input_ids"][0].as_py(), table["labels"][0].as_py())


def check(name: str, broken: Sample, **options: Any):
    rows = [sample(name), broken, sample(name)]
    table = pa.table({"input_ids": [r.ids for r in rows], "labels": [r.labels for r in rows]})
    options = {"max_length": 9999, **options}
    return turnmill.check(table, tokenizer=tokenizer(name), stop=stops(name), **options)


def errors(findings) -> list[str]:
    return [name for name, found in findings.rules.items() if found.severity == "error"]


def assert_named(findings, rule: str, *, row: int = ROW, turn: int | None = TURN) -> None:
    assert errors(findings) == [rule]
    found = findings.rules[rule]
    assert (found.count, found.rate) == (1, pytest.approx(1 / findings.rows))
    place = found.evidence[0]
    assert (place["row"], place["turn"]) == (row, turn)
    assert place["tokens"]


@pytest.mark.parametrize("name", NAMES)
class TestIncident:
    def test_a_terminator_that_is_missing(self, name):
        broken = sample(name)
        end = broken.turns[TURN][1]
        del broken.ids[end - 1 :], broken.labels[end - 1 :]
        assert_named(check(name, broken), "missing-terminator")

    def test_a_terminator_that_is_masked(self, name):
        broken = sample(name)
        broken.labels[broken.turns[TURN][1] - 1] = -100
        assert_named(check(name, broken), "terminator-masked")

    def test_a_terminator_that_is_doubled(self, name):
        broken = sample(name)
        end = broken.turns[TURN][1]
        broken.put(end, end, [broken.ids[end - 1]], trained=True)
        assert_named(check(name, broken), "duplicate-terminator")

    def test_a_terminator_in_mid_answer(self, name):
        broken = sample(name)
        start, end = broken.turns[TURN]
        broken.put(start + 2, start + 2, [broken.ids[end - 1]], trained=True)
        assert_named(check(name, broken), "premature-terminator")

    def test_a_terminator_that_is_wrong(self, name):
        broken = sample(name)
        end = broken.turns[TURN][1]
        wrong = token_id(name, WRONG[published(name)])
        broken.put(end - 1, end, [wrong], trained=True)
        findings = check(name, broken)
        # Where no template prints that token, it is a control token out of a text as well.
        assert {"wrong-terminator"} <= set(errors(findings)) <= OF_ALIENS
        place = findings.rules["wrong-terminator"].evidence[0]
        assert (place["row"], place["turn"]) == (ROW, TURN)

    def test_a_collator_that_masks_the_pad_id_which_is_the_terminator(self, name):
        rows = [sample(name) for _ in range(3)]
        pad = rows[ROW].ids[rows[ROW].turns[TURN][1] - 1]
        rows[ROW].labels = [-100 if label == pad else label for label in rows[ROW].labels]
        batch = {"input_ids": [row.ids for row in rows], "labels": [row.labels for row in rows]}
        findings = turnmill.check_batch(batch, tokenizer(name), stop=stops(name))
        assert errors(findings) == ["terminator-masked"]
        found = findings.rules["terminator-masked"]
        places = [(place["row"], place["turn"]) for place in found.evidence]
        assert places == [(ROW, 0), (ROW, 1)]

    def test_a_row_that_is_cut(self, name):
        broken = sample(name)
        limit = broken.turns[TURN][1] - 2
        del broken.ids[limit:], broken.labels[limit:]
        findings = check(name, broken, max_length=limit)
        # The whole rows are longer than that limit, which a trainer would cut as well.
        assert set(errors(findings)) == {"truncated-terminator", "overlong-sample"}
        place = findings.rules["truncated-terminator"].evidence[0]
        assert (place["row"], place["turn"], place["note"]) == (ROW, TURN, f"cut at {limit} tokens")

    def test_labels_that_are_all_masked(self, name):
        broken = sample(name)
        broken.labels = [-100] * len(broken.labels)
        assert_named(check(name, broken), "all-labels-masked", turn=0)

    def test_a_prompt_in_the_loss(self, name):
        broken = sample(name)
        # Up to the header of the first turn, which is not the prompt's text.
        for at in range(1, 5):
            broken.labels[at] = broken.ids[at]
        findings = check(name, broken)
        assert "prompt-in-loss" in errors(findings)
        assert findings.rules["prompt-in-loss"].evidence[0]["row"] == ROW

    def test_labels_of_the_next_token(self, name):
        broken = sample(name)
        broken.labels = [*broken.labels[1:], -100]
        findings = check(name, broken)
        assert errors(findings) == ["mask-off-by-one"]
        assert findings.rules["mask-off-by-one"].evidence[0]["row"] == ROW


@pytest.mark.parametrize("name", [name for name in NAMES if "mistral" not in name])
def test_another_prompt_than_the_servers(name):
    broken = sample(name)
    whole, *pieces = (
        tokenizer(name).encode(text).tolist()[-1] for text in (" there", " the", "re")
    )
    at = broken.ids.index(whole)
    broken.put(at, at + 1, pieces, trained=False)
    findings = check(name, broken)
    assert_named(findings, "prompt-parity", turn=None)
    assert findings.facts["replay"]["rate"] == pytest.approx(4 / 6)


@pytest.mark.parametrize("name", both("llama-3.2-instruct", "mistral-7b-instruct-v0.3", "gemma-3"))
def test_two_beginnings(name):
    broken = sample(name)
    broken.put(0, 0, broken.ids[:1], trained=False)
    findings = check(name, broken)
    assert "double-bos" in errors(findings)
    assert findings.rules["double-bos"].evidence[0]["row"] == ROW


@pytest.mark.parametrize("name", both("llama-3.2-instruct", "gemma-3"))
def test_rows_packed_without_boundaries(name):
    two = sample(name)
    packed = Sample(two.ids * 2, two.labels * 2)
    findings = check(name, packed)
    assert "packing-boundary" in errors(findings)
    assert findings.rules["packing-boundary"].evidence[0]["row"] == ROW


@pytest.mark.parametrize("name", both("qwen3"))
def test_rows_packed_without_boundaries_where_no_bos_tells_them_apart(name):
    """ChatML has no BOS: a system message behind an answer is all that shows."""
    recipe = turnmill.Recipe(tokenizer=tokenizer_dir(name), stop=stops(name))
    row = {"messages": [{"role": "system", "content": "Be kind."}, *CHAT]}
    table = turnmill.Encoder(recipe).encode([row]).table
    one = Sample(table["input_ids"][0].as_py(), table["labels"][0].as_py())
    found = check(name, Sample(one.ids * 2, one.labels * 2)).rules["role-order"]
    place = found.evidence[0]
    assert (found.count, found.severity, place["row"]) == (1, "warning", ROW)
    assert "lost their boundaries" in place["note"]
    assert place["tokens"][6]["position"] == len(one.ids)
    assert "role-order" not in check(name, one).rules


@pytest.mark.parametrize("name", both("qwen3", "llama-3.2-instruct"))
def test_a_control_token_that_no_template_prints(name):
    aliens = {"qwen3": "<|box_start|>", "llama-3.2-instruct": "<|reserved_special_token_7|>"}
    alien = aliens[published(name)]
    broken = sample(name)
    id_ = tokenizer(name).token_to_id(alien)
    broken.put(4, 4, [id_], trained=False)
    findings = check(name, broken)
    assert "control-token-in-content" in errors(findings)
    place = findings.rules["control-token-in-content"].evidence[0]
    assert (place["row"], "never prints" in place["note"]) == (ROW, True)


@pytest.mark.parametrize("name", both("llama-3.2-instruct", "gemma-3"))
def test_another_header_than_the_templates(name):
    """Incident 75: a newline is missing behind the header."""
    broken = sample(name)
    start = broken.turns[TURN][0]
    del broken.ids[start - 1], broken.labels[start - 1]
    findings = check(name, broken)
    assert errors(findings) == ["prompt-parity"]
    place = findings.rules["prompt-parity"].evidence[0]
    assert (place["row"], place["turn"]) == (ROW, TURN)


@pytest.mark.parametrize("name", both("qwen3"))
def test_a_template_that_changed(name, tmp_path):
    """The data was rendered by another template than the one that is served."""
    served = tmp_path / "served"
    served.mkdir()
    for file in tokenizer_dir(name).iterdir():
        (served / file.name).write_bytes(file.read_bytes())
    (served / "chat_template.jinja").write_text("{{ messages[0].content }}")
    findings = check(name, sample(name), serving=served)
    assert "another chat template" in findings.rules["prompt-parity"].evidence[0]["note"]


@pytest.mark.parametrize("name", both("qwen3"))
def test_a_turn_that_only_stops(name):
    broken = sample(name)
    start, end = broken.turns[0]
    del broken.ids[start : end - 1], broken.labels[start : end - 1]
    findings = check(name, broken)
    place = findings.rules["empty-assistant-turn"].evidence[0]
    assert (place["row"], place["turn"]) == (ROW, 0)
    assert errors(findings) == []
