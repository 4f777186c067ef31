"""Inputs of every form, shards, receipts, resuming and committing."""

from __future__ import annotations

import gzip
import json
import os
import re
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import turnmill
from file_hashes import hashes
from killed_runs import EVERY, KilledRuns
from small_rows import TOKENIZER, expected, json_lines, rows
from turnmill.encoder.session import Session
from turnmill.errors import DataError, RecipeError, TurnmillError
from turnmill.inputs import files
from turnmill.output.formats import FORMATS
from turnmill.output.reader import is_output
from turnmill.prepare.result import Run


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(inputs: Any, output: str = "out", *, resume: bool = True, **keys: Any) -> Run:
    recipe = turnmill.Recipe(tokenizer=TOKENIZER, **keys)
    return turnmill.prepare(inputs, output, recipe, threads=2, resume=resume)


def lengths(output: str) -> list[int]:
    return list(datasets.load_from_disk(output)["length"])


def write_every_form(count: int) -> list[str]:
    text = json_lines(count)
    Path("a.jsonl").write_bytes(text)
    Path("bom.jsonl").write_bytes(text)
    Path("b.jsonl.gz").write_bytes(gzip.compress(text))
    Path("c.zst").write_bytes(pa.Codec("zstd").compress(text, asbytes=True))
    Path("d.json").write_text(json.dumps(rows(count)))
    Path("e.json.gz").write_bytes(gzip.compress(json.dumps(rows(count), indent=1).encode()))
    table = pa.Table.from_pylist(rows(count))
    pq.write_table(table, "f.parquet", row_group_size=300)
    with pa.ipc.new_file("g.arrow", table.schema) as writer:
        writer.write_table(table, max_chunksize=170)
    with pa.ipc.new_stream("h.arrow", table.schema) as writer:
        writer.write_table(table, max_chunksize=170)
    datasets.Dataset.from_list(rows(count)).save_to_disk("i")
    forms = "a.jsonl b.jsonl.gz c.zst d.json e.json.gz f.parquet g.arrow h.arrow i"
    return forms.split()


def test_every_form_of_input_gives_the_same_samples() -> None:
    for name in write_every_form(700):
        run(name, f"out-{name}")
        assert lengths(f"out-{name}") == expected(700), name


def test_rows_in_memory() -> None:
    data = rows(2300)
    dataset = datasets.Dataset.from_list(data)
    table = pa.Table.from_pylist(data)
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches())
    once = (row for row in data)
    for i, given in enumerate([data, table, table.to_batches()[0], dataset, reader, once]):
        run(given, f"out-{i}")
        assert lengths(f"out-{i}") == expected(2300), i


def test_one_row_is_no_list_of_rows() -> None:
    with pytest.raises(DataError, match="one dict is not a list of rows") as raised:
        run(rows(1)[0])
    assert "give [row]" in str(raised.value.hint)


def test_the_indices_of_a_dataset_are_respected() -> None:
    dataset = datasets.Dataset.from_list(rows(50)).select([40, 3, 3, 7])
    run(dataset)
    every = expected(50)
    assert lengths("out") == [every[40], every[3], every[3], every[7]]


def test_any_arrow_producer_is_read() -> None:
    import polars as pl

    run(pl.DataFrame(rows(20)))
    assert lengths("out") == expected(20)


def test_a_directory_a_glob_and_a_uri_name_files(tmp_path: Path) -> None:
    Path("data/sub").mkdir(parents=True)
    Path("data/b.jsonl").write_bytes(json_lines(3))
    Path("data/sub/a.jsonl.gz").write_bytes(gzip.compress(json_lines(4)))
    Path("data/.hidden.jsonl").write_bytes(b"not read")
    Path("data/notes.txt").write_bytes(b"not read")
    for i, given in enumerate(["data", "data/**/*.jsonl*", f"file://{tmp_path}/data"]):
        assert run(given, f"out-{i}").rows == 7, given
    assert run(f"file://{tmp_path}/data/*.jsonl", "out-glob").rows == 3


