"""Train a tiny language model on the same data with and without its terminators.

    python examples/why-terminators-matter/why_terminators_matter.py

Needs turnmill and nothing else; takes about two minutes on two cores. README.md beside this file
says what was measured and what follows from it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# Each process has one seed; more threads for these small matrices only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
from defects import DEFECTS, IGNORED, Row
from plot import draw
from tiny_model import Ints, TinyModel

import turnmill

TOKENIZER = Path(turnmill.__file__).parent / "demo" / "tokenizer"
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
PEOPLE = ["Ann", "Ben", "Cleo", "Dan", "Eve", "Finn"]
STOP, OTHER = "<|im_end|>", "<|endoftext|>"
BATCH, RATE = 32, 4e-3


@dataclass(frozen=True)
class Result:
    """What one training gave, measured on conversations that it has not seen."""

    defect: str
    seed: int
    stops: float
    stops_short: float
    """Of the shorter half of the answers."""
    stops_long: float
    repeats: float
    foreign: float
    answer_loss: float
    """Of the tokens of the reference, without its terminator, in nats."""
    end_loss: float
    """Of the terminator, at the place where the reference ends."""
    curve: list[float]
    """The loss during the training, over ten steps each."""
    example: str


def conversations() -> list[dict[str, Any]]:
    """Everybody asks for 2 to 14 days from every day on."""
    return [
        {
            "messages": [
                {"role": "user", "content": f"{person} asks for {count} days from {first} on."},
                {"role": "assistant", "content": " ".join(["They are", *days])},
            ]
        }
        for person, first, count in itertools.product(PEOPLE, DAYS, range(2, 15))
        for start in [DAYS.index(first)]
        for days in [[DAYS[(start + day) % 7] for day in range(count)]]
    ]


def prepare(folder: Path) -> tuple[list[Row], list[Row]]:
    """The rows to train on, and those that are held out; both made and checked by turnmill."""
    turnmill.prepare(conversations(), folder, tokenizer=TOKENIZER, validation=0.2)
    findings = turnmill.check(folder)
    assert findings.ok, str(findings)
    return _read(folder / "train"), _read(folder / "validation")


def _read(folder: Path) -> list[Row]:
    rows = []
    for file in sorted(folder.glob("data-*.arrow")):
        with pa.ipc.open_stream(file.read_bytes()) as reader:
            table = reader.read_all().select(["input_ids", "labels"])
        rows += [Row(row["input_ids"], row["labels"]) for row in table.to_pylist()]
    return rows


class Vocabulary:
    """The tokens that occur, numbered without gaps: the others would only cost time."""

    def __init__(self, rows: Sequence[Row], more: Sequence[int]) -> None:
        self.tokens = sorted({id_ for row in rows for id_ in row.ids} | set(more))
        self._number = {token: number for number, token in enumerate(self.tokens)}

    def numbers(self, ids: Sequence[int]) -> list[int]:
        """Tokens as numbers; -100 stays."""
        return [id_ if id_ == IGNORED else self._number[id_] for id_ in ids]

    def batch(self, rows: Sequence[Row]) -> tuple[Ints, Ints]:
        """Rows padded at their end to the longest, with labels that ignore the padding."""
        longest = max(len(row.ids) for row in rows)
        ids = np.zeros((len(rows), longest), np.int64)
        labels = np.full((len(rows), longest), IGNORED, np.int64)
        for place, row in enumerate(rows):
            ids[place, : len(row.ids)] = self.numbers(row.ids)
            labels[place, : len(row.ids)] = self.numbers(row.labels)
        return ids, labels


def train(
    rows: Sequence[Row], words: Vocabulary, seed: int, steps: int
) -> tuple[TinyModel, list[float]]:
    """A model after some steps on random batches, and its losses."""
    model = TinyModel(len(words.tokens), context=160, seed=seed)
    source = np.random.default_rng(seed)
    losses = []
    for step in range(steps):
        ids, labels = words.batch([rows[i] for i in source.integers(0, len(rows), BATCH)])
        rate = RATE * min(1, step / 20) * (1 + np.cos(np.pi * step / steps)) / 2
        losses.append(model.step(ids, labels, rate))
    return model, [float(np.mean(some)) for some in np.array_split(losses, max(1, steps // 10))]


def measure(
    model: TinyModel, words: Vocabulary, held: Sequence[Row], stop: int, prompts: int
) -> dict[str, Any]:
    """Generates from held-out prompts, and looks at what the model makes of their references."""

    def generate(asked: list[list[int]], rooms: list[int]) -> list[list[int]]:
        numbered = [words.numbers(ids) for ids in asked]
        answers = model.generate(numbered, max(rooms), words.numbers([stop])[0])
        return [[words.tokens[number] for number in answer] for answer in answers]

    rows = [asdict(row) for row in held]
    found = turnmill.stop_test(
        [{"input_ids": row["ids"], "labels": row["labels"]} for row in rows],
        generate,
        tokenizer=TOKENIZER,
        stop=[STOP],
        prompts=prompts,
        budget=1.0,
        batch=prompts,
        examples=1,
    )
    groups = list(found.by_length.values())
    half = len(groups) // 2
    answer_loss, end_loss = losses(model, words, held, stop)
    return {
        "stops": found.rates["stop"].share,
        "stops_short": _share(groups[:half]),
        "stops_long": _share(groups[half:]),
        "repeats": found.rates["repetition"].share,
        "foreign": found.rates["foreign_stop"].share,
        "answer_loss": answer_loss,
        "end_loss": end_loss,
        "example": found.failures[0].end if found.failures else "",
    }


def _share(groups: Sequence[Any]) -> float:
    return float(sum(rate.count for rate in groups) / sum(rate.of for rate in groups))


def losses(
    model: TinyModel, words: Vocabulary, held: Sequence[Row], stop: int
) -> tuple[float, float]:
    """The mean loss of the tokens of the references, and that of their terminators."""
    ids, labels = words.batch(held)
    logits, targets = model.logits(ids)[:, :-1].astype(np.float64), labels[:, 1:]
    logits -= logits.max(axis=-1, keepdims=True)
    likely = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    each = -np.take_along_axis(likely, np.maximum(targets, 0)[..., None], axis=-1)[..., 0]
    ends = targets == words.numbers([stop])[0]
    return float(each[(targets != IGNORED) & ~ends].mean()), float(each[ends].mean())


def token_ids() -> tuple[int, int]:
    """The stop token of the server, and the other one."""
    tokenizer = turnmill.Tokenizer(TOKENIZER)
    stop, other = (tokenizer.token_to_id(token) for token in (STOP, OTHER))
    assert stop is not None
    assert other is not None
    return stop, other


def run_seed(
    rows: Sequence[Row],
    held: Sequence[Row],
    seed: int,
    steps: int,
    prompts: int,
    defects: Sequence[str],
) -> list[Result]:
    """Trains and measures a model for each defect, all from the same first weights."""
    stop, other = token_ids()
    words = Vocabulary([*rows, *held], [stop, other])
    results = []
    for name in defects:
        spoiled = DEFECTS[name](rows, stop, other)
        model, curve = train(spoiled, words, seed, steps)
        found = measure(model, words, held, stop, prompts)
        results.append(Result(defect=name, seed=seed, curve=curve, **found))
    return results


def findings(rows: Sequence[Row]) -> dict[str, str]:
    """What `turnmill check` says of the rows of each defect."""
    stop, other = token_ids()
    said = {}
    for name, spoil in DEFECTS.items():
        data = [{"input_ids": row.ids, "labels": row.labels} for row in spoil(rows, stop, other)]
        found = turnmill.check(data, tokenizer=TOKENIZER, stop=[STOP])
        errors = [rule for rule, each in found.rules.items() if each.severity == "error"]
        said[name] = ", ".join(f"`{rule}`" for rule in errors) or "ok"
    return said


def table(results: Sequence[Result], said: dict[str, str]) -> str:
    """Means over the seeds in Markdown, and the range where they differ."""
    measures = {
        "stops": ("stops", "{:.0%}"),
        "of short answers": ("stops_short", "{:.0%}"),
        "of long answers": ("stops_long", "{:.0%}"),
        "repeats itself": ("repeats", "{:.0%}"),
        "loss of the answer": ("answer_loss", "{:.3f}"),
        "loss of the terminator": ("end_loss", "{:.2f}"),
    }
    lines = [
        f"| trained on | {' | '.join(measures)} | `turnmill check` |",
        f"| --- |{' ---: |' * len(measures)} --- |",
    ]
    for defect in dict.fromkeys(result.defect for result in results):
        mine = [result for result in results if result.defect == defect]
        cells = [
            _over_seeds([getattr(result, name) for result in mine], form)
            for name, form in measures.values()
        ]
        lines.append(f"| {defect} | {' | '.join(cells)} | {said[defect]} |")
    return "\n".join(lines)


def _over_seeds(values: Sequence[float], form: str) -> str:
    low, high = form.format(min(values)), form.format(max(values))
    mean = form.format(sum(values) / len(values))
    return mean if low == high else f"{mean} ({low} to {high})"


def main() -> None:
    """Trains everything and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="how many trainings of each kind")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--prompts", type=int, default=60)
    parser.add_argument("--only", nargs="+", choices=DEFECTS, default=list(DEFECTS))
    parser.add_argument("--plot", type=Path, help="where to draw the picture, an SVG file")
    parser.add_argument("--json", type=Path, help="where to write every figure")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows, held = prepare(Path(folder) / "out")
    seeds = range(options.seeds)
    with ProcessPoolExecutor(2) as processes:
        runs = [
            processes.submit(
                run_seed, rows, held, seed, options.steps, options.prompts, options.only
            )
            for seed in seeds
        ]
        results = [result for run in runs for result in run.result()]
    print(table(results, findings(rows)))
    for result in results:
        if result.seed == 0 and result.example:
            print(f"\n{result.defect}, the end of an answer:\n  …{result.example[-90:]!r}")
    if options.plot:
        options.plot.write_text(draw([asdict(result) for result in results]), "utf-8")
    if options.json:
        options.json.write_text(json.dumps([asdict(result) for result in results]), "utf-8")


if __name__ == "__main__":
    main()
