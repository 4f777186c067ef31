"""What each over-length policy keeps of a data set: the table of docs/length.md.

python scripts/over_length.py DATA TOKENIZER_DIR [--stop TOKEN ...] [--max-length N ...]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import turnmill

POLICIES = ("whole-turns", "oldest-turns", "reject")


def totals(data: str, recipe: turnmill.Recipe) -> dict[str, Any]:
    """The totals in the run record of a run with this recipe."""
    with tempfile.TemporaryDirectory() as place:
        return dict(turnmill.prepare(data, Path(place) / "out", recipe).totals.to_dict())


def line(name: str, kept: dict[str, Any], whole: dict[str, Any]) -> str:
    """A row of the table; percentages refer to the run without a limit."""
    shares = ("rows_written", "tokens", "trained_tokens")
    cells = [name, *(f"{kept[key]:,} ({kept[key] / whole[key]:.1%})" for key in shares)]
    left_out = kept["rules"].get("turns-left-out", 0)
    rejected = kept["rejected"].get("overlong-sample", 0)
    return f"| {' | '.join(cells)} | {left_out:,} | {rejected:,} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("tokenizer")
    parser.add_argument("--stop", action="append")
    parser.add_argument("--max-length", type=int, action="append")
    given = parser.parse_args()
    common = {"tokenizer": given.tokenizer, "stop": given.stop or "auto", "max_rejects": 1.0}
    whole = totals(given.data, turnmill.Recipe(**common))
    print("| policy | rows kept | tokens | answer tokens | turns left out | rows rejected |")
    print("| --- | --- | --- | --- | --- | --- |")
    print(line("no limit", whole, whole))
    for limit in given.max_length or [1024, 2048]:
        for policy in POLICIES:
            choices = {**common, "max_length": limit, "over_length": policy}
            recipe = turnmill.Recipe(**choices)
            print(line(f"{policy}, {limit:,}", totals(given.data, recipe), whole))


if __name__ == "__main__":
    main()
