"""Which conversations are written and where: a function of the recipe and the data alone."""

from __future__ import annotations

import filecmp
import json
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tokenizers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fixtures
import sets
import turnmill
from killed_runs import EVERY
from sets import Row, assert_same_bytes, numbered, places, record, talk, write
from turnmill.inputs import files
from turnmill.output.manifest import read_manifest, write_manifest
from turnmill.output.recut import Recut
from turnmill.output.waiting import WaitingWriter, waiting_entries
from turnmill.prepare.choice import choose
from turnmill.recipe import EACH_ONCE
from turnmill.storage.local import whole_file

TOKENIZER = fixtures.ROOT / "python" / "turnmill" / "demo" / "tokenizer"
RULE = "duplicate-conversation"


def recipe(**keys: Any) -> turnmill.Recipe:
    return turnmill.Recipe(tokenizer=TOKENIZER, now="2026-01-02T03:04:05", **keys)


def texts(output: Path, split: str) -> list[str]:
    tokenizer = tokenizers.Tokenizer.from_file(str(TOKENIZER / "tokenizer.json"))
    data = datasets.load_from_disk(str(output))[split]
    return [tokenizer.decode(ids) for ids in data["input_ids"]]


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of a few rows."""
    monkeypatch.setattr(files, "PART_BYTES", 2000)


CONTENT = st.sampled_from(["Hi", "Hi ", "hi", "你好", "One\nline", "12"])
MESSAGES = st.lists(st.tuples(CONTENT, CONTENT), min_size=1, max_size=2)
TOOLS = st.sampled_from([None, [{"type": "function", "function": {"name": "add"}}]])


@st.composite
def conversations(draw: st.DrawFn) -> Row:
    """A row of few possible conversations, with columns and an order of keys that do not count."""
    messages = []
    for question, answer in draw(MESSAGES):
        messages += [
            {"role": "user", "content": question},
            {"content": answer, "role": "assistant"},
        ]
    row: Row = {"id": draw(st.integers(0, 9)), "messages": messages}
    tools = draw(TOOLS)
    return {**row, "tools": tools} if tools else row


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(inputs=st.lists(st.lists(conversations(), min_size=1, max_size=30), min_size=1, max_size=3))
def test_dedup_agrees_with_a_set_of_whole_conversations(
    tmp_path_factory: pytest.TempPathFactory, inputs: list[list[Row]]
) -> None:
    folder = tmp_path_factory.mktemp("dedup")
    paths = [write(folder / f"{n}.jsonl", rows) for n, rows in enumerate(inputs)]
    seen: set[str] = set()
    first: list[tuple[str, int]] = []
    repeated = [0] * len(inputs)
    for number, rows in enumerate(inputs):
        for place, row in enumerate(rows):
            whole = json.dumps([row["messages"], row.get("tools")], sort_keys=True)
            if whole in seen:
                repeated[number] += 1
            else:
                first.append((paths[number], place))
            seen.add(whole)
    run = turnmill.prepare(paths, folder / "out", recipe(dedup="exact"), threads=2)
    assert places(folder / "out") == first
    assert [told["duplicates"] for told in run.inputs] == repeated
    assert run.rejected.get(RULE, 0) == sum(repeated)
    assert run.samples == len(first) == len(datasets.load_from_disk(str(folder / "out")))
    totals = record(folder / "out")["totals"]
    assert totals["rows"] == totals["rows_written"] + totals["rows_rejected"]


def test_the_same_conversation_is_found_in_every_form(tmp_path: Path) -> None:
    sharegpt = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
    plain = write(tmp_path / "a.jsonl", [talk("Hi", "Hello", source="a")])
    other = write(tmp_path / "b.jsonl", [{"conversations": sharegpt, "id": 7}])
    table = pa.Table.from_pylist([talk("Hi", "Hello"), talk("Hi", "Hello!")])
    run = turnmill.prepare([plain, other, table], tmp_path / "out", recipe(dedup="exact"))
    assert [told["duplicates"] for told in run.inputs] == [0, 1, 1]
    rejects = pq.read_table(tmp_path / "out" / "rejects.parquet").to_pylist()
    assert {reject["reason"] for reject in rejects} == {f"the same conversation as {plain}:1"}
    assert [reject["line"] for reject in rejects] == [1, None]


def test_a_row_that_is_left_out_still_tells_what_became_of_it(tmp_path: Path) -> None:
    rows = numbered(30)
    source = write(tmp_path / "a.jsonl", [*rows, rows[4]])
    turnmill.prepare(source, tmp_path / "out", recipe(dedup="exact", validation=0.3))
    shown = str(turnmill.show(tmp_path / "out", source=f"{source}:31"))
    assert f"rejected: {RULE}" in shown
    # A long path stands on a line of its own.
    assert f"the same conversation as {source}:5" in " ".join(shown.split())
    for line in range(1, 31):
        shown = str(turnmill.show(tmp_path / "out", source=f"{source}:{line}"))
        assert f"It is {line - 1}." in shown
    order = places(tmp_path / "out")
    for number, (_, row) in enumerate(order):
        assert f"It is {row}." in str(turnmill.show(tmp_path / "out", sample=number))


def test_a_conversation_keeps_its_side_when_data_is_added(tmp_path: Path) -> None:
    rows = numbered(400)
    random.Random(1).shuffle(rows)
    half = write(tmp_path / "half.jsonl", rows[:200])
    whole = write(tmp_path / "whole.jsonl", numbered(400))
    turnmill.prepare(half, tmp_path / "one", recipe(validation=0.2))
    turnmill.prepare([whole, half], tmp_path / "two", recipe(validation=0.2))
    for split in ("train", "validation"):
        before, after = texts(tmp_path / "one", split), texts(tmp_path / "two", split)
        assert before
        assert set(before) <= set(after)
    # The rows of the half stand in the other twice, both times on one side.
    sides = [set(texts(tmp_path / "two", split)) for split in ("train", "validation")]
    assert not sides[0] & sides[1]
    assert len(sides[0] | sides[1]) == 400
    share = len(sides[1]) / 400
    assert 0.12 < share < 0.28


def test_a_larger_share_keeps_what_was_set_apart(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", numbered(300))
    for share in (0.1, 0.3):
        turnmill.prepare(source, tmp_path / str(share), recipe(validation=share))
    small, large = (set(texts(tmp_path / str(share), "validation")) for share in (0.1, 0.3))
    assert small < large


@pytest.mark.parametrize("form", ["arrow", "parquet"])
@pytest.mark.usefixtures("small_parts")
def test_any_number_of_threads_makes_the_same_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    sources = [
        write(tmp_path / "a.jsonl", [*numbered(80), *numbered(20)]),
        write(tmp_path / "b.jsonl", numbered(60, first=50)),
    ]
    for threads, rows in ((1, 3), (7, 3), (7, 10_000)):
        monkeypatch.setenv("TURNMILL_CHUNK_ROWS", str(rows))
        output = tmp_path / f"{threads}-{rows}"
        made = recipe(dedup="exact", validation=0.2, format=form)
        run = turnmill.prepare(sources, output, made, threads=threads)
        assert run.shards >= 4
        assert run.rejected == {RULE: 50}
        assert_same_bytes(tmp_path / "1-3", output)
    assert not list((tmp_path / "1-3" / ".turnmill").glob("stored-*.arrow"))


@pytest.mark.usefixtures("small_parts")
def test_parquet_files_hold_what_the_datasets_directory_holds(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", [*numbered(50), *numbered(10)])
    for form in ("arrow", "parquet"):
        made = recipe(dedup="exact", validation=0.2, format=form)
        turnmill.prepare(source, tmp_path / form, made)
    arrow = datasets.load_from_disk(str(tmp_path / "arrow"))
    for split in ("train", "validation"):
        paths = sorted(map(str, (tmp_path / "parquet" / split).glob("data-*.parquet")))
        tables = pa.concat_tables([pq.read_table(path) for path in paths])
        by_ids = sorted(arrow[split]["input_ids"])
        assert sorted(tables["input_ids"].to_pylist()) == by_ids
        assert len(by_ids) > 3


@pytest.mark.usefixtures("small_parts")
def test_a_finished_set_is_kept_and_new_inputs_add_to_it(tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl", numbered(60))
    second = write(tmp_path / "b.jsonl", numbered(60, first=30))
    made = recipe(dedup="exact", validation=0.2)
    turnmill.prepare(first, tmp_path / "out", made)
    data = {path: path.stat().st_mtime_ns for path in tmp_path.glob("out/*/data-*")}
    again = turnmill.prepare(first, tmp_path / "out", made)
    assert again.shards_reused == again.shards
    turnmill.prepare([first, second], tmp_path / "out", made)
    assert {path: path.stat().st_mtime_ns for path in data} == data
    turnmill.prepare([first, second], tmp_path / "fresh", made)
    assert_same_bytes(tmp_path / "out", tmp_path / "fresh")
    # In the other order the rows of the second file are the first ones.
    turnmill.prepare([second, first], tmp_path / "out", made)
    turnmill.prepare([second, first], tmp_path / "other", made)
    assert_same_bytes(tmp_path / "out", tmp_path / "other")
    assert places(tmp_path / "out") != places(tmp_path / "fresh")


@pytest.mark.usefixtures("small_parts")
def test_shards_without_duplicates_are_those_of_a_plain_run(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", numbered(60))
    turnmill.prepare(source, tmp_path / "plain", recipe())
    turnmill.prepare(source, tmp_path / "dedup", recipe(dedup="exact"))
    for path in (tmp_path / "plain").glob("data-*"):
        assert filecmp.cmp(path, tmp_path / "dedup" / path.name, False)
    plain, dedup = (record(tmp_path / name)["shards"] for name in ("plain", "dedup"))
    assert [shard["sha256"]["data"] for shard in plain] == [s["sha256"]["data"] for s in dedup]


@pytest.mark.usefixtures("small_parts")
def test_check_makes_a_set_again_and_sees_what_is_missing(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", [*numbered(60), *numbered(20)])
    output = tmp_path / "out"
    turnmill.prepare(source, output, recipe(dedup="exact", validation=0.2))
    findings = turnmill.check(output)
    assert findings.ok
    assert findings.rows == 60
    assert findings.facts["replay"]["by"] == "rendered"
    assert "stale-cache" not in findings.rules
    # Without the rejects nobody left the duplicates out.
    rejects = pq.read_table(output / "rejects.parquet")
    pq.write_table(rejects.slice(0, 0), output / "rejects.parquet")
    note = turnmill.check(output).rules["stale-cache"].evidence[0]["note"]
    assert "rejects.parquet has" in note
    # Whoever writes the manifest again as well is found by what the source gives.
    write_manifest(output, read_manifest(output))
    note = turnmill.check(output).rules["stale-cache"].evidence[0]["note"]
    assert "are in no file" in note


def test_another_layout_leaves_nothing_of_the_old_one(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", numbered(30))
    output = tmp_path / "out"
    turnmill.prepare(source, output, recipe(validation=0.2))
    with pytest.raises(turnmill.RecipeError, match=r"recipe\.validation: 0\.2, now 0"):
        turnmill.prepare(source, output, recipe())
    turnmill.prepare(source, output, recipe(overwrite=True))
    assert not (output / "train").exists()
    assert len(datasets.load_from_disk(str(output))) == 30
    turnmill.prepare(source, output, recipe(validation=0.2, overwrite=True))
    assert not (output / "state.json").exists()
    assert list(datasets.load_from_disk(str(output))) == ["train", "validation"]


def test_a_row_may_stand_in_two_batches_of_a_waiting_index(tmp_path: Path) -> None:
    # Three rows of 1, 4 and 2 samples, the last equal to the first, in batches of two samples.
    entries = [(0, 0, 7), (1, 0, 8), (1, 1, 8), (1, 2, 8), (1, 3, 8), (2, 0, 7), (2, 1, 7)]
    path = tmp_path / "index.arrow"
    with whole_file(path) as file:
        writer = None
        for start in range(0, len(entries), 2):
            rows, samples, hashes = zip(*entries[start : start + 2], strict=True)
            table = pa.table(
                {
                    "row": pa.array(rows, pa.int64()),
                    "line": pa.array([None if row == 1 else row + 1 for row in rows], pa.int64()),
                    "sample": pa.array(samples, pa.int32()),
                    "conversation": pa.array([bytes([h]) * 16 for h in hashes], pa.binary(16)),
                }
            )
            writer = writer or WaitingWriter(file, table.schema)
            writer.write_table(table)
        assert writer
        writer.close()
    assert [len(batch) for batch in waiting_entries(path)] == [2, 2, 2, 1]
    input_: Any = SimpleNamespace(item=0, name="a", quota=EACH_ONCE)
    [choice] = choose(recipe(dedup="exact"), [path], len(entries), [input_])
    assert choice.copies.tolist() == [1, 1, 1, 1, 1, 0, 0]
    repeated = choice.left_out.duplicates
    assert (repeated.rows.tolist(), repeated.lines.tolist()) == ([2], [3])
    assert (repeated.first_rows.tolist(), repeated.first_lines.tolist()) == ([0], [1])


def test_to_carry_nothing_is_said_with_none(tmp_path: Path) -> None:
    data = tmp_path / "a.jsonl"
    data.write_text(json.dumps({"text": "to be", "id": 1}) + "\n")
    tokenizer = Path(turnmill.__file__).parent / "demo" / "tokenizer"
    recipe = turnmill.Recipe(tokenizer=tokenizer, carry=None, schema="text")
    run = turnmill.prepare([turnmill.Input(data, carry=None)], tmp_path / "out", recipe)
    assert run.rows == 1
    assert "to carry" not in str(run)


def test_a_carried_column_that_no_row_has_is_said(tmp_path: Path) -> None:
    one = write(tmp_path / "one.jsonl", [talk("Hi", "Hello", id=1, line="a")])
    other = write(tmp_path / "other.jsonl", [talk("Bye", "Bye", licence=None)])
    inputs = [one, turnmill.Input(other, carry=["user"])]
    carry = ["id", "line", "licence", "lisence"]
    made = turnmill.prepare(inputs, tmp_path / "out", recipe(carry=carry))
    wanted = [
        f"no row has a value to carry in the column {name!r}"
        for name in ("licence", "lisence", "user")
    ]
    told = [note for note in made.facts["notes"] if "carry" in note]
    assert sorted(told) == wanted
    assert "'lisence'" in str(made)
    again = turnmill.prepare(inputs, tmp_path / "out", recipe(carry=carry))
    assert again.shards_reused == again.shards
    assert again.facts["notes"] == made.facts["notes"]
    for part in (1, 2):
        turnmill.prepare(inputs, tmp_path / "parts", recipe(carry=carry), shard=(part, 2))
    assert turnmill.merge(tmp_path / "parts").facts["notes"] == made.facts["notes"]
    assert [entry["row_line"] for entry in sets.entries(tmp_path / "out")] == ["a", None]


def test_rules_of_rows_that_are_left_out_are_not_called_written(tmp_path: Path) -> None:
    odd = {**talk("Hi", "Hello"), "chat_template_kwargs": None}
    odd["messages"][0]["name"] = "Ann"
    rows = [odd, odd, talk("Bye", "Bye")]
    kept = turnmill.prepare(rows, tmp_path / "all", recipe())
    left = turnmill.prepare(rows, tmp_path / "set", recipe(dedup="exact"))
    rule = next(iter(kept.totals.rules))
    assert left.totals.rules[rule] == kept.totals.rules[rule] == 2
    assert "counted, and written" in str(kept)
    assert "counted, and written" not in str(left)
    assert "counted; some of these rows may be among those left out of the set" in str(left)
    pages = [turnmill.report(made.output).path for made in (kept, left)]
    found = ["counted; some of these" in Path(page).read_text("utf-8") for page in pages]
    assert found == [False, True]


def test_a_validation_set_without_conversations_is_said(tmp_path: Path) -> None:
    run = turnmill.prepare(numbered(3), tmp_path / "out", recipe(validation=1e-9))
    assert "3 train and 0 validation" in str(run)
    assert "no conversation falls into validation" in str(run)
    data = datasets.load_from_disk(str(tmp_path / "out"))
    assert (len(data["train"]), len(data["validation"])) == (3, 0)
    assert data["validation"].column_names == data["train"].column_names


def test_next_lines_name_both_data_sets(tmp_path: Path) -> None:
    run = turnmill.prepare(numbered(30), tmp_path / "out", recipe(validation=0.2))
    trl, axolotl, llama_factory = ("\n".join(step.lines) for step in run.next_steps)
    assert f'eval_dataset=load_from_disk("{tmp_path}/out/validation")' in trl
    assert f"test_datasets:\n  - path: {tmp_path}/out/validation" in axolotl
    assert llama_factory == f"dataset: tokenized\ntokenized_path: {tmp_path}/out"
    assert (
        len(datasets.load_from_disk(f"{tmp_path}/out/train"))
        == run.totals.splits["train"]["samples"]
    )


def test_train_is_packed(tmp_path: Path) -> None:
    turnmill.prepare(numbered(50), tmp_path / "out", recipe(validation=0.3))
    train = datasets.load_from_disk(str(tmp_path / "out"))["train"]
    pack = turnmill.pack(tmp_path / "out", 128)
    rows = turnmill.PackedDataset(pack.path)
    ids = [int(token) for row in rows for token in row["input_ids"]]
    assert sorted(ids) == sorted(token for sample in train["input_ids"] for token in sample)
    for number in range(len(rows)):
        documents = rows.documents(number).tolist()
        assert [len(train[document]["input_ids"]) for document in documents] == rows[number][
            "seq_lengths"
        ].tolist()


@pytest.mark.parametrize("keys", [{"validation": 1.0}, {"validation": 1.5}, {"dedup": "fuzzy"}])
def test_values_that_make_no_set_are_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(turnmill.RecipeError) as raised:
        recipe(**keys)
    assert raised.value.code == "bad-value"


@given(st.lists(st.integers(0, 7), max_size=12), st.integers(1, 5))
def test_batches_are_cut_anew_without_loss(sizes: list[int], rows: int) -> None:
    numbers = iter(range(1000))
    batches = [pa.record_batch({"n": [next(numbers) for _ in range(size)]}) for size in sizes]
    empty = pa.record_batch({"n": pa.array([], pa.int64())})
    recut = Recut(rows)
    cut = [cut for batch in [empty, *batches] for cut in recut.add(batch.cast(empty.schema))]
    cut += recut.rest()
    assert [n for batch in cut for n in batch["n"].to_pylist()] == list(range(sum(sizes)))
    assert [len(batch) for batch in cut[:-1]] == [rows] * (len(cut) - 1)
    assert len(cut) == max(1, -(-sum(sizes) // rows))


RUN = f"""
from turnmill.inputs import files
files.PART_BYTES = 2000
recipe = turnmill.Recipe(tokenizer={str(TOKENIZER)!r}, dedup="exact", validation=0.2)
turnmill.prepare("a.jsonl", output, recipe, threads=1)
"""


@pytest.mark.slow
@pytest.mark.parametrize("every", EVERY)
@pytest.mark.parametrize("point", ["fsync", "replace"])
def test_a_run_killed_anywhere_ends_with_the_same_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, every: int
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("a.jsonl"), [*numbered(60), *numbered(10)])

    sets.assert_killed_runs_end_with_the_same_bytes(RUN, point, every)
