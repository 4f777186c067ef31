"""Rendering with spans beside jinja2 as transformers sets it up: same rows, one core, one run.

Usage::

    python benches/rendering.py target/release/render [--set sharegpt] [--rows 3000] [--rounds 5]

JSON is parsed beforehand on both sides; jinja2 makes no spans. Rates are MB of rendered text a
second of processor time, medians of interleaved rounds.
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


def jinja2(source: str, rows: list[list[Message]]) -> float:
    """MB/s of jinja2."""
    from transformers.utils.chat_template_utils import _compile_jinja_template

    template = _compile_jinja_template(source)
    given = {"tools": None, "documents": None, "add_generation_prompt": False, **SPECIAL_TOKENS}
    start = time.process_time()
    texts = [template.render(messages=row, **given) for row in rows]
    seconds = time.process_time() - start
    return sum(len(text.encode()) for text in texts) / seconds / 1e6


def turnmill(binary: Path, template: Path, rows: Path) -> float:
    """MB/s of turnmill's engine, spans included."""
    command = [str(binary), "bench", str(template), str(rows), "1"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"([\d.]+) MB/s", printed)
    return float(found[1]) if found else 0.0


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("binary", type=Path, help="the built bench `render`")
    parser.add_argument("--set", choices=SETS, default="sharegpt")
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rows = list(conversations(options.set))[: options.rows]
    print("| template | jinja2 MB/s | turnmill MB/s | ratio |\n| --- | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "rows.jsonl")
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        for name, path in TEMPLATES.items():
            template = SHARED / "chat_templates" / path
            pairs = [
                (
                    jinja2(template.read_text("utf-8"), rows),
                    turnmill(options.binary, template, file),
                )
                for _ in range(options.rounds)
            ]
            theirs, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
            print(f"| {name} | {theirs:.0f} | {ours:.0f} | {ours / theirs:.1f} |", flush=True)


if __name__ == "__main__":
    main()
