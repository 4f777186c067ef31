"""Exact mode gives, row for row, what transformers renders and the tokenizers wheel encodes.

The small models take the data sets made of the demo, the published ones the published sets. The
default run takes rows at even distances from every data set; ``make test-full`` takes them all.
With ``-s`` the full run prints a line for every tokenizer and data set.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

turnmill = pytest.importorskip("turnmill")

import fixtures  # noqa: E402
import oracle  # noqa: E402
from oracle import Reference, Refused, Rendered, Row  # noqa: E402

EXACT: dict[str, Any] = {
    "special_in_content": "parse",
    "eos": "template",
    "boundary": "joint",
    "history": "as-rendered",
    "wire": "keep",
    "now": oracle.NOW,
    "max_rejects": 1.0,
}
SAMPLE = 40


@dataclass(frozen=True)
class DataSet:
    """A data set with its schema and the independent mapping to messages."""

    file: str
    schema: str
    read: Callable[[dict[str, Any]], Row | Refused]
    recipe: dict[str, Any] = field(default_factory=dict)


PUBLISHED = {
    "alpaca-en": DataSet("alpaca_en_52k.json.zst", "alpaca", oracle.alpaca),
    "alpaca-zh": DataSet("alpaca_zh_20k.json.zst", "alpaca", oracle.alpaca),
    "sharegpt": DataSet("sharegpt_dev.jsonl.zst", "sharegpt", oracle.sharegpt),
    "smilechat": DataSet(
        "smilechat_zh_dev.jsonl.zst",
        "messages",
        oracle.smilechat,
        {"roles": {"client": "user", "counselor": "assistant"}},
    ),
    "tau-bench": DataSet(
        "tau_bench_airline_gpt4o_dev.jsonl.zst",
        "messages",
        oracle.messages,
        {"ignore": ["reward"]},
    ),
    "glaive": DataSet("llamafactory/glaive_toolcall_en_demo.json", "sharegpt", oracle.sharegpt),
    "reason-tool-use": DataSet(
        "llamafactory/reason_tool_use_demo_50.jsonl", "messages", oracle.messages
    ),
    "v1-sft": DataSet("llamafactory/v1_sft_demo.jsonl", "messages", oracle.messages),
}
OWN = {
    "demo-alpaca": DataSet("demo-alpaca", "alpaca", oracle.alpaca),
    "demo-sharegpt": DataSet("demo-sharegpt", "sharegpt", oracle.sharegpt),
    "demo-counseling": DataSet(
        "demo-counseling",
        "messages",
        oracle.smilechat,
        {"roles": {"client": "user", "counselor": "assistant"}},
    ),
    "demo-messages": DataSet("demo-messages", "messages", oracle.messages),
    "demo-function-calls": DataSet("demo-function-calls", "sharegpt", oracle.sharegpt),
    "demo-parts": DataSet("demo-parts", "messages", oracle.messages),
}
DATA = OWN | PUBLISHED
SMALL_CASES = list(product(fixtures.SMALL, OWN))
PUBLISHED_CASES = list(product(fixtures.PUBLISHED, PUBLISHED))


def reference(tokenizer: str, template: str | None = None) -> Reference:
    return _reference(tokenizer, template)


@lru_cache(maxsize=2)
def _reference(tokenizer: str, template: str | None) -> Reference:
    source = None if template is None else fixtures.template_text(template)
    return Reference(fixtures.tokenizer_dir(tokenizer), source)


def rows_of(data: DataSet, count: int | None) -> list[Any]:
    """All rows, or ``count`` at even distances, long ones left out of a sample."""
    return fixtures.rows(data.file) if count is None else _sample(data.file, count)


@cache
def _sample(file: str, count: int) -> list[Any]:
    rows = fixtures.rows(file)
    short = [row for row in fixtures.spread(rows, count * 2) if len(str(row)) < 20_000]
    return short[:: max(1, len(short) // count)][:count]


def encode(rows: list[Any], tokenizer: str, data: DataSet, **recipe: Any) -> Any:
    """The rows through turnmill's encoder in exact mode, or as ``recipe`` says otherwise."""
    settings = {
        **EXACT,
        "tokenizer": str(fixtures.tokenizer_dir(tokenizer)),
        "schema": data.schema,
        "stop": fixtures.stops(tokenizer),
        **data.recipe,
        **recipe,
    }
    return encoder(json.dumps(settings)).encode(rows)


