"""turnmill beside the tools that do this job today: same file, same cores, one run.

Usage::

    python benches/compare.py [--set NAME ...] [--rows N] [--cores 1 2] [--rounds 3] [--json FILE]
    python benches/compare.py --input chats.jsonl --tokenizer DIR --template FILE

Every measurement is a fresh process bound to the given cores; rounds are interleaved, so that a
noisy minute hits every tool alike. Start-up (interpreter, modules, tokenizer) and the run, from the
file to the written data set, are timed apart. ``benches/README.md`` says what each contender does.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "fixtures"
TOKENIZER = SHARED / "tokenizers" / "llama-3.2-instruct"
TEMPLATE = SHARED / "chat_templates" / "trl.llama3_training.jinja"
SETS = {
    "alpaca-en": "alpaca_en_52k.json.zst",
    "alpaca-zh": "alpaca_zh_20k.json.zst",
    "sharegpt": "sharegpt_dev.jsonl.zst",
    "smilechat": "smilechat_zh_dev.jsonl.zst",
}
ROLES = {
    "human": "user",
    "client": "user",
    "gpt": "assistant",
    "counselor": "assistant",
}
Message = dict[str, str]


@dataclass(frozen=True)
class Job:
    """One measurement, as it travels to its process."""

    contender: str
    data: str
    tokenizer: str
    template: str
    cores: int
    output: str


Run = Callable[[], object]
"""What is left to do when everything is loaded."""


def mask(job: Job) -> Run:
    """The incumbent's fastest correct path: batches, masks from the template's generation tags."""
    import datasets
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(job.tokenizer)
    template = Path(job.template).read_text("utf-8")

    def encode(batch: dict[str, list[Any]]) -> dict[str, Any]:
        encoded = tokenizer.apply_chat_template(
            batch["messages"],
            chat_template=template,
            return_dict=True,
            return_assistant_tokens_mask=True,
        )
        labels = [
            [token if trained else -100 for token, trained in zip(ids, marks, strict=True)]
            for ids, marks in zip(encoded["input_ids"], encoded["assistant_masks"], strict=True)
        ]
        return {
            "input_ids": encoded["input_ids"],
            "attention_mask": encoded["attention_mask"],
            "labels": labels,
        }

    return lambda: mapped(datasets, job, encode, batched=True)


def mapped(datasets: Any, job: Job, encode: Callable[..., Any], **options: Any) -> None:
    """Loads the rows, maps them and saves the data set."""
    datasets.disable_progress_bars()
    data = datasets.load_dataset("json", data_files=job.data, split="train")
    processes = job.cores if job.cores > 1 else None
    data.map(encode, remove_columns=data.column_names, num_proc=processes, **options).save_to_disk(
        job.output
    )


def prefix(job: Job) -> Run:
    """The path for templates without tags: each turn lies between two renders of prefixes."""
    import datasets
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(job.tokenizer)
    template = Path(job.template).read_text("utf-8")

    def ids_of(messages: list[Message], **options: Any) -> list[int]:
        ids: list[int] = tokenizer.apply_chat_template(
            messages, chat_template=template, return_dict=False, **options
        )
        return ids

    def encode(row: dict[str, Any]) -> dict[str, list[int]]:
        messages = row["messages"]
        ids = ids_of(messages)
        labels = [-100] * len(ids)
        for turn, message in enumerate(messages):
            if message["role"] == "assistant":
                start = len(ids_of(messages[:turn], add_generation_prompt=True))
                end = len(ids_of(messages[: turn + 1]))
                labels[start:end] = ids[start:end]
        return {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": labels}

    return lambda: mapped(datasets, job, encode)


def turnmill(job: Job) -> Run:
    """The same with turnmill, which needs no more than its defaults."""
    from turnmill import Recipe
    from turnmill.encoder.ready import ready
    from turnmill.prepare.engines import Local
    from turnmill.prepare.run import run

    recipe = Recipe(tokenizer=job.tokenizer, template=job.template, schema="messages")
    (session, inputs), output = ready(recipe, job.data), Path(job.output)
    return lambda: run(session, inputs, output, engine=Local(threads=job.cores))


CONTENDERS: dict[str, Callable[[Job], Run]] = {
    "transformers, mask": mask,
    "transformers, prefixes": prefix,
    "turnmill": turnmill,
}


@dataclass(frozen=True)
class Moment:
    """A moment on both clocks."""

    wall: float
    processor: float
    """Seconds of processor time of this process and its children since they started."""

    @classmethod
    def now(cls) -> Moment:
        """Now."""
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return cls(time.perf_counter(), sum(use.ru_utime + use.ru_stime for use in used))


def work(job: Job) -> None:
    """The body of a measuring process: prints times, peak memory and what was written."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: job.cores])
    run = CONTENDERS[job.contender](job)
    loaded = Moment.now()
    run()
    done = Moment.now()
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    rows, trained = written(job.output)
    print(
        json.dumps(
            {
                "startup": loaded.processor,
                "processor": done.processor - loaded.processor,
                "wall": done.wall - loaded.wall,
                "megabytes": max(peak_megabytes(), children),
                "rows": rows,
                "trained": trained,
            }
        )
    )