def test_ranges_of_a_file_are_shards_and_lines_keep_their_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(files, "PART_BYTES", 5000)
    monkeypatch.setattr(files, "BLOCK_BYTES", 700)
    monkeypatch.setattr(files, "HASHED_BYTES", 700)
    lines = json_lines(400).splitlines()
    lines[100:100] = [b"", b"  ", b"{broken"]
    Path("a.jsonl").write_bytes(b"\n".join(lines))
    result = run("a.jsonl")
    assert result.shards > 5
    assert lengths("out") == expected(400)
    index = pa.concat_tables(pq.read_table(p) for p in shard_order("index"))
    assert index["line"].to_pylist() == [*range(1, 101), *range(104, 404)]
    assert index["row"].to_pylist() == [*range(100), *range(101, 401)]
    [reject] = pq.read_table("out/rejects.parquet").to_pylist()
    assert (reject["source"], reject["line"], reject["row"]) == ("a.jsonl", 103, 100)
    assert reject["code"] == "invalid-json"
    evidence = json.loads(Path("out/turnmill.json").read_text())["evidence"]
    place = {"source": "a.jsonl", "row": 100, "line": 103, "message": None}
    assert evidence == {"invalid-json": [place]}


def shard_order(kind: str) -> list[str]:
    record = json.loads(Path("out/turnmill.json").read_text())
    return [f"out/{shard[kind]}" for shard in record["shards"]]


def test_parquet_row_groups_are_joined_into_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pa.Table.from_pylist(rows(1000)), "a.parquet", row_group_size=100)
    monkeypatch.setattr(files, "PART_BYTES", 20_000)
    result = run("a.parquet")
    assert 1 < result.shards < 10
    assert lengths("out") == expected(1000)


def test_parquet_output_holds_the_same_samples() -> None:
    run(rows(2500), "arrow")
    run(rows(2500), "parquet", format="parquet")
    [path] = Path("parquet").glob("data-*.parquet")
    assert (
        pq.read_table(path)["labels"].to_pylist() == datasets.load_from_disk("arrow")["labels"][:]
    )
    column = pq.ParquetFile(path).metadata.row_group(0).column(0)
    assert column.compression == "ZSTD"
    assert "BYTE_STREAM_SPLIT" in column.encodings
    assert not column.has_dictionary_page


def test_accounting_holds_and_percentiles_are_exact() -> None:
    result = run([*rows(100), {"messages": [{"role": "user", "content": "alone"}]}])
    totals = result.to_dict()
    assert totals["rows"] == 101 == totals["rows_written"] + totals["rows_rejected"]
    assert totals["rejected"] == {"no-assistant-turn": 1}
    ordered = sorted(expected(100))
    assert totals["length_percentiles"]["50"] == ordered[49]
    assert totals["length_percentiles"]["99"] == ordered[98]
    assert totals["length_percentiles"]["100"] == ordered[-1]


def test_a_second_run_reuses_every_shard_and_new_inputs_add_shards() -> None:
    Path("a.jsonl").write_bytes(json_lines(10))
    Path("b.jsonl").write_bytes(json_lines(10, 10))
    run("a.jsonl")
    assert run("a.jsonl").shards_reused == 1
    result = run(["a.jsonl", "b.jsonl"])
    assert (result.shards, result.shards_reused) == (2, 1)
    assert lengths("out") == expected(20)
    run("b.jsonl")
    assert lengths("out") == expected(20)[10:]
    assert len(list(Path("out").glob("data-*"))) == 1


def test_a_changed_shard_file_is_made_anew() -> None:
    Path("a.jsonl").write_bytes(json_lines(10))
    run("a.jsonl")
    before = hashes("out")
    [data] = Path("out").glob("data-*.arrow")
    data.write_bytes(data.read_bytes()[:-10])
    assert run("a.jsonl").shards_reused == 0
    assert hashes("out") == before


def test_the_same_file_twice_counts_twice() -> None:
    Path("a.jsonl").write_bytes(json_lines(10))
    run(["a.jsonl", "a.jsonl"])
    assert lengths("out") == expected(10) * 2


def test_another_recipe_on_the_same_output_is_refused_with_the_difference() -> None:
    run(rows(3))
    before = hashes("out")
    with pytest.raises(RecipeError) as caught:
        run(rows(3), history="last-turn", max_rejects=0.1, eos="template")
    assert str(caught.value) == (
        "the output was made with another recipe:\n"
        '  recipe.history: "auto", now "last-turn"\n'
        '  recipe.eos: "ensure", now "template"'
    )
    assert "--overwrite" in (caught.value.hint or "")
    assert hashes("out") == before
    run(rows(4), history="last-turn", overwrite=True)
    assert lengths("out") == expected(4)