@lru_cache(maxsize=4)
def encoder(settings: str) -> Any:
    return turnmill.Encoder(turnmill.Recipe(**json.loads(settings)))


def samples(encoded: Any) -> dict[int, dict[str, Any]]:
    """The written samples by input row."""
    return {sample["row"]: sample for sample in encoded.table.to_pylist()}


def rejects(encoded: Any) -> dict[int, str]:
    """The rule of each rejected row."""
    table = encoded.rejects
    return dict(zip(table["row"].to_pylist(), table["code"].to_pylist(), strict=True))


@dataclass
class Counts:
    """What became of the rows of one data set with one tokenizer."""

    rendered: int = 0
    raised: int = 0
    equal: int = 0
    rejected: Counter[str] = field(default_factory=Counter)


# Rows that transformers renders and the contract turns away; their text and ids are compared apart.
CONTRACT = {
    "missing-terminator",
    "premature-terminator",
    "turn-lost",
    "all-labels-masked",
    "empty-assistant-turn",
    "duplicate-terminator",
}


def compare(tokenizer: str, name: str, rows: list[Any], template: str | None = None) -> Counts:
    """Asserts that every row agrees with the reference, and counts."""
    data = DATA[name]
    expected = reference(tokenizer, template)
    encoded = encode(rows, tokenizer, data)
    written, turned_away = samples(encoded), rejects(encoded)
    assert len(written) + len(turned_away) == len(rows)
    counts, texts, at = Counts(), [], []
    for index, raw in enumerate(rows):
        row = data.read(raw)
        if isinstance(row, Refused):
            assert turned_away.get(index) == row.rule, f"row {index}"
            counts.rejected[row.rule] += 1
            continue
        with oracle.frozen_clock():
            rendered = expected.render(row)
        if isinstance(rendered, str):
            assert turned_away.get(index) == "template-error", f"row {index}: {rendered}"
            counts.raised += 1
            continue
        assert turned_away.get(index) != "template-error", f"row {index}"
        counts.rendered += 1
        texts.append(rendered.text)
        at.append(index)
    for index, ids in zip(at, expected.encode(texts), strict=True):
        if index in turned_away:
            assert turned_away[index] in CONTRACT, f"row {index}: {turned_away[index]}"
            counts.rejected[turned_away[index]] += 1
            ids_equal = through_the_stages(tokenizer, data.read(rows[index])) == ids
        else:
            ids_equal = written[index]["input_ids"] == ids
        assert ids_equal, (
            f"row {index} of {name} with {tokenizer}: {first_difference(written, index, ids)}"
        )
        counts.equal += 1
    return counts


def through_the_stages(tokenizer: str, row: Row | Refused) -> list[int]:
    """Ids of a row that the contract turned away: template and tokenizer alone."""
    assert isinstance(row, Row)
    folder = str(fixtures.tokenizer_dir(tokenizer))
    text = turnmill.Template(folder, now=oracle.NOW).render(row.messages, tools=row.tools).text
    return list(turnmill.Tokenizer(folder).encode(text))


def first_difference(written: dict[int, Any], index: int, ids: list[int]) -> str:
    """Where two lists of ids part."""
    ours = written[index]["input_ids"] if index in written else []
    at = next((i for i, (a, b) in enumerate(zip(ours, ids, strict=False)) if a != b), None)
    at = min(len(ours), len(ids)) if at is None else at
    return (
        f"lengths {len(ours)} and {len(ids)}, at {at}: {ours[at : at + 8]} and {ids[at : at + 8]}"
    )


@pytest.mark.parametrize(("tokenizer", "name"), SMALL_CASES + PUBLISHED_CASES)
def test_a_sample_of_the_rows(tokenizer: str, name: str):
    counts = compare(tokenizer, name, rows_of(DATA[name], SAMPLE))
    assert counts.rendered + counts.raised > 20


@pytest.mark.full
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("tokenizer", "name"), PUBLISHED_CASES)
def test_every_row(tokenizer: str, name: str, record_property: Callable[[str, str], None]):
    rows = rows_of(DATA[name], None)
    counts = Counts()
    for start in range(0, len(rows), 5000):
        part = compare(tokenizer, name, rows[start : start + 5000])
        counts.rendered += part.rendered
        counts.raised += part.raised
        counts.equal += part.equal
        counts.rejected += part.rejected
    assert counts.equal == counts.rendered
    record_property("counts", str(counts))
    print(
        f"\n| {tokenizer} | {name} | {len(rows)} | {counts.rendered} | {counts.raised} | "
        f"{counts.equal} | {dict(counts.rejected)} |"
    )


