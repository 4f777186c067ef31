"""Lengths into bins: every kind of input, every argument, and the promise of the documentation."""

from __future__ import annotations

import re
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import turnmill
from turnmill import ArgumentError, DataError, pack_lengths

LENGTHS = [700, 300, 500, 400, 1, 999, 1000]


@pytest.mark.parametrize(
    "given",
    [
        LENGTHS,
        tuple(LENGTHS),
        np.array(LENGTHS, np.int16),
        np.array(LENGTHS, np.int64),
        np.array(LENGTHS, np.uint32),
        np.array(LENGTHS, ">i4"),
        np.repeat(np.array(LENGTHS), 2)[::2],
        pa.array(LENGTHS),
        pa.array(LENGTHS, pa.uint16()),
        pa.array([5, *LENGTHS])[1:],
        pa.chunked_array([LENGTHS[:3], LENGTHS[3:]]),
        pl.Series(LENGTHS),
        (length for length in LENGTHS),
    ],
    ids=lambda given: f"{type(given).__module__}-{getattr(given, 'dtype', '')}",
)
def test_lengths_come_in_any_form(given: Any) -> None:
    bins, count = pack_lengths(given, 1000, seed=None)
    assert bins.dtype == np.int32
    assert bins.flags.writeable
    assert (bins.tolist(), count) == ([2, 2, 3, 3, 1, 1, 0], 4)


@pytest.mark.parametrize("given", [[], np.zeros(0, np.int32), pa.array([], pa.int32())])
def test_no_lengths_need_no_bins(given: Any) -> None:
    bins, count = pack_lengths(given, 10)
    assert (len(bins), count) == (0, 0)


def test_numpy_arrays_are_not_copied() -> None:
    from turnmill.packing.lengths import arrow_integers

    numbers = np.arange(1000, dtype=np.int32)
    assert arrow_integers(numbers).buffers()[1].address == numbers.ctypes.data


@pytest.mark.parametrize(
    "given",
    [
        None,
        7,
        "123",
        b"123",
        {"length": 3},
        [1.0, 2.0],
        [True, False],
        ["1"],
        [[1, 2], [3, 4]],
        [[1], [2, 3]],
        [1, None],
        [1 << 70],
        np.array([1.5]),
        np.array([[1]]),
        pa.array([1.5]),
        pa.array([1, None]),
        pa.array(["1"]),
        [3, -1],
        np.array([-1], np.int8),
    ],
    # Workers that share the tests must give them the same names: no address in them.
    ids=lambda given: f"{type(given).__name__}-{given}",
)
def test_what_is_no_list_of_lengths_is_refused(given: Any) -> None:
    with pytest.raises(ArgumentError, match=r"length") as raised:
        pack_lengths(given, 10)
    assert raised.value.code == "invalid-lengths"
    assert raised.value.hint


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"capacity": 0}, "invalid-capacity"),
        ({"capacity": -3}, "invalid-capacity"),
        ({"capacity": 1 << 27}, "invalid-capacity"),
        ({"capacity": 10.0}, "invalid-capacity"),
        ({"capacity": True}, "invalid-capacity"),
        ({"strategy": "first-fit"}, "invalid-choice"),
        ({"strategy": None}, "invalid-choice"),
        ({"strategy": "split"}, "invalid-choice"),
        ({"window": 0}, "invalid-window"),
        ({"window": None}, "invalid-window"),
        ({"seed": -1}, "invalid-seed"),
        ({"seed": 1 << 64}, "invalid-seed"),
        ({"seed": "7"}, "invalid-seed"),
        ({"over_length": "cut"}, "invalid-choice"),
    ],
    ids=repr,
)
def test_arguments_that_cannot_be_are_named(arguments: dict[str, Any], code: str) -> None:
    given = {"capacity": 10, **arguments}
    with pytest.raises(ArgumentError) as raised:
        pack_lengths([3, 4], **given)
    assert raised.value.code == code
    assert next(iter(arguments)) in str(raised.value)
    assert next(iter(arguments)) in str(raised.value.hint)


def test_a_length_over_the_capacity_is_an_error_that_names_it() -> None:
    with pytest.raises(DataError, match="length at index 1 is 11, more than the capacity of 10"):
        pack_lengths([3, 11, 12], 10)


def test_or_it_has_a_bin_of_its_own_or_none() -> None:
    lengths = [3, 11, 7, 12]
    bins, count = pack_lengths(lengths, 10, over_length="alone", seed=None)
    assert (bins.tolist(), count) == ([0, 1, 0, 2], 3)
    bins, count = pack_lengths(lengths, 10, over_length="alone", strategy="in-order")
    assert (bins.tolist(), count) == ([0, 1, 2, 3], 4)
    bins, count = pack_lengths(lengths, 10, over_length="reject", strategy="none")
    assert (bins.tolist(), count) == ([0, -1, 1, -1], 2)


def test_numpy_numbers_are_numbers() -> None:
    whole = np.int64(1000)
    assert pack_lengths(LENGTHS, whole, seed=np.uint8(3), window=np.int32(100))[1] == 4


def test_the_shuffle_is_the_one_that_the_page_gives() -> None:
    page = (Path(__file__).parents[2] / "docs" / "packing.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(# The order of the bins.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # the documentation is what is tested
    rng = np.random.default_rng(5)
    lengths = rng.integers(1, 1000, 5000)
    for seed in (0, 1, (1 << 64) - 1):
        plain, count = pack_lengths(lengths, 1000, window=2000, seed=None)
        shuffled, _ = pack_lengths(lengths, 1000, window=2000, seed=seed)
        ends = [plain[first : first + 2000].max() + 1 for first in (0, 2000, 4000)]
        orders = names["orders"](seed, np.diff([0, *ends]).tolist())
        expected = np.concatenate(
            [begin + np.array(o) for begin, o in zip([0, *ends], orders, strict=False)]
        )
        assert len(expected) == count
        assert np.array_equal(shuffled, expected[plain])


def test_other_threads_run_meanwhile() -> None:
    lengths = np.random.default_rng(1).integers(1, 4096, 1_000_000, dtype=np.int32)
    ticks = 0
    done = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not done.wait(0.001):
            ticks += 1

    # Nobody takes the interpreter from a thread that does not give it away.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(3600)
    thread = threading.Thread(target=tick)
    thread.start()
    try:
        for _ in range(100):  # a busy machine may not run the other thread during a call
            before = ticks
            pack_lengths(lengths, 4096, strategy="global")
            if ticks > before:
                break
    finally:
        after = ticks
        done.set()
        thread.join()
        sys.setswitchinterval(interval)
    assert after > before


def test_it_is_exported() -> None:
    assert turnmill.pack_lengths is pack_lengths
