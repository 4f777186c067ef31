"""Our data sets in a DataLoader; needs torch: `pip install '.[trainers]'`."""

from __future__ import annotations

import pytest

import turnmill
from small_rows import TOKENIZER, json_lines

torch = pytest.importorskip("torch", reason="the extra `trainers` is not installed")
from torch.utils.data import DataLoader  # noqa: E402


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("loader") / "in.jsonl"
    path.write_bytes(json_lines(100))
    return path


@pytest.fixture(scope="module")
def out(source):
    turnmill.prepare(source, source.parent / "out", tokenizer=TOKENIZER)
    turnmill.pack(source.parent / "out", 64)
    return source.parent / "out"


def samples(batch):
    """The samples of a padded batch."""
    pairs = zip(batch["input_ids"], batch["attention_mask"], strict=True)
    return [tuple(ids[mask == 1].tolist()) for ids, mask in pairs]


def loaded(stream, workers, context):
    collator = turnmill.PaddingCollator(0, multiple_of=8, tensors="torch")
    loader = DataLoader(
        stream.torch(),
        batch_size=8,
        collate_fn=collator,
        num_workers=workers,
        multiprocessing_context=context if workers else None,
    )
    found = []
    for batch in loader:
        assert batch["input_ids"].dtype == torch.int64
        assert batch["input_ids"].shape[1] % 8 == 0
        found += samples(batch)
    return found


@pytest.mark.parametrize(("workers", "context"), [(0, None), (3, "fork"), (2, "spawn")])
def test_every_sample_once_over_ranks_and_workers(out, workers, context):
    data = turnmill.SampleDataset(out)
    found = []
    for rank in range(2):
        stream = turnmill.IterableDataset(data, seed=1, rank=rank, world_size=2)
        found += loaded(stream, workers, context)
    assert sorted(found) == sorted(tuple(item["input_ids"].tolist()) for item in data)


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_share_the_rows_of_the_sources(source, out, context):
    stream = turnmill.EncodingDataset(source, tokenizer=TOKENIZER, chunk_rows=16)
    found = loaded(stream, 3, context)
    data = turnmill.SampleDataset(out)
    assert sorted(found) == sorted(tuple(item["input_ids"].tolist()) for item in data)


def test_packed_rows_come_without_padding(out):
    rows = turnmill.PackedDataset(out / "pack-64-0")
    collator = turnmill.PaddingFreeCollator(multiple_of=16, tensors="torch")
    loader = DataLoader(rows, batch_size=2, shuffle=True, collate_fn=collator, num_workers=2)
    tokens = 0
    for batch in loader:
        assert batch["cu_seqlens"].dtype == torch.int32
        assert int(batch["cu_seqlens"][-1]) == batch["input_ids"].shape[1]
        tokens += int(batch["seq_lengths"].sum())
    assert tokens == sum(len(row["input_ids"]) for row in rows)


def test_a_worker_resumes_where_it_was(out):
    """As StatefulDataLoader of torchdata does: each worker keeps the state of its own."""
    stream = turnmill.IterableDataset(turnmill.SampleDataset(out), seed=3)
    wrapped = stream.torch()
    iterator = iter(wrapped)
    for _ in range(30):
        next(iterator)
    fresh = turnmill.IterableDataset(turnmill.SampleDataset(out), seed=3).torch()
    fresh.load_state_dict(wrapped.state_dict())
    rest = [item["input_ids"].tolist() for item in fresh]
    assert rest == [item["input_ids"].tolist() for item in iterator]
    fresh.set_epoch(0)
    assert len(list(fresh)) == 100
