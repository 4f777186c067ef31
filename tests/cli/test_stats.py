"""`stats` against counts made row by row from the files."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import turnmill
from turnmill.cli import main
from turnmill.output.reader import Output
from turnmill.stats import tokens as stats_tokens
from turnmill.stats.histogram import of_whole_numbers
from turnmill.stats.roles import Header, Roles, roles_of

DEMO = Path(turnmill.__file__).parent / "demo"
TOKENIZER = DEMO / "tokenizer"


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The demo data in each form that an output can have."""
    place = tmp_path_factory.mktemp("stats")
    model = shutil.copytree(TOKENIZER, place / "model")
    rows = (DEMO / "data" / "messages.jsonl").read_bytes()
    (place / "twice.jsonl").write_bytes(rows + rows)
    kinds: dict[str, dict[str, Any]] = {
        "arrow": {},
        "parquet": {"format": "parquet"},
        "split": {"validation": 0.2},
        "short": {"max_length": 100},
    }
    inputs = [str(place / "twice.jsonl"), str(DEMO / "data")]
    for kind, keys in kinds.items():
        turnmill.prepare(inputs, place / kind, tokenizer=model, **keys)
    return {kind: place / kind for kind in kinds}


def entries(output: Path) -> list[dict[str, Any]]:
    """Every row of the index."""
    shards = json.loads((output / "turnmill.json").read_text())["shards"]
    return [
        entry for shard in shards for entry in pq.read_table(output / shard["index"]).to_pylist()
    ]


def samples(output: Path) -> list[dict[str, Any]]:
    opened = Output.open(output)
    return [
        opened.sample(number).samples[entry["sample"]]
        for number, entry in enumerate(entries(output))
    ]