def peak_megabytes() -> float:
    """Most resident memory so far; ``ru_maxrss`` would count the parent's before the exec too."""
    status = Path("/proc/self/status").read_text("utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def written(output: str) -> tuple[int, int]:
    """Rows and trained tokens of a written data set, to see that all did the same work."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = trained = 0
    for path in sorted(Path(output).glob("data-*.arrow")):
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as reader:
            for batch in reader:
                labels = pc.list_flatten(batch["labels"])
                rows += batch.num_rows
                trained += len(labels) - (pc.sum(pc.equal(labels, -100)).as_py() or 0)
    return rows, trained


def measure(job: Job, scratch: Path) -> dict[str, float]:
    """One measurement in a process and with a cache of its own."""
    environment = {
        **os.environ,
        "HF_HOME": str(scratch / "home"),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "true" if job.cores > 1 else "false",
        "TRANSFORMERS_VERBOSITY": "error",
    }
    # The tokenizer's own threads and worker processes exclude each other; processes are faster.
    if job.cores > 1 and job.contender != "turnmill":
        environment["TOKENIZERS_PARALLELISM"] = "false"
    command = [sys.executable, __file__, "--job", json.dumps(job.__dict__)]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True, timeout=3600
        )
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: {job.contender} failed\n{error.stderr[-2000:]}")
    finally:
        shutil.rmtree(job.output, ignore_errors=True)
        shutil.rmtree(scratch / "home", ignore_errors=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def conversations(name: str) -> Iterator[list[Message]]:
    """The conversations of a shared data set that every contender can take."""
    import pyarrow as pa

    path = SHARED / "data" / SETS[name]
    with pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") as stream:
        text = stream.read().decode()
    rows = (
        json.loads(text)
        if text.startswith("[")
        else map(json.loads, filter(None, text.split("\n")))
    )
    for row in rows:
        if "instruction" in row:
            given = "\n" + row["input"] if row["input"] else ""
            messages = [
                {"role": "user", "content": row["instruction"] + given},
                {"role": "assistant", "content": row["output"]},
            ]
        else:
            messages = [
                {
                    "role": ROLES.get(item.get("from") or item["role"], "system"),
                    "content": item.get("value") or item.get("content") or "",
                }
                for item in row["conversations" if "conversations" in row else "messages"]
            ]
        while messages and messages[-1]["role"] != "assistant":
            messages.pop()
        # Rows that turnmill rejects or treats otherwise would blur what is compared.
        if messages and messages[0]["role"] == "user" and all(m["content"] for m in messages):
            yield messages


def write_set(name: str, rows: int, path: Path) -> float:
    """Writes ``rows`` conversations, spread over the set; returns MB of message content."""
    kept = list(conversations(name))
    kept = kept[:: max(1, len(kept) // rows)][:rows]
    with path.open("w", encoding="utf-8") as file:
        for messages in kept:
            file.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")
    return content_megabytes(path)


def content_megabytes(path: Path) -> float:
    """MB (10^6 bytes of UTF-8) of message content in a JSON Lines file."""
    total = 0
    with path.open(encoding="utf-8") as file:
        for line in file:
            total += sum(len(m["content"].encode()) for m in json.loads(line)["messages"])
    return total / 1e6


def compare(path: Path, size: float, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Interleaved rounds of every contender on one file; one record for each and core count."""
    records = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        for cores in options.cores:
            results: dict[str, list[dict[str, float]]] = {name: [] for name in options.contender}
            files = (str(path), str(options.tokenizer), str(options.template))
            for number in range(options.rounds):
                for name, measured in results.items():
                    job = Job(name, *files, cores=cores, output=str(scratch / "out"))
                    measured.append(measure(job, scratch))
                    used = measured[-1]
                    print(
                        f"round {number + 1}, {cores} cores, {name}: start-up "
                        f"{used['startup']:.2f} s, run {used['processor']:.2f} s of processor "
                        f"time, {used['wall']:.2f} s of wall time",
                        file=sys.stderr,
                    )
            records += [record(name, cores, size, measured) for name, measured in results.items()]
    return records


def record(name: str, cores: int, size: float, measured: list[dict[str, float]]) -> dict[str, Any]:
    """Medians of the rounds of one contender. Rates are MB of message content a second."""

    def median(seconds: Callable[[dict[str, float]], float]) -> float:
        return statistics.median(map(seconds, measured))

    runs = [result["processor"] for result in measured]
    return {
        "contender": name,
        "cores": cores,
        "rate": size / median(lambda result: result["processor"]),
        "rate_with_startup": size / median(lambda result: result["processor"] + result["startup"]),
        "rate_wall": size / median(lambda result: result["wall"]),
        "spread": max(runs) / min(runs),
        "memory": max(result["megabytes"] for result in measured),
        "rows": int(measured[0]["rows"]),
        "trained": int(measured[0]["trained"]),
    }


def table(title: str, size: float, records: list[dict[str, Any]]) -> str:
    """Records as a Markdown table; ratios are to the fastest other contender on as many cores."""
    lines = [
        f"\n### {title}, {size:.1f} MB of message content\n",
        "| contender | cores | MB/s of processor time | ratio | with start-up | ratio "
        "| MB/s of wall time | ratio | slowest / fastest round | peak MB | rows | trained |",
        "| --- |" + " ---: |" * 11,
    ]
    for record in records:
        others = [
            other
            for other in records
            if other["cores"] == record["cores"] and other["contender"] != "turnmill"
        ]
        cells = [record["contender"], str(record["cores"])]
        for key in ("rate", "rate_with_startup", "rate_wall"):
            best = max((other[key] for other in others), default=None)
            cells += [f"{record[key]:.2f}", f"{record[key] / best:.1f}" if best else "-"]
        cells += [f"{record['spread']:.2f}", f"{record['memory']:.0f}"]
        cells += [str(record["rows"]), str(record["trained"])]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--set", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--rows", type=int, default=2000, help="rows taken from each set")
    parser.add_argument("--input", type=Path, help="a JSON Lines file of `messages` instead")
    parser.add_argument("--tokenizer", type=Path, default=TOKENIZER)
    parser.add_argument("--template", type=Path, default=TEMPLATE, help="with generation tags")
    parser.add_argument("--contender", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="where the records go as JSON")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    return parser


def main() -> None:
    """Runs the comparison and prints the tables."""
    options = parser().parse_args()
    if options.job:
        work(Job(**json.loads(options.job)))
        return
    everything = {}
    with tempfile.TemporaryDirectory() as folder:
        names = [options.input.name] if options.input else options.set
        if not options.input and not SHARED.is_dir():
            sys.exit(
                "error: the shared fixtures are not on this machine\n"
                "hint: give --input, --tokenizer and --template"
            )
        for name in names:
            path = options.input or Path(folder) / f"{name}.jsonl"
            size = content_megabytes(path) if options.input else write_set(name, options.rows, path)
            everything[name] = compare(path, size, options)
            print(table(name, size, everything[name]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(everything, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
