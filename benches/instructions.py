"""Instructions a byte of message content, stage by stage: a measure that other jobs cannot blur.

Usage::

    make instructions
    python benches/instructions.py STAGES [--save FILE] [--against FILE]
    python benches/instructions.py STAGES --share FILE TOKENIZER_DIR SCHEMA

Runs the bench ``stages`` once under callgrind on a generated file, the same on every machine, with
the demo's tokenizer, and counts what each stage executes. ``--save`` keeps the counts,
``--against`` compares with kept ones and exits with 1 where a stage needs over 3 % more. Counts say
nothing of caches and of AVX-512, which valgrind hides; they do find the change that made a stage
slower.

``--share`` counts inside the whole path alone, as a run takes it, on a file of one's own, and
prints what the contract, the accounting of content, the reading of wire formats and the rules on
contents take of the instructions that are not the tokenizer's.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOKENIZER = ROOT / "python" / "turnmill" / "demo" / "tokenizer"
STAGES = {
    "split": "stages::split_again",
    "parse": "stages::parse",
    "schema": "stages::schema",
    "render": "stages::render",
    "tokenize": "stages::tokenize",
    "label": "stages::label",
    "contract": "stages::check",
    "batch": "stages::batch_again",
    "write": "stages::write",
    "whole path": "stages::Job::whole",
}
WHOLE = STAGES["whole path"]
ENCODE = "<turnmill_bpe::encoder::Encoder as turnmill_core::tokenizer::backend::Backend>::encode"
GUARDS = {
    "contract": ("turnmill_core::row::contract::check",),
    "accounting": ("turnmill_core::row::account::account",),
    "wire": (
        "turnmill_core::chat::wire::normaliser::Normaliser::messages",
        "turnmill_core::chat::wire::normaliser::Normaliser::conversation",
    ),
    "contents": ("turnmill_core::row::content_rules::ContentRules::count",),
}
ROWS = 1000
MORE_ALLOWED = 1.03
WORDS = (
    "the of and to in is that for it as was with be by on not he his but at are this have from or "
    "had an they which one you were all her she there would their we him been has when who will no "
    "more if out so up said what its about than into them can only other time new some could these "
    "two may first then do any like my now over such our man me even most made after also did many "
    "先 生 我们 可以 学习 数据 模型 问题 回答 时间 一个 使用 print(x) {} [0] 3.14 42 don't it's"
)


def text(source: random.Random, words: int) -> str:
    """Some sentences and, now and then, a list."""
    lines = []
    for _ in range(max(1, words // 20)):
        line = " ".join(source.choices(WORDS.split(), k=min(words, 20)))
        lines.append(
            source.choice(("", "", "- ", '"')) + line + source.choice((".", "?", ":", "。"))
        )
    return "\n".join(lines)


def conversations() -> list[list[dict[str, str]]]:
    """Conversations of one to four exchanges; the same at every call."""
    source = random.Random(20)
    return [
        [
            {"role": role, "content": text(source, source.randint(5, length))}
            for _ in range(source.randint(1, 4))
            for role, length in (("user", 60), ("assistant", 200))
        ]
        for _ in range(ROWS)
    ]


def count(stages: Path) -> dict[str, float]:
    """Instructions a byte of message content by stage."""
    rows = conversations()
    size = sum(len(message["content"].encode()) for row in rows for message in row)
    with tempfile.TemporaryDirectory() as folder:
        data, profile = Path(folder, "rows.jsonl"), Path(folder, "profile")
        lines = (json.dumps({"messages": row}, ensure_ascii=False) + "\n" for row in rows)
        data.write_text("".join(lines), "utf-8")
        table = profiled([str(stages), str(data), str(TOKENIZER), "messages", "-", "1"], profile)
    return {stage: instructions(table, name) / size for stage, name in STAGES.items()}


def guard_shares(stages: Path, data: str, tokenizer: str, schema: str) -> dict[str, float]:
    """What each guard takes of the whole path's instructions, the tokenizer's apart."""
    command = [str(stages), data, tokenizer, schema, "-", "1"]
    with tempfile.TemporaryDirectory() as folder:
        table = profiled(command, Path(folder, "profile"), f"--toggle-collect={WHOLE}")
    others = instructions(table, WHOLE) - instructions(table, ENCODE)
    return {
        guard: sum(instructions(table, function) for function in functions) / others
        for guard, functions in GUARDS.items()
    }


def profiled(command: list[str], profile: Path, *options: str) -> str:
    """What callgrind counts of a command, by function, callees included."""
    run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}", *options, *command])
    return run(["callgrind_annotate", "--inclusive=yes", "--threshold=100", str(profile)])


def run(command: list[str]) -> str:
    """What a command prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: {command[0]} failed\n{done.stderr[-2000:]}")
    return done.stdout


def instructions(table: str, function: str) -> int:
    """The inclusive count of a function in what callgrind_annotate prints."""
    found = re.search(rf"^\s*([\d,]+) .*:{re.escape(function)}(?: \[|$)", table, re.MULTILINE)
    if found is None:
        sys.exit(f"error: the profile has no function {function}")
    return int(found[1].replace(",", ""))


def main() -> None:
    """Counts, prints, keeps or compares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("stages", type=Path, help="the built bench, such as target/release/stages")
    parser.add_argument("--save", type=Path)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--share", nargs=3, metavar=("FILE", "TOKENIZER_DIR", "SCHEMA"))
    options = parser.parse_args()
    if options.share:
        shares = guard_shares(options.stages, *options.share)
        for guard, share in {**shares, "together": sum(shares.values())}.items():
            print(f"{guard:<12} {share:.2%}")
        return
    counted = count(options.stages)
    known = json.loads(options.against.read_text("utf-8")) if options.against else {}
    worse = False
    for stage, value in counted.items():
        change = f"{100 * (value / known[stage] - 1):+6.1f} %" if stage in known else ""
        worse |= value > MORE_ALLOWED * known.get(stage, value)
        print(f"{stage:<12} {value:8.2f} {change}")
    if options.save:
        options.save.write_text(json.dumps(counted, indent=2) + "\n", "utf-8")
    sys.exit(int(worse))


if __name__ == "__main__":
    main()
