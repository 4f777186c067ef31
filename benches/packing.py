"""Packing beside the packers of trainers: the same lengths, one core, processor time.

Usage::

    pip download --no-deps --dest WHEELS trl axolotl llamafactory
    python benches/packing.py --peers WHEELS [--output OUT] [--capacity 2048 4096 8192] [--rounds 3]

The lengths are those of an output of ``turnmill prepare`` (``--output``); else of the shared data
sets, prepared here with Llama-3.2's tokenizer, and of a lognormal distribution (median 420, sigma
0.95). Samples longer than the capacity are left out for all. Bins are compared with the fewest
possible: the tokens need so many, or so many samples are longer than half a bin.

With ``--peers``, the packers of the trainers are their own functions, compiled from the source in
these wheels without what their packages import; Axolotl's needs numba. Without, they are written
here from what those do: the bins are the same, the seconds are not theirs.

``--many`` times turnmill alone on so many lengths, drawn from the others. Exits with 1 if turnmill
takes more bins than a peer, or than its bounds on the lognormal lengths allow.
"""

from __future__ import annotations
import __future__

import argparse
import ast
import bisect
import importlib.util
import statistics
import sys
import tempfile
import time
import zipfile
from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
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


TRL, AXOLOTL, LLAMA_FACTORY = list(PACKERS)[3:6]
BOUNDS = {"turnmill best-fit": 1.001, "turnmill global": 1.0005}
"""The most bins on the lognormal lengths, as a multiple of the fewest possible."""


def own_functions(wheels: Path, project: str, module: str, needs: dict[str, Any]) -> Any:
    """The functions and classes of a module, compiled without the rest of its package."""
    (wheel,) = wheels.glob(f"{project}-*.whl")
    with zipfile.ZipFile(wheel) as file:
        tree = ast.parse(file.read(module))
    wanted = needs.pop("names")
    tree.body = [node for node in tree.body if getattr(node, "name", None) in wanted]
    flags = __future__.annotations.compiler_flag
    exec(compile(tree, module, "exec", flags=flags, dont_inherit=True), needs)
    return needs


def own_packers(wheels: Path) -> dict[str, Packer]:
    """The packers of the trainers, as their wheels have them."""
    trl = own_functions(
        wheels,
        "trl",
        "trl/data_utils.py",
        {
            "names": {"_SegmentTree", "_check_if_columns_can_be_packed", "_pack_bfd"},
            "np": np,
            "pa": pa,
            "pc": pc,
            "pyarrow": pa,
            "Literal": Literal,
            "defaultdict": defaultdict,
            "deque": deque,
        },
    )["_pack_bfd"]
    factory = own_functions(
        wheels,
        "llamafactory",
        "llamafactory/data/processor/processor_utils.py",
        {"names": {"search_for_fit", "greedy_knapsack"}, "bisect": bisect},
    )["greedy_knapsack"]
    found: dict[str, Packer] = {
        TRL: lambda n, c: batched(n, 1000, lambda part: len(trl(rows_of(part), c))),
        LLAMA_FACTORY: lambda n, c: batched(n, 1000, lambda part: len(factory(part, c))),
    }
    if importlib.util.find_spec("numba") is None:
        print("numba is not installed: Axolotl's packer is ours", file=sys.stderr)
        return found
    numba = importlib.import_module("numba")
    axolotl = own_functions(
        wheels,
        "axolotl",
        "axolotl/utils/samplers/multipack.py",
        {"names": {"pack_group"}, "numba": numba, "np": np},
    )["pack_group"]
    axolotl(np.ones(2, np.int32), 0, 2, 2, 200)  # compiled before it is timed
    found[AXOLOTL] = lambda n, c: sum(
        len(axolotl(n[first : first + 100_000], 0, c, len(n), 200))
        for first in range(0, len(n), 100_000)
    )
    return found


def rows_of(lengths: list[int]) -> pa.Table:
    """Samples of these lengths, which TRL moves while it packs."""
    ends = np.cumsum([0, *lengths]).astype(np.int32)
    ids = pa.ListArray.from_arrays(pa.array(ends), pa.array(np.zeros(ends[-1], np.int32)))
    return pa.table({"input_ids": ids})


def lengths_of(output: Path | None) -> dict[str, Lengths]:
    """The lengths, by where they are from, in a random order."""
    drawn = np.random.default_rng(0).lognormal(np.log(420), 0.95, 200_000)
    found = {"lognormal": np.maximum(drawn, 1).astype(np.int32)}
    if output is not None:
        found = {str(output): sample_lengths(open_output(output)).astype(np.int32)}
    elif SHARED.is_dir():
        found = {", ".join(SETS): shared_lengths(), **found}
    random = np.random.default_rng(1)
    return {name: random.permutation(lengths) for name, lengths in found.items()}


