"""`turnmill.Tokenizer` on the small tokenizer that the package carries."""

from __future__ import annotations

import gc
import json
import pickle
import shutil
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import turnmill
from fixtures import ROOT

TOKENIZER = ROOT / "python" / "turnmill" / "demo" / "tokenizer"

TEXTS = ["", "hello world", "你好，世界", "<|im_end|> inside", "a" * 70_000, "\x00\n\t"]


@pytest.fixture(scope="module")
def tokenizer() -> turnmill.Tokenizer:
    return turnmill.Tokenizer(TOKENIZER)


def rows(ids: np.ndarray, offsets: np.ndarray) -> list[list[int]]:
    return [ids[a:b].tolist() for a, b in pairwise(offsets)]


def test_arrays_are_ordinary_arrays(tokenizer: turnmill.Tokenizer) -> None:
    rendered = turnmill.Template("chatml").render(
        [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]
    )
    ids, offsets = tokenizer.encode_batch(TEXTS)
    empty, start = tokenizer.encode_batch([])
    kinds = [np.uint32, np.int64, np.uint32, np.uint32, np.int64, np.int64, np.int32]
    arrays: list[Any] = [
        ids,
        offsets,
        tokenizer.encode("hi"),
        empty,
        start,
        rendered.spans,
        rendered.turns,
    ]
    for array, kind in zip(arrays, kinds, strict=True):
        assert array.dtype == kind
        assert array.dtype.isnative
        assert array.flags.c_contiguous
        assert array.flags.aligned
        assert array.flags.writeable
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(array)), array)
        before = array.tolist()
        np.add(array, 1, out=array)
        assert array.tolist() == np.add(before, 1).tolist()


def test_arrays_share_the_memory_of_the_core_and_let_it_go(tokenizer: turnmill.Tokenizer) -> None:
    ids, _ = tokenizer._core.encode_batch(TEXTS, False, 1)
    held = sys.getrefcount(ids)
    array = np.asarray(ids)
    assert np.shares_memory(array, np.asarray(ids))
    part = array[1:-1]
    del array
    assert sys.getrefcount(ids) == held + 1
    del part
    assert sys.getrefcount(ids) == held


def test_arrays_outlive_all_else(tokenizer: turnmill.Tokenizer) -> None:
    part = turnmill.Tokenizer(TOKENIZER).encode_batch(TEXTS)[0][1:-1]
    gc.collect()
    # Whoever gets the memory, were it free, writes other ids to it.
    others = [tokenizer.encode_batch(["other"] * len(TEXTS) * 100) for _ in range(20)]
    assert part.tolist() == tokenizer.encode_batch(TEXTS)[0][1:-1].tolist()
    assert len(others) == 20


def test_encode_gives_writable_uint32(tokenizer: turnmill.Tokenizer) -> None:
    ids = tokenizer.encode("hello world")
    assert ids.dtype == np.uint32
    assert ids.flags.writeable
    assert b"".join(tokenizer._token_bytes(ids)) == b"hello world"


@pytest.mark.parametrize("threads", [None, 1, 2, 7])
def test_a_batch_equals_its_texts_one_by_one(
    tokenizer: turnmill.Tokenizer, threads: int | None
) -> None:
    texts = TEXTS * 9
    ids, offsets = tokenizer.encode_batch(texts, threads=threads)
    assert ids.dtype == np.uint32
    assert offsets.dtype == np.int64
    assert rows(ids, offsets) == [tokenizer.encode(text).tolist() for text in texts]


@pytest.mark.parametrize(
    "array",
    [
        pa.array(TEXTS),
        pa.array(TEXTS, pa.large_string()),
        pa.array(TEXTS, pa.string_view()),
        pa.array(["skipped", *TEXTS, "too"])[1:-1],
        pa.chunked_array([TEXTS[:2], [], TEXTS[2:]]),
        pl.Series(TEXTS),
        tuple(TEXTS),
        iter(TEXTS),
    ],
    ids=["string", "large", "view", "sliced", "chunked", "polars", "tuple", "iterator"],
)
def test_every_kind_of_texts_gives_the_same(tokenizer: turnmill.Tokenizer, array: object) -> None:
    expected = tokenizer.encode_batch(TEXTS)
    for ours, theirs in zip(tokenizer.encode_batch(array), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "texts", [[], pa.array([], pa.string()), pa.chunked_array([], pa.string())]
)
def test_no_texts_give_one_offset(tokenizer: turnmill.Tokenizer, texts: object) -> None:
    ids, offsets = tokenizer.encode_batch(texts)
    assert ids.tolist() == []
    assert offsets.tolist() == [0]


