"""Data sets for a training loop: nothing lost, nothing twice, and the same rest after a resume."""

from __future__ import annotations

import itertools
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import turnmill
from small_rows import TOKENIZER, expected, json_lines, rows
from turnmill import (
    ArgumentError,
    DataError,
    EncodingDataset,
    IterableDataset,
    PackedDataset,
    RecipeError,
    SampleDataset,
    TurnmillError,
)
from turnmill.training.order import shuffled

COUNT = 120


@pytest.fixture(scope="module", params=["arrow", "parquet"])
def out(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("set")
    for number, start in enumerate((0, 70)):
        count = COUNT - start if start else 70
        (place / f"{number}.jsonl").write_bytes(json_lines(count, start))
    columns = ["input_ids", "labels", "weights"]
    recipe = turnmill.Recipe(tokenizer=TOKENIZER, columns=columns, format=request.param)
    turnmill.prepare(sorted(place.glob("*.jsonl")), place / "out", recipe, threads=1)
    turnmill.pack(place / "out", 64)
    return place / "out"


def keys(items: Any) -> list[tuple[int, ...]]:
    return [tuple(item["input_ids"].tolist()) for item in items]


# Samples by number.


def test_samples_are_those_of_the_output(out: Path) -> None:
    data = SampleDataset(out)
    assert [len(item["input_ids"]) for item in data] == expected(COUNT)
    if (out / "state.json").exists():
        for item, row in zip(data, datasets.load_from_disk(str(out)), strict=True):
            assert {name: values.tolist() for name, values in item.items()} == {
                name: row[name] for name in ("input_ids", "labels", "weights")
            }
    types = {name: values.dtype for name, values in data[-1].items()}
    assert types == {"input_ids": np.int32, "labels": np.int32, "weights": np.float32}
    with pytest.raises(IndexError):
        data[COUNT]
    again = pickle.loads(pickle.dumps(data))
    assert keys(again) == keys(data)
    for values in again[3].values():
        values[:] = 0  # items are the caller's
    assert keys(again) == keys(data)


def test_a_data_set_is_chosen_by_its_name(tmp_path: Path) -> None:
    turnmill.prepare(rows(60), tmp_path / "out", tokenizer=TOKENIZER, validation=0.3)
    both = datasets.load_from_disk(str(tmp_path / "out"))
    for split in both:
        assert keys(SampleDataset(tmp_path / "out", split=split)) == [
            tuple(ids) for ids in both[split]["input_ids"]
        ]
    one, other = (SampleDataset(tmp_path / "out", split=split).fingerprint for split in both)
    assert one != other
    with pytest.raises(ArgumentError):
        SampleDataset(tmp_path / "out", split="test")


def test_a_path_that_does_not_exist_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such directory") as raised:
        SampleDataset(tmp_path / "nosuch")
    assert (raised.value.code, raised.value.path) == ("no-output", str(tmp_path / "nosuch"))
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="this is a file, not the directory of an output"):
        SampleDataset(tmp_path / "file")


def test_without_torch_it_says_how_to_get_it(
    out: Path, sources: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "turnmill.training.torch", raising=False)
    data = SampleDataset(out)
    collate = turnmill.PaddingCollator(pad_id=0, tensors="torch")
    encoding = EncodingDataset(sources, tokenizer=TOKENIZER)
    for ask in (IterableDataset(data).torch, encoding.torch, lambda: collate([data[0]])):
        with pytest.raises(TurnmillError, match="this needs PyTorch") as raised:
            ask()
        assert (raised.value.code, raised.value.hint) == ("no-torch", "pip install torch")


def test_a_data_set_that_is_not_there(out: Path) -> None:
    with pytest.raises(DataError, match="no data set validation"):
        SampleDataset(out, split="validation")


# The order.


@given(
    blocks=st.lists(st.integers(0, 30), max_size=12),
    seed=st.integers(0, 2**64 - 1),
    epoch=st.integers(0, 2**31),
)
def test_an_order_holds_every_number_once(blocks: list[int], seed: int, epoch: int) -> None:
    count = sum(blocks)
    assert sorted(shuffled(count, seed, epoch).tolist()) == list(range(count))
    assert sorted(shuffled(count, seed, epoch, blocks).tolist()) == list(range(count))