def shared_lengths() -> Lengths:
    """Lengths of the conversations of the shared data sets."""
    rows = [{"messages": messages} for name in SETS for messages in conversations(name)]
    recipe = turnmill.Recipe(tokenizer=TOKENIZER, template=TEMPLATE)
    with tempfile.TemporaryDirectory() as folder:
        turnmill.prepare(rows, Path(folder, "out"), recipe)
        return sample_lengths(open_output(Path(folder, "out"))).astype(np.int32)


def fewest(lengths: Lengths, capacity: int) -> int:
    """No packing has fewer bins."""
    needed = -(-int(lengths.sum(dtype=np.int64)) // capacity)
    return max(needed, int((lengths > capacity // 2).sum()))


def timed(pack: Packer, lengths: Lengths, capacity: int) -> tuple[int, float]:
    """Bins, and seconds of processor time."""
    start = time.process_time()
    bins = pack(lengths, capacity)
    return bins, time.process_time() - start


def compare(name: str, lengths: Lengths, capacity: int, rounds: int) -> list[str]:
    """Prints the lines of a table; returns what must not be."""
    seconds: dict[str, list[float]] = {packer: [] for packer in PACKERS}
    bins: dict[str, int] = {}
    for _ in range(rounds):
        for packer, pack in PACKERS.items():
            bins[packer], taken = timed(pack, lengths, capacity)
            seconds[packer].append(taken)
    least, tokens = fewest(lengths, capacity), int(lengths.sum(dtype=np.int64))
    for packer in PACKERS:
        print(
            f"| {capacity:,} | {packer} | {bins[packer]:,} | {bins[packer] / least:.5f} | "
            f"{100 * tokens / bins[packer] / capacity:.3f} | "
            f"{statistics.median(seconds[packer]):.4f} |"
        )
    wrong = []
    for ours, bound in BOUNDS.items():
        peers = (peer for peer in (TRL, AXOLOTL, LLAMA_FACTORY) if bins[peer] < bins[ours])
        wrong += [f"{ours} takes more bins of {capacity:,} than {peer}" for peer in peers]
        if name == "lognormal" and bins[ours] > bound * least:
            wrong.append(f"{ours} takes more than {bound} of the fewest bins of {capacity:,}")
    return wrong


def time_many(lengths: Lengths, count: int, capacities: list[int], rounds: int) -> None:
    """Prints what turnmill alone takes for so many lengths, drawn from these."""
    print(f"\n{count:,} lengths, seconds of processor time, least to most:\n")
    print("| capacity | packer | of the fewest | s | s |")
    print("| ---: | --- | ---: | ---: | ---: |")
    for capacity in capacities:
        kept = lengths[lengths <= capacity]
        many = np.random.default_rng(2).choice(kept, count).astype(np.int32)
        for packer in list(PACKERS)[:3]:
            taken = [timed(PACKERS[packer], many, capacity) for _ in range(rounds)]
            share = taken[0][0] / fewest(many, capacity)
            seconds = sorted(seconds for _, seconds in taken)
            middle = statistics.median(seconds)
            spread = f"{seconds[0]:.3f} to {seconds[-1]:.3f}"
            print(f"| {capacity:,} | {packer} | {share:.5f} | {middle:.3f} | {spread} |")


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--capacity", type=int, nargs="+", default=[2048, 4096, 8192])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--many", type=int, default=10_000_000)
    given = parser.parse_args()
    if given.peers:
        PACKERS.update(own_packers(given.peers))
    wrong: list[str] = []
    for name, lengths in lengths_of(given.output).items():
        spread = [f"p{p} {np.percentile(lengths, p):,.0f}" for p in (5, 50, 95, 99)]
        print(f"\n{len(lengths):,} lengths: {name}; {', '.join(spread)}, max {lengths.max():,}\n")
        print("| capacity | packer | bins | of the fewest | fill % | s |")
        print("| ---: | --- | ---: | ---: | ---: | ---: |")
        for capacity in given.capacity:
            wrong += compare(name, lengths[lengths <= capacity], capacity, given.rounds)
    if given.many:
        time_many(lengths, given.many, given.capacity, given.rounds)
    sys.exit("\n".join(wrong) or None)


if __name__ == "__main__":
    main()
