"""Time tokenization alone: turnmill and its peers through their fastest batch calls from Python.

    python benches/tokenization.py --peers DIR                     everything, hours
    python benches/tokenization.py --rounds 1 --megabytes 2 --sets english --threads 1

Every peer has an environment of its own in DIR, made when it is not there; turnmill is the one of
the interpreter that runs this (build it for release: `pip install .`). For every tokenizer, set of
texts and number of threads each peer runs once in every round, in turn with the others, in a fresh
process bound to as many processors as threads: the first half of the texts (cold), the second half
(unseen) and the second half again (hot). Rates are 10^6 bytes of UTF-8 a second of *processor time*
of all threads, which other work on the machine lengthens least; for several threads the rate by the
clock is given too. Loading is not counted. Ids are compared with those of tokenizers 0.23.3 in the
first round. What does not install or crashes is shown as such.

Samples have 200 to 2000 bytes. The data are the shared fixtures and, for code, Python's library.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT.parent / "shared" / "fixtures"

REFERENCE = "tokenizers 0.23.3"
PEERS = {
    REFERENCE: "tokenizers==0.23.3",
    "tokenizers 1.0.0rc3": "tokenizers==1.0.0rc3",
    "gigatoken 0.10.0": "gigatoken==0.10.0",
    "fastokens 0.3.5": "fastokens==0.3.5",
    "snaptokens 0.2.6": "snaptokens==0.2.6",
}
ARROW, LISTS = "turnmill, Arrow array", "turnmill, list of str"
CONTENDERS = [ARROW, LISTS, *PEERS]
PHASES = ("cold", "unseen", "hot")
TOKENIZERS = ("qwen3", "llama-3.2-instruct", "gpt-oss")

Packed = tuple[bytes, bytes]
"""Ids as uint32 and row offsets as int64, little-endian."""
Calls = tuple[Callable[[list[str]], Any], Callable[[Any], Any], Callable[[Any], Packed]]
"""What makes the input of a batch (not timed), the batch call, and what packs its result."""


# One peer, in its own process: nothing but the standard library and the peer.


def gigatoken(path: str) -> Calls:
    """The call that gives a flat array."""
    from importlib import import_module

    tokenizer = import_module("gigatoken").Tokenizer.from_json(Path(path).read_bytes())

    def pack(result: Any) -> Packed:
        layout = result.layout
        ids, offsets = layout.content.data, layout.offsets.data
        return ids.astype("<u4").tobytes(), offsets.astype("<i8").tobytes()

    return list, tokenizer.encode_batch, pack


def flat(module: str, path: str) -> Calls:
    """The flat calls of fastokens and snaptokens."""
    from importlib import import_module

    tokenizer = import_module(f"{module}._native").Tokenizer.from_file(path)
    return list, tokenizer.encode_batch_flat, lambda result: (bytes(result[0]), bytes(result[1]))


def hugging_face(path: str) -> Calls:
    """`encode_batch_fast` of tokenizers, of a version that has it, else `encode_batch`."""
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(path)
    encode = getattr(tokenizer, "encode_batch_fast", tokenizer.encode_batch)

    def pack(result: Any) -> Packed:
        ids, offsets = array("I"), array("q", [0])
        for encoding in result:
            ids.extend(encoding.ids)
            offsets.append(len(ids))
        return ids.tobytes(), offsets.tobytes()

    return list, lambda texts: encode(texts, add_special_tokens=False), pack


def turnmill(path: str, threads: int, arrow: bool) -> Calls:
    """`Tokenizer.encode_batch` on a list or on an Arrow array."""
    import pyarrow as pa

    from turnmill import Tokenizer

    tokenizer = Tokenizer(path)
    ready: Callable[[list[str]], Any] = pa.array if arrow else list
    return (
        ready,
        lambda texts: tokenizer.encode_batch(texts, threads=threads),
        lambda result: (result[0].tobytes(), result[1].tobytes()),
    )


def calls(name: str, path: str, threads: int) -> Calls:
    """The calls of a contender."""
    match name.split(maxsplit=1)[0]:
        case "gigatoken":
            return gigatoken(path)
        case "fastokens" | "snaptokens" as module:
            return flat(module, path)
        case "tokenizers":
            return hugging_face(path)
        case _:
            return turnmill(path, threads, arrow=name == ARROW)


def work(name: str, tokenizer: str, texts_path: str, threads: int, keep: str | None) -> None:
    """Time one contender; print seconds of the processor and of the clock for each phase."""
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:threads]))
    texts = read(Path(texts_path))
    first, second = halves(texts)
    ready, encode, pack = calls(name, tokenizer, threads)
    spent: dict[str, tuple[float, float]] = {}
    packed: list[Packed] = []
    for phase, part in zip(PHASES, (first, second, second), strict=True):
        batch = ready(part)
        processor, clock = time.process_time(), time.perf_counter()
        result = encode(batch)
        spent[phase] = (time.process_time() - processor, time.perf_counter() - clock)
        if keep and phase != "hot":
            packed.append(pack(result))
        del result
    if keep:
        for part_name, (ids, offsets) in zip(("cold", "unseen"), packed, strict=True):
            Path(f"{keep}.{part_name}.ids").write_bytes(ids)
            Path(f"{keep}.{part_name}.offsets").write_bytes(offsets)
    print(json.dumps(spent))


def read(path: Path) -> list[str]:
    """Texts, one JSON string a line."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def halves(texts: list[str]) -> tuple[list[str], list[str]]:
    """The texts to warm up on, and those never seen."""
    return texts[: len(texts) // 2], texts[len(texts) // 2 :]


# The texts.


def fixture(name: str) -> str:
    """A data file of the fixtures, unpacked."""
    import pyarrow as pa

    with pa.input_stream(FIXTURES / "data" / name, compression="detect") as stream:
        return str(stream.read().decode())


def rows(name: str) -> Iterator[Any]:
    """The rows of a JSON Lines file of the fixtures."""
    return (json.loads(line) for line in fixture(name).split("\n") if line)


def alpaca(name: str) -> Iterator[tuple[str, str]]:
    """Questions and answers."""
    for row in json.loads(fixture(name)):
        yield "\n".join(filter(None, [row["instruction"], row["input"]])), row["output"]


def english() -> Iterator[str]:
    """Alpaca."""
    return map("\n".join, alpaca("alpaca_en_52k.json.zst"))


def chinese() -> Iterator[str]:
    """Alpaca in Chinese."""
    return map("\n".join, alpaca("alpaca_zh_20k.json.zst"))


def chatml() -> Iterator[str]:
    """Alpaca in a chat template."""
    for question, answer in alpaca("alpaca_en_52k.json.zst"):
        user = f"<|im_start|>user\n{question}<|im_end|>\n"
        yield f"{user}<|im_start|>assistant\n{answer}<|im_end|>\n"


def code() -> Iterator[str]:
    """Python's own library, cut at lines."""
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*/*.py")):
        if "site-packages" in path.parts:
            continue
        part = ""
        for line in path.read_text("utf-8", "ignore").splitlines(keepends=True):
            part += line
            if len(part) > 900:
                yield part
                part = ""


def mixed() -> Iterator[str]:
    """Chats in many languages, Chinese counselling, sums."""
    for row in rows("sharegpt_dev.jsonl.zst"):
        yield from (message["value"] for message in row["conversations"])
    for row in islice(rows("smilechat_zh_dev.jsonl.zst"), 2000):
        yield from (value for value in strings(row) if len(value) > 60)
    for row in rows("gsm8k_train.jsonl.zst"):
        yield f"{row['question']}\n{row['answer']}"


def strings(value: Any) -> Iterator[str]:
    """Every string inside JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings(item)


def drawn(alphabet: str, shortest: int, longest: int) -> Iterator[str]:
    """Words of letters drawn at random: what no cache has."""
    draw = random.Random(alphabet)
    for _ in range(6000):
        lengths = (draw.randint(shortest, longest) for _ in range(1 + 600 // shortest))
        yield " ".join("".join(draw.choices(alphabet, k=length)) for length in lengths)[:600]


LETTERS = "abcdefghijklmnopqrstuvwxyz"
SETS: dict[str, Callable[[], Iterable[str]]] = {
    "english": english,
    "chinese": chinese,
    "code": code,
    "mixed": mixed,
    "chatml": chatml,
}
HARD: dict[str, Callable[[], Iterable[str]]] = {
    "words of 3 letters": lambda: drawn(LETTERS, 3, 3),
    "words of 5 letters": lambda: drawn(LETTERS, 5, 5),
    "words of 10 to 20 letters": lambda: drawn(LETTERS, 10, 20),
    "one word": lambda: drawn(LETTERS, 600, 600),
    "both cases": lambda: drawn(LETTERS + LETTERS.upper(), 4, 12),
    "signs": lambda: drawn("!#$%&()*+,-./:;=?@[]^_{|}~", 20, 60),
    "Cyrillic": lambda: drawn("абвгдежзийклмнопрстуфхцчшщъыьэюя", 5, 15),
    "ideographs": lambda: drawn("".join(map(chr, range(0x4E00, 0x9FA6))), 10, 30),
}


def write_set(name: str, folder: Path, megabytes: float) -> tuple[Path, list[int]]:
    """The samples of a set in a file, in an order drawn once; and the bytes of each half."""
    texts = (SETS | HARD)[name]()
    samples = [text for text in texts if 200 <= len(text.encode()) <= 2000]
    random.Random(name).shuffle(samples)
    left, kept = megabytes * 1e6, []
    for text in samples:
        left -= len(text.encode())
        if left < 0:
            break
        kept.append(text)
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(text) + "\n" for text in kept), "utf-8")
    return path, [sum(len(text.encode()) for text in half) for half in halves(kept)]


# The runs.


def environment(folder: Path, name: str) -> Path | str:
    """The interpreter of a peer, installed if it is not there; else why there is none."""
    home = folder / name.replace(" ", "-")
    python = home / "bin" / "python"
    if (home / ".installed").exists():
        return python
    print(f"installing {name}", file=sys.stderr)
    for command in (
        [sys.executable, "-m", "venv", str(home)],
        [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", PEERS[name]],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return "does not install: " + last_line(done.stderr)
    (home / ".installed").touch()
    return python


def last_line(text: str) -> str:
    """What a failed command said last."""
    return (text.strip().splitlines() or ["no message"])[-1][:120]


Spent = dict[str, tuple[float, float]]


def run(
    name: str, python: Path, tokenizer: Path, texts: Path, threads: int, keep: Path | None
) -> Spent | str:
    """One contender in a process of its own, or why it failed."""
    command = [str(python), __file__, "--worker", name, "--threads", str(threads)]
    command += ["--tokenizers", str(tokenizer), "--texts", str(texts)]
    command += ["--keep", str(keep)] if keep else []
    variables = dict(os.environ, RAYON_NUM_THREADS=str(threads), TOKENIZERS_PARALLELISM="true")
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=variables, check=False, timeout=3600
        )
    except subprocess.TimeoutExpired:
        return "did not end within an hour"
    if done.returncode < 0:
        return f"killed by signal {-done.returncode}"
    if done.returncode:
        return "failed: " + last_line(done.stderr)
    spent: Spent = json.loads(done.stdout.splitlines()[-1])
    return spent


def differing_rows(folder: Path, name: str) -> int | None:
    """Rows whose ids are not those of the reference; none where one of the two has no ids."""
    import numpy as np

    wrong = 0
    for part in ("cold", "unseen"):
        both = []
        for one in (REFERENCE, name):
            stem = folder / f"{CONTENDERS.index(one)}.{part}"
            try:
                ids = np.fromfile(f"{stem}.ids", "<u4")
                offsets = np.fromfile(f"{stem}.offsets", "<i8")
            except FileNotFoundError:
                return None
            both.append([row.tobytes() for row in np.split(ids, offsets[1:-1])])
        wrong += sum(a != b for a, b in zip(*both, strict=True))
    return wrong


def measure(
    interpreters: dict[str, Path | str], tokenizer: Path, texts: Path, threads: int, rounds: int
) -> tuple[dict[str, list[Spent]], dict[str, str]]:
    """Interleaved rounds: what each contender spent, and what is to say about its ids."""
    spent: dict[str, list[Spent]] = {name: [] for name in CONTENDERS}
    remarks = {name: path for name, path in interpreters.items() if isinstance(path, str)}
    with tempfile.TemporaryDirectory() as kept:
        for number in range(rounds):
            for name, python in interpreters.items():
                # The reference is slow, and its rate is not what is asked for.
                if isinstance(python, str) or (name == REFERENCE and number):
                    continue
                keep = None if number else Path(kept, str(CONTENDERS.index(name)))
                result = run(name, python, tokenizer, texts, threads, keep)
                if isinstance(result, str):
                    remarks[name] = result
                else:
                    spent[name].append(result)
        for name in CONTENDERS:
            wrong = differing_rows(Path(kept), name)
            same = "same ids" if not wrong else f"{wrong} rows differ"
            remarks.setdefault(name, "no ids to compare" if wrong is None else same)
    return spent, remarks


# The table.


def rates(rounds: list[Spent], sizes: list[int], which: int) -> dict[str, list[float]]:
    """Megabytes a second in each round, by phase; `which`: 0 the processor, 1 the clock."""
    bytes_of = dict(zip(PHASES, (sizes[0], sizes[1], sizes[1]), strict=True))
    return {
        phase: [bytes_of[phase] / spent[phase][which] / 1e6 for spent in rounds] for phase in PHASES
    }


def cell(values: list[float]) -> str:
    """Median and range."""
    if not values:
        return "-"
    return f"{statistics.median(values):.1f} [{min(values):.1f}-{max(values):.1f}]"


def table(
    spent: dict[str, list[Spent]], remarks: dict[str, str], sizes: list[int], threads: int
) -> Iterator[str]:
    """The lines of a table; ratios of turnmill are to the best peer."""
    clock = " unseen, by the clock |" if threads > 1 else ""
    yield f"| | cold | unseen | hot |{clock} to the best peer | ids |"
    yield "| --- " * (6 + bool(clock)) + "|"
    by_name = {name: rates(rounds, sizes, 0) for name, rounds in spent.items()}
    best = {
        phase: max(
            (statistics.median(by_name[name][phase]) for name in PEERS if by_name[name][phase]),
            default=0.0,
        )
        for phase in PHASES
    }
    for name, by_phase in by_name.items():
        cells = [cell(by_phase[phase]) for phase in PHASES]
        if clock:
            cells.append(cell(rates(spent[name], sizes, 1)["unseen"]))
        ratio = "-"
        if name not in PEERS and spent[name] and all(best.values()):
            medians = (statistics.median(by_phase[phase]) / best[phase] for phase in PHASES)
            ratio = " / ".join(f"{median:.2f}" for median in medians)
        yield f"| {' | '.join([name, *cells, ratio, remarks[name]])} |"


def report(arguments: argparse.Namespace) -> None:
    """Every set, tokenizer and number of threads."""
    folder = Path(arguments.peers)
    folder.mkdir(parents=True, exist_ok=True)
    interpreters: dict[str, Path | str] = dict.fromkeys((ARROW, LISTS), Path(sys.executable))
    interpreters.update((name, environment(folder, name)) for name in PEERS)
    processor = next(
        (line.split(":")[1].strip() for line in cpu_lines() if line.startswith("model name")),
        platform.processor(),
    )
    print(f"{processor}, {os.cpu_count()} processors; {arguments.rounds} rounds; ", end="")
    print("MB a second of processor time, median [least-most]\n")
    with tempfile.TemporaryDirectory() as texts_folder:
        for name in arguments.sets:
            texts, sizes = write_set(name, Path(texts_folder), arguments.megabytes)
            for tokenizer in arguments.tokenizers:
                path = FIXTURES / "tokenizers" / tokenizer / "tokenizer.json"
                for threads in arguments.threads:
                    result = measure(interpreters, path, texts, threads, arguments.rounds)
                    print(
                        f"### {name}, {tokenizer}, threads: {threads} ({sum(sizes) / 1e6:.1f} MB)\n"
                    )
                    print("\n".join(table(*result, sizes, threads)), end="\n\n", flush=True)


def cpu_lines() -> list[str]:
    """What Linux says of the processors."""
    information = Path("/proc/cpuinfo")
    return information.read_text().splitlines() if information.exists() else []


def main() -> None:
    """Read the arguments; be the runner or one worker."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--peers", default=str(ROOT / "target" / "peers"), help="folder of the peers' environments"
    )
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=[*SETS, *HARD])
    parser.add_argument("--tokenizers", nargs="+", default=list(TOKENIZERS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=float, default=16, help="most of each set")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--texts", help=argparse.SUPPRESS)
    parser.add_argument("--keep", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        threads, (tokenizer,) = arguments.threads[0], arguments.tokenizers
        work(arguments.worker, tokenizer, arguments.texts, threads, arguments.keep)
    else:
        report(arguments)


if __name__ == "__main__":
    main()