def test_a_bad_text_is_named_by_its_row(tokenizer: turnmill.Tokenizer) -> None:
    with pytest.raises(turnmill.DataError) as raised:
        tokenizer.encode_batch(["fine", "\ud800"])
    assert (raised.value.code, raised.value.row) == ("lone-surrogate", 1)
    with pytest.raises(turnmill.DataError) as raised:
        tokenizer.encode_batch(pa.chunked_array([["fine"], ["fine", None]]))
    assert (raised.value.code, raised.value.row) == ("null-content", 2)
    with pytest.raises(turnmill.DataError) as raised:
        tokenizer.encode("half \udfff")
    assert raised.value.code == "lone-surrogate"


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("one", "one string"),
        (["a", 3], "text 1 is a int object"),
        (pa.array([1, 2]), "must be strings, not Int64"),
        (pa.array([["a"]]), "must be strings, not List"),
        (7, "not iterable"),
    ],
)
def test_something_else_than_texts_is_a_type_error(
    tokenizer: turnmill.Tokenizer, texts: object, message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        tokenizer.encode_batch(texts)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
@pytest.mark.parametrize(
    ("text", "ends"),
    [
        (b"\xff\xfe", [0, 2]),
        ("a的b".encode(), [0, 2, 5]),
        (b"abcd", [0, 3, 2, 4]),
        (b"abcd", [0, 4, 2]),
    ],
    ids=["no UTF-8", "inside a character", "backwards", "backwards at the end"],
)
def test_a_broken_arrow_producer_is_an_error_not_a_crash(
    tokenizer: turnmill.Tokenizer, text: bytes, ends: list[int], kind: pa.DataType
) -> None:
    width = pa.int64() if kind == pa.large_string() else pa.int32()
    buffers = [None, pa.array(ends, width).buffers()[1], pa.py_buffer(text)]
    broken = pa.Array.from_buffers(kind, len(ends) - 1, buffers)
    with pytest.raises(ValueError, match="cannot be read"):
        tokenizer.encode_batch(broken)


def test_it_pickles_as_its_path_and_hash(tmp_path: Path) -> None:
    copy = shutil.copytree(TOKENIZER, tmp_path / "copy")
    stored = pickle.dumps(turnmill.Tokenizer(copy))
    assert pickle.loads(stored).encode("hello").tolist()
    config = copy / "tokenizer_config.json"
    changed = {**json.loads(config.read_text("utf-8")), "eos_token": "<x>"}
    config.write_text(json.dumps(changed), "utf-8")
    with pytest.raises(turnmill.TokenizerError, match="not the one that was pickled"):
        pickle.loads(stored)


def test_a_directory_without_a_tokenizer_says_what_it_found(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").touch()
    with pytest.raises(turnmill.TokenizerError) as raised:
        turnmill.Tokenizer(tmp_path)
    assert raised.value.code == "tokenizer-not-found"
    assert raised.value.path == str(tmp_path)
    assert "save_pretrained" in str(raised.value.hint)


@given(texts=st.lists(st.text(), max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_decoded_bytes_give_the_text_back(tokenizer: turnmill.Tokenizer, texts: list[str]) -> None:
    ids, offsets = tokenizer.encode_batch(texts, threads=2)
    for text, row in zip(texts, rows(ids, offsets), strict=True):
        assert b"".join(tokenizer._token_bytes(row)) == text.encode()


@pytest.mark.skipif(sys.platform != "linux", reason="reads the names of threads in /proc")
def test_batches_of_every_size_share_one_pool(tokenizer: turnmill.Tokenizer) -> None:
    def workers() -> int:
        names = [path.read_text() for path in Path("/proc/self/task").glob("*/comm")]
        return sum(name.startswith("turnmill-") for name in names)

    before = workers()
    for count in range(1, 14):
        tokenizer.encode_batch(["a" * 70_000] * count, threads=13)
    assert workers() <= before + 13


def test_a_tokenizer_stands_for_its_directory(tmp_path: Path) -> None:
    rows = [
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes."}]}
    ]
    loaded = turnmill.Tokenizer(TOKENIZER)
    run = turnmill.prepare(rows, tmp_path / "out", tokenizer=loaded, stop=["<|im_end|>"])
    assert run.rows == 1
