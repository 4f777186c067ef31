"""Which rows `show` finds by what became of them, and its other forms, also in notebooks."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import turnmill
from turnmill._terminal import Terminal, columns_of
from turnmill.cli import standard_output
from turnmill.errors import ArgumentError, DataError

DEMO = Path(turnmill.__file__).parent / "demo"
TOKENIZER = DEMO / "tokenizer"
RAW = str(DEMO / "data" / "messages.jsonl")


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("show") / "out"
    turnmill.prepare(RAW, place, tokenizer=TOKENIZER)
    return place


def shown(data: Any, **keys: Any) -> list[int]:
    found = turnmill.show(data, tokenizer=TOKENIZER, **keys)
    return [row.row for row in found]


@pytest.mark.parametrize("written", [False, True])
def test_rows_by_what_became_of_them(output: Path, written: bool) -> None:
    data = str(output) if written else RAW
    assert shown(data, rejected=True, n=10) == [11, 34, 57, 103]
    assert shown(data, rejected=True, n=1) == [11]
    assert shown(data, rule="unknown-role") == [57]
    assert shown(data, rule="special-token-in-content") == [80]
    with pytest.raises(DataError):
        turnmill.show(data, tokenizer=TOKENIZER, rule="packing-boundary")
    with pytest.raises(DataError, match="there is no rule"):
        turnmill.show(data, tokenizer=TOKENIZER, rule="unknown")
    with pytest.raises(ArgumentError):
        turnmill.show(data, tokenizer=TOKENIZER, rejected=True, row=1)


@pytest.mark.parametrize("written", [False, True])
def test_rows_by_length(output: Path, written: bool) -> None:
    data = str(output) if written else RAW
    every = turnmill.show(RAW, tokenizer=TOKENIZER, n=1000)
    lengths = sorted(row.samples[0].tokens for row in every if row.samples)
    longest = turnmill.show(data, tokenizer=TOKENIZER, longest=True, n=4)
    assert [row.samples[0].tokens for row in longest] == lengths[:-5:-1]
    shortest = turnmill.show(data, tokenizer=TOKENIZER, shortest=True, n=2)
    assert [row.samples[0].tokens for row in shortest] == lengths[:2]


def plain(columns: int) -> Terminal:
    return Terminal(io.StringIO(), False, min(columns, 100), live=False, columns=columns)


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("form", ["ids", "side_by_side"])
def test_no_line_is_wider_than_the_terminal(columns: int, form: str, output: Path) -> None:
    answer = "你好，世界 e\u0301 👩 " * 40 + "x" * 300
    rows = [
        {
            "messages": [
                {"role": "user", "content": "مرحبا\x1b[31m"},
                {"role": "assistant", "content": answer},
            ]
        }
    ]
    for data in (rows, str(output)):
        view = turnmill.show(data, tokenizer=TOKENIZER, **{form: True})
        lines = view.draw(plain(columns)).split("\n")
        headings = [line for line in lines if line.startswith("──")]
        body = [line for line in lines if line not in headings]
        assert max(columns_of(line) for line in body) <= columns
        assert "\x1b" not in "".join(lines)


def test_ids_are_those_of_the_row(output: Path) -> None:
    view = turnmill.show(str(output), n=1, ids=True)
    drawn = view.draw(plain(100)).partition("\n")[2].rpartition("\ntext·id")[0]
    assert [int(id_) for id_ in re.findall(r"·(\d+)(?=[\]\s]|$)", drawn)] == list(
        view[0].samples[0].ids
    )


def test_the_row_as_it_was_read_stands_on_the_left(output: Path) -> None:
    lines = turnmill.show(str(output), n=1, side_by_side=True).draw(plain(120)).split("\n")
    first = next(line for line in lines if "│" in line)
    assert first.startswith("{ ")
    assert "│ <|im_start|>" in first
    assert any("⟦" in line.partition("│")[2] for line in lines)


def test_a_long_drawing_goes_through_the_pager(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("LINES", "10")
    monkeypatch.setenv("PAGER", f"tee {tmp_path / 'paged'}")
    standard_output.print_paged("short")
    assert not (tmp_path / "paged").exists()
    text = "\n".join(map(str, range(50)))
    standard_output.print_paged(text)
    assert (tmp_path / "paged").read_text() == text + "\n"
    monkeypatch.setenv("PAGER", "no-such-pager")
    standard_output.print_paged(text)
    assert capfd.readouterr().out.count("49") == 2


def test_objects_show_themselves_in_a_notebook(output: Path, tmp_path: Path) -> None:
    attack = "<script>alert(1)</script>\u202e"
    rows = [
        {
            "messages": [
                {"role": "user", "content": attack},
                {"role": "assistant", "content": attack},
            ]
        }
    ]
    (tmp_path / "rows.jsonl").write_text(json.dumps(rows[0]) + "\n{broken\n")
    run = turnmill.prepare(str(tmp_path / "rows.jsonl"), tmp_path / "out", tokenizer=TOKENIZER)
    made = turnmill.Encoder(tokenizer=TOKENIZER).encode(rows)
    findings = turnmill.check(rows, tokenizer=TOKENIZER)
    view = turnmill.show(rows, tokenizer=TOKENIZER)
    rendered = turnmill.Template(TOKENIZER).render(rows[0]["messages"])
    report = turnmill.report(output)
    numbers = turnmill.stats(output)
    tested = turnmill.stop_test(output, lambda prompts, _: [[2]] * len(prompts), prompts=8)
    for thing in (run, made, findings, view, view[0], rendered, report, numbers, tested):
        html = thing._repr_html_()
        assert "<script" not in html
        assert "\u202e" not in html
        assert html.count("<table") == html.count("</table>")
    assert "invalid-json" in run._repr_html_()
    assert "&lt;script&gt;" in view._repr_html_()
    assert 'text-decoration: underline">&lt;script' in rendered._repr_html_()
