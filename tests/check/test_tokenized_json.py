"""Tokenized rows in JSON: the same findings as from Arrow, and every place that holds no row."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json as pj
import pyarrow.parquet as pq
import pytest

import turnmill
from turnmill.check.findings import Findings
from turnmill.inputs import files

DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"
STOP = 2
Row = dict[str, Any]


def check(data: Any) -> Findings:
    return turnmill.check(data, tokenizer=DEMO, stop=[STOP], max_length=999, evidence=50)


def told(findings: Findings) -> dict[str, Any]:
    """What was found, without where the rows came from."""
    found = json.loads(json.dumps(findings.to_dict()))
    for rule in found["rules"].values():
        for place in rule["evidence"]:
            place.pop("file", None)
            place.pop("line", None)
    return dict(found, turns=findings.facts["turns"], trained=findings.facts["trained"])


def row(seed: random.Random) -> Row:
    """A row of one to thirty tokens; many are broken in one of the ways that rules know."""
    ids = [seed.randrange(3, 700) for _ in range(seed.randrange(1, 30))]
    if seed.random() < 0.7:
        ids[-1] = seed.choice([0, 1, STOP, 3])
    prompt = seed.randrange(len(ids) + 1)
    labels = [-100] * prompt + ids[prompt:]
    mask = [int(label != -100) for label in labels]
    if seed.random() < 0.1:
        labels = labels[1:]
    if seed.random() < 0.1:
        ids[0] = seed.choice([-1, 1 << 20, 1 << 40])
    return {
        "input_ids": ids,
        "labels": labels,
        "loss_mask": mask,
        "attention_mask": [1] * len(ids),
        "text": "ein Wört \u2028",
    }


def lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def array(path: Path, rows: list[Any]) -> Path:
    path.write_text(json.dumps(rows, indent=1), "utf-8")
    return path


@pytest.mark.parametrize(
    ("write", "columns"),
    [(lines, ["labels", "attention_mask"]), (array, ["loss_mask"]), (lines, [])],
)
def test_json_is_read_as_pyarrow_reads_it(
    tmp_path: Path, columns: list[str], write: Callable[[Path, list[Any]], Path]
) -> None:
    """Rows of several batches, in blocks that end anywhere."""
    seed = random.Random(str(columns))
    kept = ["input_ids", *columns, "text"]
    rows = [{name: whole[name] for name in kept} for whole in (row(seed) for _ in range(4500))]
    theirs = told(check(pj.read_json(lines(tmp_path / "rows.jsonl", rows))))
    findings = check(write(tmp_path / "rows.json", rows))
    assert told(findings) == theirs
    assert findings.facts["columns"] == kept[:-1]
    assert told(check(rows)) == theirs


def test_the_findings_do_not_depend_on_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = random.Random(3)
    path = lines(tmp_path / "rows.jsonl", [row(seed) for _ in range(300)])
    path.write_text(path.read_text("utf-8").replace("}\n", "}\n\n{\n", 20), "utf-8")
    whole = check(path).to_dict()
    assert whole["rules"]["invalid-json"]["count"] == 20
    monkeypatch.setattr(files, "BLOCK_BYTES", 700)
    assert check(path).to_dict() == whole


LINES = (
    '{"input_ids": [500, 2]}',
    '{"input_ids": [500, 2], "input_ids": [501, 2]}',
    '{"input_ids": [500,, 2]}',
    '{"input_ids": [NaN, 2]}',
    '{"input_ids": [5e2, 2]}',
    '{"input_ids": [true, 2]}',
    '{"input_ids": [true, false]}',
    '{"input_ids": [500, null]}',
    '{"input_ids": [[500], 2]}',
    '{"input_ids": "500"}',
    '{"input_ids": null}',
    '{"labels": [500, true, 0.5]}',
    '{"labels": [500, null, 0.5]}',
    '{"labels": {"a": 1}}',
    "{}",
    "null",
    "[500, 2]",
    "500",
    "nul",
    "{",
    " ",
    "",
)


def is_list_of_integers(value: Any, *, ids: bool) -> bool:
    """As Arrow has lists: of one type, with nulls; only ids are never floats."""
    if not isinstance(value, list):
        return value is None
    kinds = {type(item) for item in value}
    plain = kinds <= {int, type(None)} or kinds <= {bool, type(None)}
    return plain or (not ids and kinds <= {int, bool, float})


def test_what_is_no_row_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(LINES), "utf-8")
    invalid, odd, rows = [], [], 0
    for number, line in enumerate(LINES, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError:
            invalid.append(number)
            continue
        names = {"input_ids": True, "labels": False}
        fields = value if isinstance(value, dict) else {"input_ids": ""}
        if not all(is_list_of_integers(fields.get(n), ids=ids) for n, ids in names.items()):
            odd.append((rows, number))
        rows += 1
    findings = check(path)
    assert findings.rows == rows
    places = findings.rules["invalid-json"].evidence
    assert [place["line"] for place in places] == invalid
    assert all(place["row"] is None and "column" in place["note"] for place in places)
    places = findings.rules["schema-mismatch"].evidence
    assert [(place["row"], place["line"]) for place in places] == odd


def test_half_a_surrogate_pair_is_named(tmp_path: Path) -> None:
    """pyarrow, and with it `datasets`, cannot read such a file at all."""
    path = tmp_path / "rows.jsonl"
    path.write_text('{"input_ids": [500, 2]}\n{"input_ids": [500, 2], "text": "\\ud800"}\n')
    findings = check(path)
    found = findings.rules["lone-surrogate"]
    assert (findings.rows, found.count, found.evidence[0]["line"]) == (1, 1, 2)


@pytest.mark.parametrize(
    ("text", "rows", "line"),
    [
        ('[{"input_ids": [500, 2]},\n {"input_ids": [500, 2', 1, 2),
        ('[{"input_ids": [500, 2]},\n{"input_ids": [500,]},\n{"input_ids": [500, 2]}]', 2, 2),
        ('[{"input_ids": [500, 2]}\n]]', 1, 2),
    ],
)
def test_rows_before_a_broken_place_of_an_array_are_checked(
    tmp_path: Path, text: str, rows: int, line: int
) -> None:
    path = tmp_path / "rows.json"
    path.write_text(text)
    findings = check(path)
    place = findings.rules["invalid-json"].evidence[0]
    assert (findings.rows, place["line"], place["file"]) == (rows, line, str(path))


def test_inputs_that_hold_the_same_rows_are_named(tmp_path: Path) -> None:
    """Whatever they are stored in; rows are numbered in each."""
    seed = random.Random(5)
    rows = [row(seed) for _ in range(150)]
    rows[120]["labels"] = "none"
    first = lines(tmp_path / "a.jsonl", rows)
    second = tmp_path / "b.parquet"
    good = [{**row, "input_ids": [abs(id_) % 700 for id_ in row["input_ids"]]} for row in rows]
    other = lines(tmp_path / "c.jsonl", good)
    rows[120]["labels"] = [1]
    pq.write_table(pa.Table.from_pylist(rows), second)
    found = check([first, second, other]).rules
    assert [place["note"] for place in found["cache-key-collision"].evidence] == [
        f"{second} holds the rows of {first}"
    ]
    places = found["schema-mismatch"].evidence
    assert [(place["row"], place["file"]) for place in places] == [
        (120, str(first)),
        (120, str(other)),
    ]
