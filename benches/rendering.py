"""Rendering with spans beside jinja2 as transformers sets it up: same rows, one core, one run.

Usage::

    python benches/rendering.py target/release/render [--sets sharegpt alpaca-en] [--rows 3000]
        [--rounds 5]

JSON is parsed beforehand on both sides; jinja2 makes no spans. Rates are MB of rendered text, and
thousands of rows, a second of processor time, medians of interleaved rounds. ShareGPT has several
turns a row; the rows of Alpaca are short, and what a row costs apart from its text decides there.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from compare import SETS, SHARED, Message, conversations

TEMPLATES = {
    "Llama-3.2": "llamacpp.meta-llama-Llama-3.2-3B-Instruct.jinja",
    "Qwen2.5": "llamacpp.Qwen-Qwen2.5-7B-Instruct.jinja",
    "Qwen3": "llamacpp.Qwen-Qwen3-0.6B.jinja",
}
SPECIAL_TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


def rendered(source: str, rows: list[list[Message]]) -> tuple[list[str], float]:
    """What jinja2 renders, and its seconds of processor time."""
    from transformers.utils.chat_template_utils import _compile_jinja_template

    template = _compile_jinja_template(source)
    given = {"tools": None, "documents": None, "add_generation_prompt": False, **SPECIAL_TOKENS}
    start = time.process_time()
    texts = [template.render(messages=row, **given) for row in rows]
    return texts, time.process_time() - start


def size_of(source: str, rows: list[list[Message]]) -> int:
    """Bytes of the rendered text."""
    return sum(len(text.encode()) for text in rendered(source, rows)[0])


def jinja2(source: str, rows: list[list[Message]]) -> float:
    """MB/s of jinja2."""
    texts, seconds = rendered(source, rows)
    return sum(len(text.encode()) for text in texts) / seconds / 1e6


def turnmill(binary: Path, template: Path, rows: Path) -> float:
    """MB/s of turnmill's engine, spans included."""
    command = [str(binary), "bench", str(template), str(rows), "1"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"([\d.]+) MB/s", printed)
    return float(found[1]) if found else 0.0


def compare(binary: Path, rows: list[list[Message]], name: str, rounds: int) -> str:
    """A line of the table."""
    template = SHARED / "chat_templates" / TEMPLATES[name]
    source = template.read_text("utf-8")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "rows.jsonl")
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        pairs = [(jinja2(source, rows), turnmill(binary, template, file)) for _ in range(rounds)]
    theirs, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
    size = size_of(source, rows) / len(rows)
    thousands = [rate * 1e3 / size for rate in (theirs, ours)]
    return (
        f"{name} | {size:.0f} | {theirs:.0f} | {ours:.0f} | {thousands[0]:.0f} | {thousands[1]:.0f}"
        f" | {ours / theirs:.1f} |"
    )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("binary", type=Path, help="the built bench `render`")
    parser.add_argument("--sets", choices=SETS, nargs="+", default=["sharegpt", "alpaca-en"])
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(
        "| rows | template | bytes a row | jinja2 MB/s | turnmill MB/s | jinja2 k rows/s "
        "| turnmill k rows/s | ratio |\n| --- | --- |" + " ---: |" * 6
    )
    for set_ in options.sets:
        rows = list(conversations(set_))[: options.rows]
        for name in TEMPLATES:
            line = compare(options.binary, rows, name, options.rounds)
            print(f"| {set_} | {line}", flush=True)


if __name__ == "__main__":
    main()
