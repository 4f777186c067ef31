"""The exact text of help pages and usage errors, and how fast they are there."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import turnmill
from turnmill.cli import VERBS, main

PACKAGE_PARENT = str(Path(turnmill.__file__).parents[1])


@pytest.fixture(autouse=True)
def _width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 2) -> tuple[str, str]:
    """Standard output and error of a command that exits with ``code``."""
    assert main(list(words)) == code
    captured = capsys.readouterr()
    return captured.out, captured.err


OVERVIEW = """\
Conversations in, training tensors out, and every trained turn ends in a stop token.

Usage: turnmill COMMAND [OPTIONS]

Commands
  prepare    turn conversations into a training set that ends
  check      find what is wrong in data, raw or tokenized, by rule
  show       show conversations with their trained tokens in colour
  merge      make one output of parts that several machines made
  report     write a report on an output: one page of HTML
  view       page through all rows in a browser, on this machine
  stats      lengths, trained share, turns, duplicates of an output
  pack       put several samples into each row, their boundaries kept
  export     write a set in the form that one trainer reads
  parity     compare text, ids and masks with transformers
  stop-test  let a model answer prompts, and count what stops
  demo       run the main job on data that the package carries

Options
  -h, --help     show this, or the options of a command after its name
  -V, --version  show the version

Try `turnmill demo`, or `turnmill show DATA --tokenizer DIR` on data of your own.
"""

DEMO = """\
Run the main job on data that the package carries, and show the result.

Usage: turnmill demo [-o DIR]

Output
  -o, --output DIR            directory to write (default: a temporary one, removed at the end)

General
  --lang en|zh                language of what is said, not of JSON and errors (default: that of the
                              locale)
  --json                      print the result, or an error, as JSON on standard output
  -q, --quiet                 say nothing but errors
  -h, --help                  show this
"""

SHOW = """\
Show conversations with their trained tokens, or what became of an input row.

Usage: turnmill show [DATA] --tokenizer DIR [OPTIONS]

What to show
  DATA                        conversations, tokenized rows of any tool, or what prepare wrote
  -n, --rows N                how many rows (default: 3)
  --row K                     this input row, from 0
  --sample K                  this sample of a written directory, from 0
  --source FILE:LINE          the row at this line; at this row, from 0, where a file has no lines
  --random N                  so many rows drawn at random, from all
  --seed K                    another seed draws other rows (default: 0)
  --rejected                  rows that were left out
  --rule RULE                 rows that a rule left out, or was counted for
  --longest                   the longest rows
  --shortest                  the shortest rows
  --full                      show long texts whole
  --ids                       show each token with its id
  --side-by-side              show the row as it was read beside the text
  --recipe FILE               recipe in TOML; flags win over it
"""


def test_the_overview(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "--help", code=0) == (OVERVIEW, "")
    assert said(capsys) == (OVERVIEW, "")


def test_the_page_of_a_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "demo", "--help", code=0) == (DEMO, "")
    assert said(capsys, "help", "demo", code=0) == (DEMO, "")
    out, _ = said(capsys, "show", "-h", code=0)
    assert out.startswith(SHOW)


def test_a_page_fits_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out, _ = said(capsys, "prepare", "--help", code=0)
    assert max(len(line) for line in out.splitlines()) <= 80


def test_every_recipe_key_has_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = said(capsys, "prepare", "--help", code=0)
    keys = (
        "tokenizer template template_kwargs now schema fields roles role_order wire train_on "
        "spans reasoning history stop eos special_in_content boundary max_length over_length "
        "columns max_rejects format pack shuffle seed carry validation dedup overwrite compat"
    )
    missing = [key for key in keys.split() if f"--{key.replace('_', '-')} " not in out]
    assert not missing


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            ["prepair"],
            "error: unknown command `prepair`\nhint: did you mean `turnmill prepare`?\n",
        ),
        (
            ["frobnicate"],
            "error: unknown command `frobnicate`\nhint: `turnmill --help` lists the commands\n",
        ),
        (
            ["prepare", "a.jsonl", "--max-lenght=5"],
            "error: unknown option `--max-lenght`\n"
            "hint: did you mean `--max-length`? `turnmill prepare --help` lists every option\n",
        ),
        (
            ["prepare", "a.jsonl", "--max", "5"],
            "error: unknown option `--max`\n"
            "hint: did you mean `--max-rejects`? `turnmill prepare --help` lists every option\n",
        ),
        (
            ["prepare", "a.jsonl", "--threads", "none"],
            "error: `--threads` cannot be `none`\nhint: --threads takes a whole number above 0\n",
        ),
        (
            ["pack", "out", "--length", "3000000000"],
            "error: `--length` cannot be `3000000000`\n"
            "hint: --length takes a whole number up to 2,147,483,647\n",
        ),
        (
            ["prepare", "a.jsonl", "--threads"],
            "error: `--threads` needs a value\n"
            "hint: `turnmill prepare --help` lists every option\n",
        ),
        (
            ["prepare", "a.jsonl", "--shuffle=true"],
            "error: `--shuffle` takes no value\n"
            "hint: `turnmill prepare --help` lists every option\n",
        ),
        (
            ["prepare", "a.jsonl", "--history", "lastturn"],
            "error: `--history` cannot be `lastturn`\n"
            "hint: did you mean `last-turn`? --history takes auto, as-rendered, last-turn, expand, "
            "error\n",
        ),
        (
            ["prepare", "a.jsonl", "--history", "stop"],
            "error: `--history` cannot be `stop`\n"
            "hint: did you mean `error`? --history takes auto, as-rendered, last-turn, expand, "
            "error\n",
        ),
        (
            ["prepare", ".", "-o", "out"],
            "error: no tokenizer is named\n"
            "hint: add --tokenizer with the directory that holds the model's tokenizer.json\n",
        ),
        (
            ["show"],
            "error: neither data nor a template is named\n"
            "hint: name a file or directory before the options, or a template with --template\n",
        ),
        (
            ["show", "a.jsonl", "b.jsonl"],
            "error: unexpected argument `b.jsonl`\n"
            "hint: `turnmill show --help` lists every option\n",
        ),
    ],
)
def test_usage_errors(capsys: pytest.CaptureFixture[str], words: list[str], text: str) -> None:
    assert said(capsys, *words) == ("", text)


def test_help_is_there_at_once() -> None:
    """Soon after an interpreter that has two modules to import: 0.15 s on an idle machine.

    Of processor time: the clock on the wall counts what else the machine does.
    """
    bare = [sys.executable, "-c", "import argparse, json"]
    command = [sys.executable, "-W", "ignore", "-m", "turnmill", "--help"]
    times: list[list[float]] = []
    for _ in range(3):  # beside the builds of others, seven of each are not always enough
        times += [[processor_time(words) for words in (bare, command)] for _ in range(7)]
        least, helped = (min(column) for column in zip(*times, strict=True))
        if helped < 6 * least:
            break
    assert helped < 6 * least


def processor_time(words: list[str]) -> float:
    """Seconds that a command takes of a processor."""
    environment = {**os.environ, "PYTHONPATH": PACKAGE_PARENT}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("words", [["--help"], *([verb, "--help"] for verb in VERBS)])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    script = (
        "import sys; from turnmill.cli import main; main(sys.argv[1:]);"
        "print([m for m in ('pyarrow', 'numpy', 'datasets') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, *words],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": PACKAGE_PARENT},
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_command_line_uses_the_public_package_only() -> None:
    """What the command line can do, Python can do."""
    for path in Path(turnmill.__file__).parent.glob("cli/*.py"):
        assert "_core" not in path.read_text("utf-8"), path
