"""`--no-text` keeps what the data says out of what people share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import turnmill
from turnmill.check.findings import Findings
from turnmill.cli import main

TOKENIZER = Path(turnmill.__file__).parent / "demo" / "tokenizer"
SECRET = "zebra"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    said = {"role": "user", "content": SECRET}
    good = {"messages": [said, {"role": "assistant", "content": f"{SECRET} <|im_end|> {SECRET}"}]}
    bad = {"messages": [said, {"role": SECRET, "content": SECRET}]}
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, [good, good, bad])))
    return path


def reasons(output: Path) -> list[str]:
    found: list[str] = pq.read_table(output / "rejects.parquet")["reason"].to_pylist()
    return found


def test_rejects_and_report(rows: Path, tmp_path: Path) -> None:
    words = ["prepare", str(rows), "--tokenizer", str(TOKENIZER), "--report", "--quiet"]
    for name, flags in (("loud", []), ("quiet", ["--no-text"])):
        assert main([*words, "-o", str(tmp_path / name), *flags]) == 0
    assert SECRET in reasons(tmp_path / "loud")[0]
    assert SECRET in (tmp_path / "loud" / "report.html").read_text()
    assert reasons(tmp_path / "quiet") == ["A message has a role that no mapping names"]
    assert SECRET not in (tmp_path / "quiet" / "report.html").read_text()
    loud, quiet = (
        json.loads((tmp_path / n / "turnmill.json").read_text()) for n in ("loud", "quiet")
    )
    assert loud["totals"] == quiet["totals"]
    assert main([*words, "-o", str(tmp_path / "quiet"), "--no-text"]) == 0, "it resumes"
    assert turnmill.check(tmp_path / "quiet").ok
    files = turnmill.check_files(tmp_path / "quiet")
    assert files.ok
    assert files.foreign == []


def test_a_run_that_rejects_everything(rows: Path, tmp_path: Path) -> None:
    rows.write_text(rows.read_text().splitlines()[2])
    with pytest.raises(turnmill.DataError):
        turnmill.prepare(str(rows), tmp_path / "out", tokenizer=TOKENIZER, text=False)
    assert reasons(tmp_path / "out") == ["A message has a role that no mapping names"]


def texts(findings: Findings) -> set[str | None]:
    """The texts of the tokens of all places."""
    return {
        token["text"]
        for finding in findings.rules.values()
        for place in finding.evidence
        for token in place["tokens"]
    }


def test_findings(rows: Path, capsys: Any) -> None:
    ids = [int(i) for i in turnmill.Tokenizer(TOKENIZER).encode(f"{SECRET} {SECRET}")]
    cut = [{"input_ids": ids, "labels": ids}] * 3
    for data in (cut, str(rows)):
        loud = turnmill.check(data, tokenizer=TOKENIZER)
        quiet = turnmill.check(data, tokenizer=TOKENIZER, text=False)
        assert texts(loud) - {None}
        assert texts(quiet) == {None}
        assert loud.rules.keys() == quiet.rules.keys()
        assert SECRET not in json.dumps(quiet.to_dict())
    assert SECRET in json.dumps(loud.to_dict())
    assert main(["check", str(rows), "--tokenizer", str(TOKENIZER), "--no-text"]) == 1
    assert SECRET not in capsys.readouterr().out
