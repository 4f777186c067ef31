"""Time turnmill's tokenization and its peers on the same unseen text, each in a process of its own.

Usage:
    python benches/tokenizers.py --tokenizer DIR/tokenizer.json --texts FILE.jsonl --rounds 5 \
        hf0=VENV/bin/python gigatoken=VENV/bin/python turnmill=VENV/bin/python

Every peer is given as NAME=PYTHON, the interpreter of an environment that holds it. The texts are
JSON strings, one a line. In each round every peer runs once, in turn, in a fresh process on one
processor: the first half of the texts (cold), the second half (unseen), and the second half again
(hot). Printed are medians over the rounds of megabytes a second of processor time, which other work
on the machine lengthens least.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Encode = Callable[[list[str]], Any]


def gigatoken(path: str) -> Encode:
    """The flat batch call of gigatoken."""
    from importlib import import_module

    tokenizer = import_module("gigatoken").Tokenizer.from_json(Path(path).read_bytes())
    encode: Encode = tokenizer.encode_batch
    return encode


def flat(name: str, path: str) -> Encode:
    """The flat batch call of fastokens and snaptokens."""
    from importlib import import_module

    tokenizer = import_module(f"{name}._native").Tokenizer.from_file(path)
    encode: Encode = tokenizer.encode_batch_flat
    return encode


def hugging_face(path: str) -> Encode:
    """`encode_batch_fast` of tokenizers, of any version that has it."""
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(path)
    encode = getattr(tokenizer, "encode_batch_fast", tokenizer.encode_batch)
    return lambda texts: encode(texts, add_special_tokens=False)


def turnmill(path: str) -> Encode:
    """Turnmill's batch call."""
    import turnmill

    return turnmill.Tokenizer(path).encode_batch


def encoder(name: str, path: str) -> Encode:
    """The fastest batch call of a peer."""
    match name:
        case "gigatoken":
            return gigatoken(path)
        case "fastokens" | "snaptokens":
            return flat(name, path)
        case "turnmill":
            return turnmill(path)
        case _:
            return hugging_face(path)


def work(name: str, tokenizer: str, texts_path: str, threads: int) -> None:
    """Time one peer and print the seconds of processor time of each phase."""
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:threads]))
    with Path(texts_path).open(encoding="utf-8") as lines:
        texts = [json.loads(line) for line in lines]
    half = len(texts) // 2
    encode = encoder(name, tokenizer)
    rates: dict[str, float] = {}
    for phase, part in [("cold", texts[:half]), ("unseen", texts[half:]), ("hot", texts[half:])]:
        size = sum(len(text.encode()) for text in part)
        started = time.process_time()
        result = encode(part)
        rates[phase] = size / (time.process_time() - started) / 1e6
        del result
    print(json.dumps(rates))


def run(arguments: argparse.Namespace) -> None:
    """Run the rounds and print the table."""
    peers = dict(peer.split("=", 1) for peer in arguments.peers)
    rates: dict[str, list[dict[str, float]]] = {name: [] for name in peers}
    for _ in range(arguments.rounds):
        for name, python in peers.items():
            command = [python, __file__, "--worker", name, "--threads", str(arguments.threads)]
            command += ["--tokenizer", arguments.tokenizer, "--texts", arguments.texts]
            environment = dict(os.environ, RAYON_NUM_THREADS=str(arguments.threads))
            done = subprocess.run(
                command, capture_output=True, text=True, env=environment, check=False
            )
            if done.returncode:
                print(f"{name}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
                continue
            rates[name].append(json.loads(done.stdout.splitlines()[-1]))
    for name, rounds in rates.items():
        for phase in ("cold", "unseen", "hot") if rounds else ():
            values = [round_[phase] for round_ in rounds]
            low, middle, high = min(values), statistics.median(values), max(values)
            print(
                f"{name:<12} {phase:<7} {middle:7.1f} MB/s  [{low:.1f}-{high:.1f}] ({len(values)})"
            )


def main() -> None:
    """Read the arguments; be the runner or one worker."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tokenizer", required=True, help="tokenizer.json")
    parser.add_argument("--texts", required=True, help="JSON strings, one a line")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("peers", nargs="*", help="NAME=PYTHON")
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments.worker, arguments.tokenizer, arguments.texts, arguments.threads)
    else:
        run(arguments)


if __name__ == "__main__":
    main()
