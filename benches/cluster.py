"""How long a run takes on a cluster: a simulation of the scheduler with times that were measured.

Usage::

    python benches/cluster.py [--terabytes 1 --cores 64] [--file-gigabytes 1] [--lost 0.001]

A run is simulated in its steps: workers hash the inputs, a file at a time; the driver plans;
workers make the shards, the next one as soon as a core is free; the driver makes one output of
them. Times of single pieces vary as on a shared machine, and some pieces are lost half-way and made
again. The numbers at the top were measured on the machine that `docs/scale.md` names; change them
to those of yours.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
from dataclasses import asdict, dataclass

SHARD_BYTES = 64 << 20
HASH_RATE = 0.59e9
"""Bytes that a core hashes in a second, for the file and for each of its parts."""
SHARD_SECONDS = 1.55
"""Processor seconds of a shard: reading, encoding, writing."""
ENGINE_COST = 0.10
"""What an engine adds to each piece."""
SPREAD = 0.25
"""The deviation of the time of a piece, as a share of it."""
PLAN_SECONDS = 0.0017
"""Seconds of the driver for each file: looking at its first rows."""
HAND_SECONDS = 0.002
"""Seconds of the driver to hand a shard out and take its receipt."""
FINISH_SECONDS = 0.001
"""Seconds of the driver for each shard at the end; a choice or a shuffle is not in it."""
RECEIPT_BYTES = 41_000
"""Memory of the driver for each shard."""


@dataclass
class Outcome:
    """A simulated run, in seconds unless it says something else."""

    terabytes: float
    cores: int
    files: int
    shards: int
    survey: float = 0.0
    plan: float = 0.0
    make: float = 0.0
    driver_while_making: float = 0.0
    finish: float = 0.0
    pieces_made_again: int = 0
    driver_gigabytes: float = 0.0

    @property
    def total(self) -> float:
        """The whole run."""
        return self.survey + self.plan + self.make + self.finish

    @property
    def used(self) -> float:
        """The share of the cores that makes shards while the run lasts."""
        return self.shards * SHARD_SECONDS / (self.cores * self.total)


def simulate(terabytes: float, cores: int, file_bytes: float, lost: float) -> Outcome:
    """A run over files of one size."""
    chance = random.Random(0)
    size = terabytes * 1e12
    files = max(1, round(size / file_bytes))
    shards = files * max(1, round(file_bytes / SHARD_BYTES))
    found = Outcome(terabytes, cores, files, shards)
    found.survey, _ = scheduled([size / files / HASH_RATE] * files, cores, 0.0, chance, lost)
    found.plan = files * PLAN_SECONDS
    pieces = [SHARD_SECONDS * (1 + ENGINE_COST)] * shards
    found.make, found.pieces_made_again = scheduled(pieces, cores, HAND_SECONDS, chance, lost)
    found.driver_while_making = shards * HAND_SECONDS
    found.finish = shards * FINISH_SECONDS
    found.driver_gigabytes = shards * RECEIPT_BYTES / 1e9
    return found


def scheduled(
    pieces: list[float], cores: int, hand: float, chance: random.Random, lost: float
) -> tuple[float, int]:
    """When the last piece is done, and how many were made again.

    Args:
        pieces: Their usual times.
        cores: How many are made at the same time.
        hand: What the driver needs to hand one out.
        chance: For times that vary.
        lost: The share of pieces whose machine is lost half-way.
    """
    free = [0.0] * cores
    driver, again, end = 0.0, 0, 0.0
    waiting = list(reversed(pieces))
    while waiting:
        usual = waiting.pop()
        # The driver does one thing after another: it may be what all wait for.
        driver = max(driver + hand, heapq.heappop(free))
        time = max(usual / 4, chance.gauss(usual, SPREAD * usual))
        if chance.random() < lost:
            again += 1
            waiting.append(usual)
            time /= 2
        heapq.heappush(free, driver + time)
        end = max(end, driver + time)
    return end, again


def main() -> None:
    """Prints a line for each run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--terabytes", type=float)
    parser.add_argument("--cores", type=int, default=64)
    parser.add_argument("--file-gigabytes", type=float, default=1.0)
    parser.add_argument("--lost", type=float, default=0.001)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    runs = [(given.terabytes, given.cores)] if given.terabytes else [(1.0, 64), (100.0, 1000)]
    found = [simulate(size, n, given.file_gigabytes * 1e9, given.lost) for size, n in runs]
    if given.json:
        print(json.dumps([{**asdict(one), "total": one.total} for one in found], indent=2))
        return
    print(
        "| TB | cores | shards | survey | plan | make | finish | total | used | again | driver GB |"
    )
    print("| ---: " * 11 + "|")
    for one in found:
        steps = " | ".join(f"{x:,.0f} s" for x in (one.survey, one.plan, one.make, one.finish))
        rest = f"{one.pieces_made_again:,} | {one.driver_gigabytes:.1f}"
        head = f"| {one.terabytes:g} | {one.cores:,} | {one.shards:,} |"
        print(f"{head} {steps} | {one.total:,.0f} s | {100 * one.used:.0f} % | {rest} |")


if __name__ == "__main__":
    main()