def labels_from_mask(expected: Reference, row: Row, rendered: Rendered, stops: set[int]) -> Any:
    """Labels as the mask gives them, each span cut behind its first stop id; and the cut tokens.

    Stop ids that the content itself holds do not end a turn: exact mode parses them.
    """
    ids, spans = expected.mask(rendered)
    labels, cut = [-100] * len(ids), 0
    turns = [i for i, message in enumerate(row.messages) if message["role"] == "assistant"]
    leading = next(i for i, m in enumerate(row.messages) if m["role"] != "assistant")
    for turn, span in zip(turns, spans, strict=True):
        weight = row.weights[turn] if row.weights else None
        if weight == 0 or turn < leading:
            continue
        text = str(row.messages[turn].get("content") or "")
        held = sum(text.count(str(expected.tokenizer.id_to_token(stop))) for stop in stops)
        found = [i + 1 for i, at in enumerate(span) if ids[at] in stops]
        end = found[held] if held < len(found) else len(span)
        for at in span[:end]:
            labels[at] = ids[at]
        cut += len(span) - end
    return labels, cut


TAGGED = {
    "small-qwen3": "built-in/qwen3",
    "small-llama-3.2-instruct": "built-in/llama-3",
    "qwen3": "trl.qwen3_training",
    "llama-3.2-instruct": "trl.llama3_training",
}
"""Templates with tags: built-in ones, and those that TRL trains with."""
TAGGED_CASES = [case for case in SMALL_CASES + PUBLISHED_CASES if case[0] in TAGGED]


def compare_labels(tokenizer: str, name: str, rows: list[Any]) -> int:
    """Asserts that labels are the mask as far as the first stop id, the rest counted; how many."""
    data = DATA[name]
    expected = reference(tokenizer, TAGGED[tokenizer])
    source = fixtures.template_text(TAGGED[tokenizer])
    encoded = encode(rows, tokenizer, data, template=source, reasoning="train-empty")
    written, turned_away = samples(encoded), rejects(encoded)
    compared = cut_tokens = 0
    for index, raw in enumerate(rows):
        row = data.read(raw)
        rendered = None if isinstance(row, Refused) else expected.render(row, spans=True)
        if not isinstance(rendered, Rendered) or turned_away.get(index) in CONTRACT:
            assert index in turned_away, f"row {index}"
            continue
        assert isinstance(row, Row)
        labels, cut = labels_from_mask(expected, row, rendered, set(fixtures.stops(tokenizer)))
        assert written[index]["labels"] == labels, f"row {index}"
        compared += 1
        cut_tokens += cut
    assert encoded.counts.get("terminator-cut", 0) == cut_tokens
    return compared


@pytest.mark.parametrize(("tokenizer", "name"), TAGGED_CASES)
def test_labels_are_the_mask_of_the_training_template(tokenizer: str, name: str):
    assert compare_labels(tokenizer, name, rows_of(DATA[name], SAMPLE)) > 20


def test_stop_ids_inside_the_content_are_content():
    """Two answers of ShareGPT hold the text of a stop token before their own terminator."""
    rows = fixtures.rows(DATA["sharegpt"].file, 2, 1835)
    assert all("<|endoftext|>" in str(row) for row in rows)
    assert compare_labels("qwen3", "sharegpt", rows) == 2


def test_stop_ids_inside_our_own_content_are_content():
    answer = {"from": "gpt", "value": "<|endoftext|> ends a text, <|im_end|> a turn."}
    rows = [{"conversations": [{"from": "human", "value": "What ends what?"}, answer]}]
    assert compare_labels("small-qwen3", "demo-sharegpt", rows) == 1


@pytest.mark.full
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("tokenizer", "name"), [c for c in TAGGED_CASES if c in PUBLISHED_CASES])
def test_every_label_is_the_mask_of_the_training_template(tokenizer: str, name: str):
    rows = rows_of(DATA[name], None)
    for start in range(0, len(rows), 5000):
        compare_labels(tokenizer, name, rows[start : start + 5000])


