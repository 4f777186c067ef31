"""Packing a written output through the command line and the API: files, errors, the report."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import turnmill
from file_hashes import hashes
from turnmill import ArgumentError, DataError, PackedDataset, TurnmillError, pack
from turnmill.cli import main
from turnmill.output.ownership import record_names
from turnmill.packing.index import PackIndex, joined, read_index, write_index
from turnmill.packing.lengths import options
from turnmill.packing.parts import packed, split
from turnmill.packing.report import Count, PackReport

DEMO = Path(turnmill.__file__).parent / "demo"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("prepared") / "out"
    recipe = turnmill.Recipe(tokenizer=DEMO / "tokenizer")
    turnmill.prepare(DEMO / "data" / "messages.jsonl", place, recipe, threads=1)
    return place


@pytest.fixture
def out(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    shutil.copytree(prepared, "out")
    yield Path("out")
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int) -> tuple[str, str]:
    assert main(["pack", *words]) == code
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_the_command_ends_with_the_report(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed, talk = said(capsys, "out", "--length", "2048", "--write", "--json", code=0)
    record = json.loads(printed)
    assert record["path"] == str(out / "pack-2048-0")
    report = record["report"]
    assert f"packs      {report['packs']} of 2,048 tokens, " in talk
    assert f"{100 * report['fill']:.2f} % full" in talk
    for trainer in ("TRL", "transformers", "your own loop", "Axolotl", "LLaMA-Factory"):
        assert f"next: {trainer}: " in talk
    assert 'load_from_disk("out/pack-2048-0")' in talk
    assert str(pack(out, 2048)) == talk.rstrip("\n")
    assert said(capsys, "out", "--length", "2048", "-q", code=0) == ("", "")


def test_an_index_alone_has_no_rows(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, talk = said(capsys, "out", "--length", "2048", "--seed", "7", code=0)
    assert "    turnmill pack out --length 2048 --seed 7 --write\n" in talk
    names = sorted(path.name for path in (out / "pack-2048-7").iterdir())
    assert names == ["manifest.json", "pack.json", "packs.parquet"]


def test_the_index_leads_from_rows_to_documents(out: Path) -> None:
    made = pack(out, 2048)
    table = pq.read_table(out / "pack-2048-0" / "packs.parquet")
    lengths = np.concatenate(
        [pq.read_table(path)["length"].to_numpy() for path in out.glob("index-*.parquet")]
    )
    documents = table["documents"].to_pylist()
    assert sorted(n for row in documents for n in row) == list(range(len(lengths)))
    assert table["seq_lengths"].to_pylist() == [lengths[row].tolist() for row in documents]
    assert table["starts"].to_pylist() == [[0] * len(row) for row in documents]
    assert made.record["index"]["sha256"] == hashes(f"{out}/pack-2048-0")["packs.parquet"]


def test_the_same_command_keeps_what_is_there(out: Path) -> None:
    first = pack(out, 2048, write=True)
    files = hashes(f"{out}/pack-2048-0")
    times = {path.name: path.stat().st_mtime_ns for path in (out / "pack-2048-0").iterdir()}
    again = pack(out, 2048)
    assert again.record == first.record
    assert times == {p.name: p.stat().st_mtime_ns for p in (out / "pack-2048-0").iterdir()}
    shutil.rmtree(out / "pack-2048-0")
    pack(out, 2048, write=True)
    assert hashes(f"{out}/pack-2048-0") == files


def test_rows_can_be_written_later(out: Path) -> None:
    index = pack(out, 2048)
    assert index.rows is None
    made = pack(out, 2048, write=True)
    assert made.rows is not None
    assert made.record["index"] == index.record["index"]


def test_a_run_that_was_killed_is_made_again(out: Path) -> None:
    pack(out, 2048, write=True)
    files = hashes(f"{out}/pack-2048-0")
    (out / "pack-2048-0" / "state.json").unlink()
    pack(out, 2048, write=True)
    assert hashes(f"{out}/pack-2048-0") == files
    (out / "pack-2048-0" / "pack.json").unlink()
    record_names(out, {"pack-2048-0/data-00007.arrow"})
    (out / "pack-2048-0" / "data-00007.arrow").write_text("left behind")
    pack(out, 2048, write=True)
    assert hashes(f"{out}/pack-2048-0") == files


@pytest.mark.parametrize("name", ["packs.parquet", "data-00000.arrow", "dataset_info.json"])
def test_a_pack_that_lost_a_file_is_made_again(out: Path, name: str) -> None:
    directory = out / "pack-2048-0"
    pack(out, 2048, write=True)
    files = hashes(str(directory))
    (directory / name).unlink()
    pack(out, 2048, write=True)
    assert hashes(str(directory)) == files
    (directory / name).write_bytes(b"of another size")
    pack(out, 2048, write=True)
    assert hashes(str(directory)) == files


def test_another_pack_of_the_same_name_is_not_replaced_unasked(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack(out, 2048)
    _, talk = said(capsys, "out", "--length", "2048", "--strategy", "in-order", code=1)
    assert 'strategy: "best-fit", now "in-order"' in talk
    assert "--overwrite" in talk
    said(capsys, "out", "--length", "2048", "--strategy", "in-order", "--overwrite", code=0)
    assert pack(out, 2048, strategy="in-order").record["made_of"]["strategy"] == "in-order"


def test_a_pack_of_samples_that_are_gone_is_refused_and_made_again(out: Path) -> None:
    made = pack(out, 2048)
    record = json.loads((out / "turnmill.json").read_text("utf-8"))
    record["shards"][0]["sha256"]["data"] = "0" * 64
    (out / "turnmill.json").write_text(json.dumps(record), "utf-8")
    with pytest.raises(DataError, match="made again after it was packed"):
        PackedDataset(made.path)
    assert pack(out, 2048).record["made_of"] != made.record["made_of"]
    assert len(PackedDataset(made.path)) == made.report.packs


def test_samples_that_are_too_long_stop_it_and_the_ways_out_work(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lengths = pq.read_table(next(out.glob("index-*.parquet")))["length"].to_numpy()
    long = lengths > 300
    assert 0 < long.sum() < len(lengths)
    _, talk = said(capsys, "out", "--length", "300", code=1)
    assert f"{long.sum()} samples are longer than 300 tokens" in talk
    assert f"sample {lengths.argmax()}, has {lengths.max()}" in talk
    assert not (out / "pack-300-0").exists()
    left = pack(out, 300, over_length="reject").report
    assert (left.left_out, left.left_out_tokens) == (long.sum(), lengths[long].sum())
    assert "left out" in str(pack(out, 300, over_length="reject"))
    alone = pack(out, 300, over_length="alone", seed=1).report
    assert (alone.alone, alone.tokens) == (long.sum(), lengths.sum())
    assert "alone" in str(pack(out, 300, over_length="alone", seed=1))
    # A document that has its own row fills it, and no row is more than full.
    rows = [row["input_ids"].size for row in PackedDataset(out / "pack-300-1")]
    assert alone.fill == sum(rows) / sum(max(row, 300) for row in rows)
    assert alone.fill < 1 < sum(rows) / (300 * len(rows))


def test_an_output_that_is_in_use_can_only_be_waited_for(out: Path) -> None:
    with (out / ".turnmill" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TurnmillError, match="is writing to this output") as raised:
            pack(out, 2048)
    assert raised.value.hint == "wait until it ends"


def test_rows_are_written_from_one_row_group_of_the_index_at_a_time(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = pack(out, 512, write=True)
    monkeypatch.setattr("turnmill.packing.index._GROUP_PACKS", 7)
    monkeypatch.setattr("turnmill.packing.rows._BATCH_PACKS", 10)
    ten = pack(out, 512, write=True, overwrite=True)
    index = pq.ParquetFile(ten.path / "packs.parquet")
    assert index.num_row_groups == -(-whole.report.packs // 7) > 2
    here = [len(batch) for batch in arrow_batches(ten.path / "data-00000.arrow")]
    assert here == [10] * (whole.report.packs // 10) + [whole.report.packs % 10] * bool(
        whole.report.packs % 10
    )
    monkeypatch.setattr("turnmill.packing.index._GROUP_PACKS", 1 << 14)
    at_once = pack(out, 512, write=True, overwrite=True)
    assert at_once.rows == ten.rows
    monkeypatch.undo()


def arrow_batches(path: Path) -> list[pa.RecordBatch]:
    with pa.OSFile(str(path)) as file:
        return list(pa.ipc.open_stream(file))


@pytest.mark.parametrize("strategy", ["best-fit", "global", "in-order"])
def test_every_document_can_be_padded_to_a_multiple(out: Path, strategy: str) -> None:
    made = pack(out, 512, multiple_of=16, strategy=strategy)
    rows = PackedDataset(made.path)
    collate = turnmill.PaddingFreeCollator(document_multiple_of=16, length=512)
    tokens = sum(int(collate([row])["seq_lengths"].sum()) for row in rows)
    assert tokens == made.report.tokens == pack(out, 1024).report.tokens
    assert f"--length 512{' --strategy ' + strategy if strategy != 'best-fit' else ''} " in str(
        made
    )
    assert "--multiple-of 16 --write" in str(made)
    with pytest.raises(DataError, match="multiple_of: 16, now 8"):
        pack(out, 512, multiple_of=8, strategy=strategy)
    with pytest.raises(DataError, match="2 samples are longer than 341 tokens with padding"):
        pack(out, 341, multiple_of=4)


def test_turns_are_not_split(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, talk = said(capsys, str(out), "--length", "2048", "--strategy", "split", code=2)
    assert "strategy split cuts documents, and the output holds turns (messages)" in talk


def test_turns_that_would_be_split_are_refused_before_the_first_row(tmp_path: Path) -> None:
    with pytest.raises(turnmill.RecipeError) as raised:
        turnmill.prepare(DATA, tmp_path / "none", packing(pack=512, pack_strategy="split"))
    assert raised.value.code == "pack-of-turns"
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no output is named"),
        (["out"], "no length is given"),
        (["out", "--length", "0"], "--length"),
        (["out", "--length", "2048", "--strategy", "best"], "--strategy"),
        (["out", "--length", "2048", "--seed", "-1"], "--seed"),
    ],
)
def test_usage_errors(
    out: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert out.exists()
    _, talk = said(capsys, *words, code=2)
    assert message in talk


def test_what_is_no_output_is_refused(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, talk = said(capsys, "elsewhere", "--length", "2048", code=1)
    assert "there is no such directory" in talk
    Path("empty").mkdir()
    _, talk = said(capsys, "empty", "--length", "2048", code=1)
    assert "turnmill prepare did not write this directory" in talk
    (out / "turnmill.json").unlink()
    _, talk = said(capsys, "out", "--length", "2048", code=1)
    assert "the output is not finished" in talk
    with pytest.raises(DataError, match="not the directory of a pack"):
        PackedDataset(out)


def test_an_output_behind_a_uri_is_packed_there(out: Path) -> None:
    recipe = turnmill.Recipe(tokenizer=DEMO / "tokenizer")
    place = "fsspec+memory://bucket/out"
    turnmill.prepare(DEMO / "data" / "messages.jsonl", place, recipe, threads=1)
    made = pack(place, 2048, write=True)
    assert str(made.path) == f"{place}/pack-2048-0"
    here = pack(out, 2048, write=True)
    assert made.report == here.report
    assert made.record["index"] == here.record["index"]
    assert made.rows == here.rows
    # Parquet is the default behind a URI; what Axolotl is told fits it.
    assert "ds_type: parquet" in str(made)
    assert "ds_type: parquet" not in str(here)
    assert "sample_packing: true" in str(made)
    there, local = PackedDataset(f"{place}/pack-2048-0"), PackedDataset(here.path)
    for one, other in zip(there, local, strict=True):
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_copy_without_hidden_files_is_packed_too(out: Path) -> None:
    shutil.rmtree(out / ".turnmill")
    assert pack(out, 2048).report.packs > 0


@pytest.mark.parametrize(
    "arguments",
    [{"length": "2048"}, {"strategy": "best"}, {"seed": None}, {"over_length": "cut"}],
    ids=repr,
)
def test_arguments_that_cannot_be(out: Path, arguments: dict[str, Any]) -> None:
    given = {"length": 2048, **arguments}
    with pytest.raises(ArgumentError):
        pack(out, **given)


def test_an_index_of_many_row_groups_comes_back(tmp_path: Path) -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 150_000).astype(np.int32)
    index = joined([*packed(lengths, options(100, "best-fit", 65_536, 0, "error"))])
    assert len(index) > 2 * 16_384
    write_index(tmp_path / "index.parquet", [index])
    again = read_index(tmp_path / "index.parquet")
    for name in ("offsets", "documents", "starts", "lengths"):
        assert np.array_equal(getattr(again, name), getattr(index, name)), name


def test_split_cuts_where_a_pack_is_full() -> None:
    index = joined([*split(np.array([5, 0, 3, 12, 1], np.int32), 8)])
    assert index.offsets.tolist() == [0, 2, 3, 5]
    assert index.documents.tolist() == [0, 2, 3, 3, 4]
    assert index.starts.tolist() == [0, 0, 0, 8, 0]
    assert index.lengths.tolist() == [5, 3, 8, 4, 1]


def report_of(parts: Iterable[PackIndex], lengths: Any, capacity: int) -> PackReport:
    count = Count(capacity)
    for part in parts:
        count.add(part)
    return count.report(lengths)


def test_the_report_counts() -> None:
    lengths = np.array([60, 40, 50, 10, 120], np.int32)
    how = options(100, "global", 1, None, "reject")
    report = report_of(packed(lengths, how), lengths, 100)
    assert (report.packs, report.documents, report.tokens) == (2, 4, 160)
    assert report.fewest_packs == 2
    assert report.fill == 0.8
    assert (report.left_out, report.left_out_tokens, report.alone, report.cut) == (1, 120, 0, 0)
    assert report.documents_per_pack == {"min": 2, "median": 2.0, "mean": 2.0, "max": 2}
    # Rows of 60 + 40 and 50 + 10 tokens, by every pair of a causal matrix.
    every = sum(n * (n + 1) // 2 for n in (100, 60))
    own = sum(n * (n + 1) // 2 for n in (60, 40, 50, 10))
    assert report.mixed_attention == pytest.approx(1 - own / every)
    assert report.length_correlation == pytest.approx(-1)


def test_the_report_of_nothing() -> None:
    nothing = np.zeros(0, np.int32)
    report = report_of([PackIndex(np.zeros(1, np.int64), nothing, nothing, nothing)], nothing, 100)
    assert (report.packs, report.fill, report.mixed_attention) == (0, 0.0, 0.0)


DATA = DEMO / "data" / "messages.jsonl"


def packing(**keys: Any) -> turnmill.Recipe:
    return turnmill.Recipe(tokenizer=DEMO / "tokenizer", max_length=512, **keys)


def test_prepare_packs_what_it_has_written(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["prepare", str(DATA), "-o", "new", "--tokenizer", str(DEMO / "tokenizer")]
    assert main([*words, "--max-length", "512", "--pack", "1024", "--json"]) == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)["pack"]
    assert told["path"] == "new/pack-1024-0"
    assert told["report"]["documents"] == json.loads(captured.out)["samples"]
    assert f"packs      {told['report']['packs']} of 1,024 tokens" in captured.err
    # The same as in two steps.
    turnmill.prepare(DATA, out, packing(overwrite=True))
    assert pack(out, 1024).record == json.loads(Path("new/pack-1024-0/pack.json").read_text())


def test_another_length_or_strategy_prepares_nothing_again(out: Path) -> None:
    turnmill.prepare(DATA, out, packing(overwrite=True, pack=512))
    again = turnmill.prepare(DATA, out, packing(pack=1024, pack_strategy="in-order"))
    assert again.shards_reused == again.shards
    assert again.pack is not None
    assert again.pack.record["made_of"]["strategy"] == "in-order"
    assert sorted(path.name for path in out.glob("pack-*")) == ["pack-1024-0", "pack-512-0"]
    with pytest.raises(DataError, match="strategy"):
        turnmill.prepare(DATA, out, packing(pack=1024))


def test_packs_follow_an_output_that_grows(out: Path) -> None:
    turnmill.prepare(DATA, out, packing(overwrite=True, pack=512))
    more = [DATA, DEMO / "data" / "alpaca.jsonl"]
    grown = turnmill.prepare(more, out, packing(pack=512))
    assert grown.pack is not None
    assert grown.pack.report.documents == grown.samples


def test_overwrite_leaves_no_packs(out: Path) -> None:
    pack(out, 512, write=True)
    pack(out, 1024, seed=3)
    (out / "pack-512-0" / "mine.txt").write_text("kept")
    (out / "packs-of-mine").mkdir()
    turnmill.prepare(DATA, out, packing(overwrite=True, pack=2048))
    left = sorted(str(path.relative_to(out)) for path in out.glob("pack*/*"))
    made = [f"pack-2048-0/{name}" for name in ("manifest.json", "pack.json", "packs.parquet")]
    assert left == [*made, "pack-512-0/mine.txt"]


@pytest.mark.usefixtures("out")
def test_packs_at_a_uri_go_too() -> None:
    uri = "fsspec+memory://bucket/out"
    turnmill.prepare(DATA, uri, packing(pack=512))
    turnmill.prepare(DATA, uri, packing(pack=1024, overwrite=True))
    packs = {name for name in MemoryFileSystem.store if "/pack-" in name}
    assert packs == {
        "/bucket/out/pack-1024-0/manifest.json",
        "/bucket/out/pack-1024-0/pack.json",
        "/bucket/out/pack-1024-0/packs.parquet",
    }


@pytest.mark.parametrize("keys", [{}, {"max_length": 2048}])
def test_a_sample_that_may_not_fit_is_said_before_the_first_row(keys: dict[str, Any]) -> None:
    with pytest.raises(turnmill.RecipeError) as raised:
        turnmill.Recipe(pack=1024, **keys)
    assert raised.value.code == "pack-too-short"
    assert "--max-length 1024" in str(raised.value.hint)
    assert turnmill.Recipe(pack=1024, pack_strategy="split").pack == 1024
