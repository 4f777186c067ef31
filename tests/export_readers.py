"""Readers of exported forms whose own need torch, written again from their sources.

Each says which code it follows; none shares code with the writers.
"""

from __future__ import annotations

import json
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

MEGATRON_TYPES = {1: np.uint8, 4: np.int32, 8: np.uint16}


def indexed_dataset(prefix: Path) -> tuple[list[np.ndarray[Any, Any]], list[int]]:
    """The sequences, and where documents end: ``_IndexReader`` and ``IndexedDataset`` of Megatron.

    megatron/core/datasets/indexed_dataset.py: 34 bytes of header, then the lengths as int32, the
    byte offsets and the ends of documents as int64.
    """
    index = Path(f"{prefix}.idx").read_bytes()
    assert index[:9] == b"MMIDIDX\x00\x00"
    assert struct.unpack("<Q", index[9:17]) == (1,)
    type_ = MEGATRON_TYPES[index[17]]
    sequences, documents = struct.unpack("<QQ", index[18:34])
    lengths = np.frombuffer(index, np.int32, sequences, 34)
    pointers = np.frombuffer(index, np.int64, sequences, 34 + lengths.nbytes)
    start = 34 + lengths.nbytes + pointers.nbytes
    ends = np.frombuffer(index, np.int64, documents, start)
    assert start + ends.nbytes == len(index)
    data = Path(f"{prefix}.bin").read_bytes()
    read = [
        np.frombuffer(data, type_, length, pointer)
        for length, pointer in zip(lengths, pointers, strict=True)
    ]
    return read, ends.tolist()


def bridge_batch(path: Path) -> list[dict[str, list[int]]]:
    """Packed rows as the model gets them: ``GPTSFTPackedDataset.collate_fn`` of Megatron-Bridge.

    src/megatron/bridge/data/datasets/packed_parquet.py and sft.py, with ``answer_only_loss``.
    """
    rows = []
    for row in pq.read_table(path).to_pylist():
        ids, mask = row["input_ids"], row["loss_mask"]
        assert row["seq_start_id"][0] == 0
        assert len(mask) == len(ids)
        bounds = row["seq_start_id"] + [len(ids)]
        pairs = list(pairwise(bounds))
        rows.append(
            {
                "tokens": [token for a, b in pairs for token in ids[a : b - 1]],
                "labels": [token for a, b in pairs for token in ids[a + 1 : b]],
                "loss_mask": [value for a, b in pairs for value in mask[a : b - 1]],
                "position_ids": [place for a, b in pairs for place in range(b - a - 1)],
            }
        )
    return rows


def mds_samples(directory: Path) -> list[dict[str, np.ndarray[Any, Any]]]:
    """The samples of an MDS data set.

    ``MDSReader`` and ``NDArray.decode`` of mosaicml-streaming, streaming/base/format/mds.
    """
    index = json.loads((directory / "index.json").read_text("utf-8"))
    assert index["version"] == 2
    return [sample for shard in index["shards"] for sample in _mds_shard(directory, shard)]


def _mds_shard(directory: Path, shard: dict[str, Any]) -> list[dict[str, np.ndarray[Any, Any]]]:
    assert (shard["version"], shard["format"], shard["zip_data"]) == (2, "mds", None)
    data = (directory / shard["raw_data"]["basename"]).read_bytes()
    assert len(data) == shard["raw_data"]["bytes"]
    samples = []
    for number in range(shard["samples"]):
        begin, end = np.frombuffer(data[4 * (1 + number) : 4 * (3 + number)], np.uint32)
        samples.append(_mds_sample(data[begin:end], shard))
    return samples


def _mds_sample(data: bytes, shard: dict[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
    assert shard["column_names"] == sorted(shard["column_names"])
    count = len(shard["column_names"])
    sizes = np.frombuffer(data[: 4 * count], np.uint32)
    at, sample = 4 * count, {}
    for name, encoding, size in zip(
        shard["column_names"], shard["column_encodings"], sizes, strict=True
    ):
        sample[name] = _mds_value(data[at : at + size], encoding)
        at += size
    assert at == len(data)
    return sample


def _mds_value(data: bytes, encoding: str) -> Any:
    kind, _, type_ = encoding.partition(":")
    return json.loads(data.decode()) if kind == "json" else _mds_array(data, type_)


def _mds_array(data: bytes, type_: str) -> np.ndarray[Any, Any]:
    dimensions, code = data[0] >> 2, data[0] % 4
    after = 1 + dimensions * 2**code
    shape = np.frombuffer(data[1:after], ["uint8", "uint16", "uint32", "uint64"][code])
    return np.frombuffer(data[after:], type_).reshape(shape)


def stitched_turns(turns: list[dict[str, list[int]]], eos: int) -> tuple[list[int], list[int]]:
    """``stitch_turns_decoder_only`` of llm-foundry, with ``target_responses: all``.

    llmfoundry/data/finetuning/collator.py.
    """
    ids: list[int] = []
    labels: list[int] = []
    for number, turn in enumerate(turns):
        target = list(turn["labels"])
        if number + 1 == len(turns) and target[-1] != eos:
            target.append(eos)
        ids += turn["input_ids"] + target
        labels += [-100] * len(turn["input_ids"]) + target
    return ids, labels


def stripped_neat(row: dict[str, Any]) -> list[tuple[int, list[int], list[int], list[int]]]:
    """The documents of a row of LLaMA-Factory's neat packing, by the numbers in its mask.

    ``prepare_4d_attention_mask`` of src/llamafactory/data/collator.py lets a token see those
    before it with the same number, and 0 is padding.
    """
    mask = np.array(row["attention_mask"])
    return [
        (
            number,
            *(
                np.array(row[name])[mask == number].tolist()
                for name in ("input_ids", "labels", "position_ids")
            ),
        )
        for number in range(1, mask.max() + 1)
    ]