def test_a_run_that_wrote_nothing_leaves_the_recipe_open() -> None:
    alone = [{"messages": [{"role": "user", "content": "alone"}]}]
    with pytest.raises(DataError, match="the only row was rejected") as raised:
        run(alone, max_rejects=1.0)
    assert "out/rejects.parquet" in str(raised.value.hint)
    (reject,) = pq.read_table("out/rejects.parquet").to_pylist()
    assert (reject["row"], reject["code"]) == (0, "no-assistant-turn")
    with pytest.raises(DataError, match="the run wrote nothing but") as refused:
        is_output("out")
    assert "turnmill show" in str(refused.value.hint)
    assert run(rows(3), history="last-turn").samples == 3


def test_another_limit_for_rejects_goes_on_with_the_same_shards() -> None:
    Path("a.jsonl").write_bytes(json_lines(10) + b"{broken\n" * 5)
    with pytest.raises(DataError, match="more than max_rejects allows"):
        run("a.jsonl", max_rejects=0.1)
    assert run("a.jsonl", max_rejects=0.4).shards_reused == 1


def test_an_output_is_no_input() -> None:
    Path("data").mkdir()
    Path("data/a.jsonl").write_bytes(json_lines(10))
    run("data", "data/out")
    assert run("data", "data/out").shards_reused == 1
    with pytest.raises(DataError, match="an output of turnmill"):
        run("data/out", "again")


def test_settings_for_trainers_neither_cut_nor_tokenize_anew() -> None:
    trl, axolotl, llama_factory = run(rows(50)).next_steps
    assert "max_length=None, packing=False" in trl.lines[1]
    assert axolotl.lines == ("datasets:", "  - path: out", f"sequence_len: {max(expected(50))}")
    assert llama_factory.lines == ("dataset: tokenized", "tokenized_path: out")
    assert f'packing_strategy="bfd", max_length={max(expected(50))}' in trl.lines[2]
    trl, axolotl, llama_factory = run(rows(50), "parquet", format="parquet").next_steps
    assert "    data_files: parquet/data-*.parquet" in axolotl.lines
    loaded = datasets.load_dataset(
        "parquet", data_files="parquet/data-*.parquet", split="train", cache_dir="cache"
    )
    assert loaded["length"] == expected(50)
    assert 'load_dataset("parquet", data_files="parquet/data-*.parquet"' in trl.lines[0]
    assert "without --format parquet" in llama_factory.lines[0]


def test_a_directory_of_somebody_else_is_left_alone() -> None:
    Path("out").mkdir()
    Path("out/thesis.tex").write_text("text")
    with pytest.raises(DataError, match="not made by turnmill"):
        run(rows(3))
    assert [path.name for path in Path("out").iterdir()] == ["thesis.tex"]


def test_without_resume_a_started_output_is_an_error() -> None:
    run(rows(3))
    with pytest.raises(DataError, match="started before"):
        run(rows(3), resume=False)


def test_two_runners_on_one_output_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    open_shard = Session.open_shard

    def meanwhile(session: Session, options: Any) -> Any:
        with pytest.raises(TurnmillError, match=f"process {os.getpid()} is writing"):
            run(rows(3))
        return open_shard(session, options)

    monkeypatch.setattr(Session, "open_shard", meanwhile)
    assert run(rows(3)).samples == 3


def test_every_format_that_the_recipe_knows_is_in_the_table() -> None:
    with pytest.raises(RecipeError) as raised:
        turnmill.Recipe(format="none")
    assert re.findall(r"[a-z]+", str(raised.value.hint))[-len(FORMATS) :] == list(FORMATS)


RUN = f"""
from turnmill.inputs import files
files.PART_BYTES = 3000
recipe = turnmill.Recipe(tokenizer={str(TOKENIZER)!r})
turnmill.prepare("a.jsonl", output, recipe, threads=1)
"""


@pytest.mark.slow
@pytest.mark.parametrize("every", EVERY)
@pytest.mark.parametrize("point", ["fsync", "replace"])
def test_a_run_killed_anywhere_goes_on_and_ends_with_the_same_bytes(point: str, every: int) -> None:
    Path("a.jsonl").write_bytes(json_lines(300))

    kills = 0
    with KilledRuns(RUN) as runs:
        assert runs.run("whole") == 0
        for _ in runs.kills("out", point, every=every):
            kills += 1
            if Path("out/state.json").exists():
                assert hashes("out").keys() | {"manifest.json"} >= hashes("whole").keys()
            if Path("out/manifest.json").exists():
                assert turnmill.check_files("out").ok
    assert kills > 3
    assert hashes("out") == hashes("whole")