def test_the_order_stays_the_same_in_every_version() -> None:
    def splitmix(state: int) -> int:
        mixed = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB % 2**64
        return mixed ^ (mixed >> 31)

    def by_hash(count: int, *words: int) -> list[int]:
        key = 0
        for word in words:
            key = (splitmix(key ^ word) + 0x9E3779B97F4A7C15) % 2**64
        hashes = [splitmix((key + i * 0x9E3779B97F4A7C15) % 2**64) for i in range(count)]
        return sorted(range(count), key=hashes.__getitem__)

    assert shuffled(500, 7, 3).tolist() == by_hash(500, 7, 3, 0)
    assert shuffled(8, 0, 0).tolist() == [0, 7, 2, 5, 4, 6, 3, 1]


def test_an_order_has_no_trend() -> None:
    order = shuffled(100_000, 1, 0)
    assert abs(np.corrcoef(np.arange(len(order)), order)[0, 1]) < 0.01
    other = shuffled(100_000, 1, 1)
    assert abs(np.corrcoef(order, other)[0, 1]) < 0.01


def test_blocks_are_read_few_at_a_time() -> None:
    order = shuffled(1000, 5, 0, [10] * 100) // 10
    for first in range(0, 1000, 40):
        assert len(set(order[first : first + 40].tolist())) == 4


# Ranks and workers.

shares = st.tuples(st.integers(1, 5), st.integers(1, 4))


def workers(make: Any, world_size: int, count: int) -> list[Any]:
    """The streams of all workers of all ranks."""
    streams = []
    for rank, worker in itertools.product(range(world_size), range(count)):
        stream = make(rank, world_size)
        stream.for_worker(worker, count)
        streams.append(stream)
    return streams


@given(share=shares, shuffle=st.booleans(), seed=st.integers(0, 2**64 - 1), packed=st.booleans())
@settings(max_examples=20)
def test_every_item_once_over_ranks_and_workers(
    out: Path, share: tuple[int, int], shuffle: bool, seed: int, packed: bool
) -> None:
    data: Any = PackedDataset(out / "pack-64-0") if packed else SampleDataset(out)

    def make(rank: int, world_size: int) -> IterableDataset:
        how = {"shuffle": shuffle, "seed": seed, "rank": rank, "world_size": world_size}
        return IterableDataset(data, **how)

    for _epoch in range(2):
        found = [keys(stream) for stream in workers(make, *share)]
        assert sorted(item for part in found for item in part) == sorted(keys(data))
    sizes = [len(keys(make(rank, share[0]))) for rank in range(share[0])]
    assert sizes == [len(make(rank, share[0])) for rank in range(share[0])]
    assert max(sizes) - min(sizes) <= 1
    if not shuffle and share == (1, 1):
        assert keys(make(0, 1)) == keys(data)