def assert_contract(table: pa.Table, stops: list[int]) -> None:
    """Labels are ids, something is trained, and what is trained ends in a stop id."""
    if not len(table):
        return
    ids, labels = table["input_ids"].combine_chunks(), table["labels"].combine_chunks()
    assert ids.offsets.equals(labels.offsets)
    lengths = table["length"].to_numpy()
    assert np.array_equal(np.diff(ids.offsets.to_numpy()), lengths)
    assert set(np.unique(table["attention_mask"].combine_chunks().values)) == {1}
    ids, labels = ids.values.to_numpy(), labels.values.to_numpy()
    trained = labels != -100
    assert np.array_equal(labels[trained], ids[trained])
    last = np.cumsum(lengths) - 1
    followed = np.append(trained[1:], False)
    followed[last] = False
    assert np.isin(labels[trained & ~followed], stops).all()
    assert np.add.reduceat(trained, last - lengths + 1).min() > 0


# Each stands for something that default mode does otherwise than exact mode.
DIFFERENCES = {
    "special-token-in-content",
    "eos-inserted",
    "double-bos",
    "turn-lost",
    "message-lost",
    "premature-terminator",
    "untrained-assistant-turn",
    "reasoning-dropped",
}


def compare_default(tokenizer: str, name: str, rows: list[Any]) -> None:
    """Asserts what default mode promises, and that it names what it does otherwise."""
    data = DATA[name]
    # What the default asks the user to decide about is decided: Qwen3 leaves earlier reasoning out.
    default = {
        "special_in_content": "text",
        "eos": "ensure",
        "history": "last-turn" if name in ("reason-tool-use", "demo-messages") else "auto",
    }
    exact, encoded = encode(rows, tokenizer, data), encode(rows, tokenizer, data, **default)
    assert_contract(encoded.table, fixtures.stops(tokenizer))
    accounted = encoded.table["row"].to_pylist() + encoded.rejects["row"].to_pylist()
    assert sorted(accounted) == list(range(len(rows)))
    for index in differing(exact, encoded):
        named = encode(rows[index : index + 1], tokenizer, data, **default).counts
        assert DIFFERENCES & named.keys(), f"row {index} of {name} with {tokenizer}: {named}"


def differing(exact: Any, default: Any) -> set[int]:
    """Rows of which the two make different ids or labels, or that only one of them rejects."""

    def outcomes(encoded: Any) -> dict[int, Any]:
        columns = (encoded.table[name].combine_chunks() for name in ("input_ids", "labels"))
        ids, labels = ((c.values.to_numpy(), c.offsets.to_numpy()) for c in columns)
        found = {
            row: tuple(values[at[i] : at[i + 1]].tobytes() for values, at in (ids, labels))
            for i, row in enumerate(encoded.table["row"].to_pylist())
        }
        return found | dict.fromkeys(encoded.rejects["row"].to_pylist())

    one, other = outcomes(exact), outcomes(default)
    return {row for row in one if one[row] != other[row]}


@pytest.mark.parametrize(("tokenizer", "name"), SMALL_CASES + PUBLISHED_CASES)
def test_the_default_mode_keeps_its_promise(tokenizer: str, name: str):
    compare_default(tokenizer, name, rows_of(DATA[name], SAMPLE))


@pytest.mark.full
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("tokenizer", "name"), PUBLISHED_CASES)
def test_the_default_mode_keeps_its_promise_on_every_row(tokenizer: str, name: str):
    rows = rows_of(DATA[name], None)
    for start in range(0, len(rows), 5000):
        compare_default(tokenizer, name, rows[start : start + 5000])


@pytest.mark.parametrize(
    "tokenizer", fixtures.both("qwen3", "deepseek-v3", "mistral-7b-instruct-v0.3")
)
def test_special_text_is_the_only_difference_of_the_default_mode(tokenizer: str):
    """Rows without the text of a control token have the ids of exact mode."""
    data = DATA["demo-sharegpt" if tokenizer in fixtures.SMALL else "sharegpt"]
    rows = rows_of(data, SAMPLE)
    exact = samples(encode(rows, tokenizer, data))
    default = samples(encode(rows, tokenizer, data, special_in_content="text"))
    control = [
        token.content
        for token in reference(tokenizer).tokenizer.get_added_tokens_decoder().values()
    ]
    compared = 0
    for index in exact.keys() & default.keys():
        if any(text in str(rows[index]) for text in control):
            continue
        assert exact[index]["input_ids"] == default[index]["input_ids"], f"row {index}"
        compared += 1
    assert compared >= 20
