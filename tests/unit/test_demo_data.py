"""The demo data is what its script writes, and its odd rows are there."""

from __future__ import annotations

import filecmp
import json
import subprocess
import sys
from pathlib import Path

from tokenizers import Tokenizer

import fixtures

DEMO = fixtures.ROOT / "python" / "turnmill" / "demo"
TOKENIZER = DEMO / "tokenizer"


def test_the_script_writes_the_files_that_the_package_carries(tmp_path: Path):
    script = fixtures.ROOT / "scripts" / "make_demo.py"
    subprocess.run([sys.executable, script, tmp_path], check=True, timeout=60)
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert len(made) == 10
    different = [name for name in made if not filecmp.cmp(tmp_path / name, DEMO / name, False)]
    assert different == []


def test_stop_tokens_of_the_tokenizer_are_single_tokens():
    tokenizer = Tokenizer.from_file(str(TOKENIZER / "tokenizer.json"))
    stops = json.loads((TOKENIZER / "generation_config.json").read_text())["eos_token_id"]
    assert [tokenizer.id_to_token(stop) for stop in stops] == ["<|im_end|>", "<|endoftext|>"]
    for stop in stops:
        assert tokenizer.encode(tokenizer.id_to_token(stop)).ids == [stop]


def test_the_tokenizer_gives_every_text_of_the_demo_back():
    tokenizer = Tokenizer.from_file(str(TOKENIZER / "tokenizer.json"))
    for path in (DEMO / "data").iterdir():
        text = path.read_text("utf-8")
        assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


def test_exactly_one_line_is_not_json():
    broken = []
    for line in (DEMO / "data" / "messages.jsonl").read_text("utf-8").splitlines():
        try:
            json.loads(line)
        except json.JSONDecodeError:
            broken.append(line)
    assert len(broken) == 1