@given(world_size=st.integers(1, 9))
@settings(max_examples=9)
def test_drop_last_gives_all_ranks_as_many(out: Path, world_size: int) -> None:
    data = SampleDataset(out)
    streams = [
        IterableDataset(data, rank=rank, world_size=world_size, drop_last=True)
        for rank in range(world_size)
    ]
    found = [keys(stream) for stream in streams]
    assert {len(part) for part in found} == {COUNT // world_size} == {len(s) for s in streams}
    assert len({item for part in found for item in part}) == COUNT // world_size * world_size


# Resuming.


def size(stream: IterableDataset) -> int:
    """Items of an epoch for a worker of a rank."""
    share = stream._share
    last = len(stream) * share.world_size if stream._drop_last else COUNT
    return len(range(share.first, last, share.step))


@given(share=shares, taken=st.integers(0, COUNT), seed=st.integers(0, 9), drop_last=st.booleans())
@settings(max_examples=15)
def test_a_resume_gives_the_same_rest(
    out: Path, share: tuple[int, int], taken: int, seed: int, drop_last: bool
) -> None:
    data = SampleDataset(out)

    def make(rank: int, world_size: int) -> IterableDataset:
        how = {"seed": seed, "rank": rank, "world_size": world_size, "drop_last": drop_last}
        return IterableDataset(data, **how)

    for stream, fresh in zip(workers(make, *share), workers(make, *share), strict=True):
        # The epoch is over only once the stream was asked for more.
        before = keys(itertools.islice(stream, min(taken, size(stream))))
        state = json.loads(json.dumps(stream.state_dict()))
        fresh.load_state_dict(state)
        rest = keys(fresh)
        assert rest == keys(stream)
        again = make(fresh._share.rank, share[0])
        again.for_worker(fresh._share.worker, share[1])
        assert before + rest == keys(again)
        assert keys(fresh) == keys(stream) == keys(again)  # the next epoch


@given(
    before=st.integers(1, 5),
    after=st.integers(1, 5),
    taken=st.integers(0, 20),
)
@settings(max_examples=20)
def test_another_number_of_ranks_shares_the_rest(
    out: Path, before: int, after: int, taken: int
) -> None:
    data = SampleDataset(out)
    old = [IterableDataset(data, seed=4, rank=r, world_size=before) for r in range(before)]
    seen = [key for stream in old for key in keys(itertools.islice(stream, taken))]
    new = [IterableDataset(data, seed=4, rank=r, world_size=after) for r in range(after)]
    for stream in new:
        stream.load_state_dict(old[0].state_dict())
    rest = [key for stream in new for key in keys(stream)]
    assert sorted(seen + rest) == sorted(keys(data))


def test_epochs_have_their_own_orders(out: Path) -> None:
    stream = IterableDataset(SampleDataset(out), seed=2)
    first, second = keys(stream), keys(stream)
    assert first != second
    assert sorted(first) == sorted(second)
    stream.set_epoch(0)
    assert keys(stream) == first
    copied = pickle.loads(pickle.dumps(stream))
    assert keys(copied) == second


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"seed": 1}, "its seed is 0"),
        ({"shuffle": False}, "its shuffle is True"),
    ],
)
def test_a_state_of_another_stream(out: Path, other: dict[str, Any], message: str) -> None:
    data = SampleDataset(out)
    state = IterableDataset(data).state_dict()
    with pytest.raises(DataError, match=message):
        IterableDataset(data, **other).load_state_dict(state)
    packed = PackedDataset(out / "pack-64-0")
    with pytest.raises(DataError, match=r"its (items|fingerprint) is"):
        IterableDataset(packed).load_state_dict(state)


def test_a_state_of_other_workers(out: Path) -> None:
    stream, other = (IterableDataset(SampleDataset(out)) for _ in range(2))
    other.for_worker(0, 2)
    other.load_state_dict(stream.state_dict())  # at the start
    next(iter(stream))
    with pytest.raises(DataError, match="of 1 workers, and here are 2"):
        other.load_state_dict(stream.state_dict())


@pytest.mark.parametrize(
    "how", [{"rank": 2, "world_size": 2}, {"world_size": 0}, {"seed": -1}, {"rank": "0"}], ids=repr
)
def test_arguments_that_cannot_be(out: Path, how: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError):
        IterableDataset(SampleDataset(out), **how)


def test_what_is_no_data_set_and_no_state(out: Path) -> None:
    with pytest.raises(ArgumentError) as raised:
        IterableDataset(str(out))
    assert "SampleDataset" in str(raised.value.hint)
    with pytest.raises(DataError, match="a pack of an output"):
        SampleDataset(out / "pack-64-0")
    stream = IterableDataset(SampleDataset(out))
    with pytest.raises(ArgumentError, match="a state is a dict"):
        stream.load_state_dict(None)
    for name, value in (("taken", -5), ("start", "x"), ("epoch", None), ("world_size", 0)):
        with pytest.raises(ArgumentError, match=f"{name} cannot be {value!r}"):
            stream.load_state_dict({**stream.state_dict(), name: value})