@pytest.mark.parametrize("kind", ["arrow", "parquet", "split", "short"])
def test_the_index_is_counted(outputs: dict[str, Path], kind: str) -> None:
    listed = entries(outputs[kind])
    found = turnmill.stats(outputs[kind])
    assert sum(found.lengths.counts) + found.lengths.longer == len(listed)
    for low, high, n in zip(
        found.lengths.edges, found.lengths.edges[1:], found.lengths.counts, strict=False
    ):
        assert n == sum(low <= entry["length"] < high for entry in listed)
    assert found.turns == dict(sorted(Counter(entry["turns"] for entry in listed).items()))
    lengths = sorted(entry["length"] for entry in listed)
    assert found.length_percentiles[50] == np.percentile(lengths, 50, method="inverted_cdf")
    assert found.length_percentiles[100] == lengths[-1]
    shares = Counter(min(20 * entry["trained"] // entry["length"], 19) for entry in listed)
    assert dict(enumerate(found.trained_share.counts)) == {i: shares[i] for i in range(20)}
    first = [entry for entry in listed if entry["sample"] == 0]
    assert found.duplicate_rows == len(first) - len({entry["hash"] for entry in first})
    assert found.duplicate_conversations == len(first) - len({e["conversation"] for e in first})
    for source in found.sources:
        own = [entry for entry in listed if entry["source"] == source.source]
        assert source.samples == len(own)
        assert source.tokens == sum(entry["length"] for entry in own)
        assert source.trained == sum(entry["trained"] for entry in own)
    assert sum(source.rows for source in found.sources) == found.totals["rows"]
    assert sum(source.rejected for source in found.sources) == found.totals["rows_rejected"]


@pytest.mark.parametrize("kind", ["arrow", "parquet", "split"])
def test_tokens_are_counted(outputs: dict[str, Path], kind: str) -> None:
    found = turnmill.stats(outputs[kind])
    ids: Counter[int] = Counter()
    trained: Counter[int] = Counter()
    for sample in samples(outputs[kind]):
        ids.update(sample["input_ids"])
        labels = sample.get("labels") or sample["input_ids"]
        trained.update(label for label in labels if label != -100)
    assert found.tokens is not None
    assert found.tokens.whole
    assert found.tokens.tokens == ids.total() == found.totals["tokens"]
    for token in found.control_tokens:
        assert (token.count, token.trained) == (ids[token.id], trained[token.id])
    listed = {token.id for token in found.control_tokens}
    added = json.loads((TOKENIZER / "tokenizer.json").read_text())["added_tokens"]
    assert {token["id"] for token in added if ids[token["id"]]} <= listed
    assert sum(role.tokens for role in found.roles) == ids.total()
    by_role = {role.role: role for role in found.roles}
    assert by_role["user"].trained == by_role["system"].trained == 0
    assert by_role["assistant"].trained + by_role["none"].trained == trained.total()


def test_of_a_large_output_every_so_many_batches_are_read(
    outputs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stats_tokens, "SOME_TOKENS", 10)
    for kind in ("arrow", "parquet"):
        some = turnmill.stats(outputs[kind]).tokens
        every = turnmill.stats(outputs[kind], whole=True).tokens
        assert some is not None
        assert every is not None
        assert every.whole
        assert not some.whole
        assert 0 < some.samples <= every.samples


def test_messages_start_at_their_headers() -> None:
    roles = Roles((Header("tool", (1, 5, 7)), Header("user", (1, 5)), Header("assistant", (1, 6))))
    ids = np.array([9, 1, 5, 7, 3, 1, 5, 8, 1, 6, 4, 1, 4, 1])
    assert roles.starts(ids) == [(0, "none"), (1, "tool"), (5, "user"), (8, "assistant")]
    named = [roles.names[number] for number in roles.of_tokens(ids, np.array([0, 10]))]
    assert named == ["none", *["tool"] * 4, *["user"] * 3, *["assistant"] * 2, *["none"] * 4]


@pytest.mark.parametrize(
    ("template", "expected"),
    [("qwen2.5", ["assistant", "system", "tool", "user"]), ("gemma-3", ["assistant", "user"])],
)
def test_headers_of_templates(template: str, expected: list[str]) -> None:
    tokenizer = turnmill.Tokenizer(TOKENIZER)
    facts = {"template": {"source": turnmill.Template(template).source}}
    assert sorted({header.role for header in roles_of(facts, tokenizer).headers}) == expected
    assert roles_of({"template": None}, tokenizer).headers == ()


def test_values_far_above_the_others_do_not_squeeze_them() -> None:
    counts = np.zeros(100_001, np.int64)
    counts[10:60] = 100
    counts[100_000] = 1
    found = of_whole_numbers(counts)
    assert found.longer == 1
    assert len(found.counts) > 20
    assert sum(found.counts) == 5000
    assert of_whole_numbers(np.zeros(0, np.int64)).counts == []


def test_the_command_prints_a_table_and_json(
    outputs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stats", str(outputs["short"])]) == 0
    drawn = capsys.readouterr().out
    for part in ("over length", "control tokens", "tokens by role", "<|im_end|>", "messages.jsonl"):
        assert part in drawn
    assert main(["stats", str(outputs["short"]), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == turnmill.stats(outputs["short"]).to_dict()
    assert main(["stats", str(DEMO)]) == 1
    assert "turnmill prepare did not write this directory" in capsys.readouterr().err
    assert main(["stats"]) == 2


def test_an_output_whose_tokenizer_is_gone_is_counted_without_tokens(
    outputs: dict[str, Path], tmp_path: Path
) -> None:
    output = shutil.copytree(outputs["arrow"], tmp_path / "out")
    record = json.loads((output / "turnmill.json").read_text())
    record["facts"]["tokenizer"]["path"] = record["recipe"]["tokenizer"] = "gone"
    (output / "turnmill.json").write_text(json.dumps(record))
    assert turnmill.stats(output).tokens is None
    assert turnmill.stats(output, tokenizer=TOKENIZER).tokens is not None
    with pytest.raises(turnmill.TokenizerError):
        turnmill.stats(output, tokenizer="nowhere")
