"""Count the instructions that encoding a byte takes, to compare two states of the code.

    python benches/tokenization_instructions.py [--tokenizers qwen3 gpt-oss] [--megabytes 1]

Runs the release build of `tokenize count` under callgrind on fixed texts (English, Chinese, code),
the first half of each for a cold start, the second half after the first. Unlike times, counts do
not depend on what else the machine does; callgrind shows the program no AVX-512, so they are those
of the AVX2 path. Needs valgrind.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tokenization import FIXTURES, ROOT, write_set

BUILD = ["cargo", "build", "--release", "--quiet", "-p", "turnmill-bench", "--bin", "tokenize"]
PROGRAM = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"), "release", "tokenize")


def instructions(tokenizer: Path, texts: Path, part: str) -> int:
    """Instructions of one half of the texts."""
    command = ["valgrind", "--tool=callgrind", "--toggle-collect=*measured*"]
    command += ["--callgrind-out-file=/dev/null", str(PROGRAM), "count"]
    command += [str(tokenizer), str(texts), part]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or found is None:
        sys.exit(f"callgrind failed: {done.stderr.strip()[-500:]}")
    return int(found[1])


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tokenizers", nargs="+", default=["qwen3", "gpt-oss"])
    parser.add_argument("--sets", nargs="+", default=["english", "chinese", "code"])
    parser.add_argument("--megabytes", type=float, default=1)
    arguments = parser.parse_args()
    subprocess.run(BUILD, cwd=ROOT, check=True)
    print("| instructions a byte | cold | unseen |\n| --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.sets:
            texts, sizes = write_set(name, Path(folder), arguments.megabytes)
            for tokenizer in arguments.tokenizers:
                path = FIXTURES / "tokenizers" / tokenizer / "tokenizer.json"
                counts = (
                    f"{instructions(path, texts, part) / size:.1f}"
                    for part, size in zip(("cold", "unseen"), sizes, strict=True)
                )
                print(f"| {name}, {tokenizer} | {' | '.join(counts)} |", flush=True)


if __name__ == "__main__":
    main()