# Straight from the sources.


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same rows in four kinds of file, with some that are rejected."""
    place = tmp_path_factory.mktemp("sources")
    chats = rows(90)
    (place / "lines.jsonl").write_bytes(b"\n" + json_lines(40) + b"\n{broken\n" + json_lines(5, 40))
    (place / "array.json").write_text(json.dumps(chats[45:60], indent=1))
    table = pa.Table.from_pylist(chats[60:75])
    pq.write_table(table, place / "table.parquet", row_group_size=4)
    with pa.ipc.new_file(place / "batches.arrow", table.schema) as writer:
        writer.write_table(pa.Table.from_pylist(chats[75:]), max_chunksize=6)
    return [place / n for n in ("lines.jsonl", "array.json", "table.parquet", "batches.arrow")]


def test_the_samples_are_those_that_prepare_writes(sources: list[Path], tmp_path: Path) -> None:
    turnmill.prepare(sources, tmp_path / "out", tokenizer=TOKENIZER)
    written = datasets.load_from_disk(str(tmp_path / "out"))
    stream = EncodingDataset(sources, tokenizer=TOKENIZER, chunk_rows=7, weights=True)
    found = list(stream)
    for name in ("input_ids", "labels"):
        assert [item[name].tolist() for item in found] == list(written[name])
    assert {item["weights"].dtype for item in found} == {np.dtype("float32")}
    assert (stream.rows, stream.rejected, stream.counts["invalid-json"]) == (91, 1, 1)
    memory = EncodingDataset(rows(90), tokenizer=TOKENIZER, chunk_rows=7)
    assert keys(memory) == keys(found)


@pytest.mark.parametrize(
    ("share", "chunk_rows", "shuffle"), [((3, 1), 1, False), ((2, 2), 7, True), ((1, 3), 50, False)]
)
def test_every_row_once_over_ranks_and_workers(
    sources: list[Path], share: tuple[int, int], chunk_rows: int, shuffle: bool
) -> None:
    def make(rank: int, world_size: int) -> EncodingDataset:
        how = {"chunk_rows": chunk_rows, "shuffle": shuffle, "seed": 3, "tokenizer": TOKENIZER}
        return EncodingDataset(sources, rank=rank, world_size=world_size, **how)

    found = [key for stream in workers(make, *share) for key in keys(stream)]
    assert sorted(found) == sorted(keys(EncodingDataset(sources, tokenizer=TOKENIZER)))


@pytest.mark.parametrize(("shuffle", "rank"), [(False, 0), (True, 1)])
def test_a_resumed_encoding_gives_the_same_rest(
    sources: list[Path], shuffle: bool, rank: int
) -> None:
    how: dict[str, Any] = {"chunk_rows": 8, "shuffle": shuffle, "rank": rank, "world_size": 2}
    whole = EncodingDataset(sources, tokenizer=TOKENIZER, **how)
    stream = EncodingDataset(sources, tokenizer=TOKENIZER, **how)
    fresh = EncodingDataset(sources, tokenizer=TOKENIZER, **how)
    every, following = keys(whole), keys(whole)
    assert shuffle == (every != following)
    assert sorted(every) == sorted(following)
    for taken in (0, 1, 7, 8, 9, 30, len(every)):
        stream.set_epoch(0)
        before = keys(itertools.islice(stream, taken))
        state = json.loads(json.dumps(stream.state_dict()))
        fresh.load_state_dict(state)
        assert before + keys(fresh) == every
        assert keys(fresh) == following
    copied = pickle.loads(pickle.dumps(stream))
    assert keys(copied) == keys(stream)


def test_what_a_stream_cannot_do_is_refused(sources: list[Path], tmp_path: Path) -> None:
    for keys_ in ({"dedup": "exact"}, {"validation": 0.1}, {"max_length": 64, "pack": 64}):
        with pytest.raises(RecipeError, match="they need all rows"):
            EncodingDataset(sources, turnmill.Recipe(tokenizer=TOKENIZER, **keys_))
    stream = EncodingDataset(sources, tokenizer=TOKENIZER)
    state = stream.state_dict()
    with pytest.raises(DataError, match="its recipe is"):
        EncodingDataset(sources, tokenizer=TOKENIZER, max_length=64).load_state_dict(state)
    with pytest.raises(DataError, match="its world_size is 1"):
        EncodingDataset(sources, tokenizer=TOKENIZER, world_size=2).load_state_dict(state)
    (tmp_path / "bad.jsonl").write_bytes(json_lines(1) + b"{broken\n" * 4)
    with pytest.raises(DataError, match=r"4 of 5 rows are rejected: invalid-json 4"):
        list(EncodingDataset(tmp_path / "bad.jsonl", tokenizer=TOKENIZER))
    assert list(EncodingDataset(tmp_path / "bad.jsonl", tokenizer=TOKENIZER, max_rejects=1.0))
