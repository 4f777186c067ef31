"""Packing beside the packers of trainers: the same lengths, one core, processor time.

Usage::

    python benches/packing.py [--output OUT] [--capacity 2048 4096 8192] [--rounds 3] [--many N]

The lengths are those of an output of ``turnmill prepare`` (``--output``); else of the shared data
sets, prepared here with Llama-3.2's tokenizer; else drawn from a lognormal distribution (median
420, sigma 0.95). Samples longer than the capacity are left out for all. The peers are written here
from what their sources do, to be read and to run without their frameworks; seconds say how the
algorithms grow, not how those programs perform. Bins are compared with the fewest possible: the
tokens need so many, or so many samples are longer than half a bin.

``--many`` times turnmill alone on so many lengths, drawn from the others.
"""

from __future__ import annotations

import argparse
import bisect
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from compare import SETS, SHARED, TEMPLATE, TOKENIZER, conversations

import turnmill
from turnmill.packing.packs import open_output
from turnmill.packing.tokens import sample_lengths

Lengths = npt.NDArray[np.int32]
Packer = Callable[[Lengths, int], int]
"""Gives the number of bins."""


def best_fit_decreasing(lengths: list[int], capacity: int) -> int:
    """The longest first, each into the fullest bin that has room."""
    rooms: list[int] = []
    for length in sorted(lengths, reverse=True):
        place = bisect.bisect_left(rooms, length)
        room = rooms.pop(place) if place < len(rooms) else capacity
        bisect.insort(rooms, room - length)
    return len(rooms)


def greedy_knapsack(lengths: list[int], capacity: int) -> int:
    """Fills one bin after the other, each time with the longest sample that fits."""
    left = sorted(lengths)
    bins = 0
    while left:
        room = capacity
        bins += 1
        while (place := bisect.bisect_right(left, room)) > 0:
            room -= left.pop(place - 1)
    return bins


def first_fit(lengths: list[int], capacity: int, most: int) -> int:
    """In order of arrival, each into the first bin with room and fewer than ``most`` samples."""
    size = 1 << max(0, len(lengths) - 1).bit_length()
    # The greatest room below each node of a tree over all bins that may be needed.
    rooms = [capacity] * (2 * size)
    held = [0] * size
    used = 0
    for length in lengths:
        node = 1
        while node < size:
            node = 2 * node if rooms[2 * node] >= length else 2 * node + 1
        place = node - size
        used = max(used, place + 1)
        held[place] += 1
        rooms[node] = rooms[node] - length if held[place] < most else -1
        while node > 1:
            node //= 2
            rooms[node] = max(rooms[2 * node], rooms[2 * node + 1])
    return used


def next_fit(lengths: list[int], capacity: int) -> int:
    """A bin ends where the next sample does not fit."""
    bins, room = 0, -1
    for length in lengths:
        if length > room:
            bins, room = bins + 1, capacity
        room -= length
    return bins


def batched(lengths: Lengths, size: int, pack: Callable[[list[int]], int]) -> int:
    """Packs every ``size`` samples among themselves."""
    parts = (lengths[first : first + size].tolist() for first in range(0, len(lengths), size))
    return sum(pack(part) for part in parts)


PACKERS: dict[str, Packer] = {
    "turnmill best-fit": lambda n, c: turnmill.pack_lengths(n, c)[1],
    "turnmill global": lambda n, c: turnmill.pack_lengths(n, c, strategy="global")[1],
    "turnmill in-order": lambda n, c: turnmill.pack_lengths(n, c, strategy="in-order")[1],
    "TRL bfd (batches of 1,000)": lambda n, c: batched(
        n, 1000, lambda part: best_fit_decreasing(part, c)
    ),
    "Axolotl (groups of 100,000, 200 a bin)": lambda n, c: batched(
        n, 100_000, lambda part: first_fit(part, c, 200)
    ),
    "LLaMA-Factory (batches of 1,000)": lambda n, c: batched(
        n, 1000, lambda part: greedy_knapsack(part, c)
    ),
    "torchtune (next fit)": lambda n, c: next_fit(n.tolist(), c),
}


def lengths_of(output: Path | None) -> tuple[str, Lengths]:
    """Where the lengths are from, and the lengths in a random order."""
    if output is not None:
        name, lengths = str(output), sample_lengths(open_output(output))
    elif SHARED.is_dir():
        name, lengths = ", ".join(SETS), shared_lengths()
    else:
        drawn = np.random.default_rng(0).lognormal(np.log(420), 0.95, 200_000)
        name, lengths = "lognormal", np.maximum(drawn, 1).astype(np.int32)
    return name, np.random.default_rng(1).permutation(lengths)


def shared_lengths() -> Lengths:
    """Lengths of the conversations of the shared data sets."""
    rows = [{"messages": messages} for name in SETS for messages in conversations(name)]
    recipe = turnmill.Recipe(tokenizer=TOKENIZER, template=TEMPLATE)
    with tempfile.TemporaryDirectory() as folder:
        turnmill.prepare(rows, Path(folder, "out"), recipe)
        return sample_lengths(open_output(Path(folder, "out")))


def fewest(lengths: Lengths, capacity: int) -> int:
    """No packing has fewer bins."""
    needed = -(-int(lengths.sum(dtype=np.int64)) // capacity)
    return max(needed, int((lengths > capacity // 2).sum()))


def timed(pack: Packer, lengths: Lengths, capacity: int) -> tuple[int, float]:
    """Bins, and seconds of processor time."""
    start = time.process_time()
    bins = pack(lengths, capacity)
    return bins, time.process_time() - start


def compare(lengths: Lengths, capacity: int, rounds: int) -> list[str]:
    """The lines of a table."""
    seconds: dict[str, list[float]] = {name: [] for name in PACKERS}
    bins: dict[str, int] = {}
    for _ in range(rounds):
        for name, pack in PACKERS.items():
            bins[name], taken = timed(pack, lengths, capacity)
            seconds[name].append(taken)
    least, tokens = fewest(lengths, capacity), int(lengths.sum(dtype=np.int64))
    return [
        f"| {capacity:,} | {name} | {bins[name]:,} | {bins[name] / least:.5f} | "
        f"{100 * tokens / bins[name] / capacity:.3f} | {statistics.median(seconds[name]):.4f} |"
        for name in PACKERS
    ]


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--capacity", type=int, nargs="+", default=[2048, 4096, 8192])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--many", type=int, default=10_000_000)
    given = parser.parse_args()
    name, lengths = lengths_of(given.output)
    spread = [f"p{p} {np.percentile(lengths, p):,.0f}" for p in (5, 50, 95, 99)]
    print(f"{len(lengths):,} lengths: {name}; {', '.join(spread)}, max {lengths.max():,}\n")
    print("| capacity | packer | bins | of the fewest | fill % | s |")
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    for capacity in given.capacity:
        print("\n".join(compare(lengths[lengths <= capacity], capacity, given.rounds)))
    print(f"\n{given.many:,} lengths, seconds of processor time:\n")
    print("| capacity | packer | of the fewest | s |")
    print("| ---: | --- | ---: | ---: |")
    for capacity in given.capacity:
        kept = lengths[lengths <= capacity]
        many = np.random.default_rng(2).choice(kept, given.many).astype(np.int32)
        for packer in list(PACKERS)[:3]:
            taken = [timed(PACKERS[packer], many, capacity) for _ in range(given.rounds)]
            share = taken[0][0] / fewest(many, capacity)
            middle = statistics.median(seconds for _, seconds in taken)
            print(f"| {capacity:,} | {packer} | {share:.5f} | {middle:.3f} |")


if __name__ == "__main__":
    main()
