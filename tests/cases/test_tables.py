"""CSV and TSV are read as Python's `csv` and `datasets` read them, with every cell as text."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import datasets
import pytest

import turnmill
from cases import shapes
from turnmill.errors import DataError
from turnmill.inputs import table
from turnmill.inputs.files import InputPart
from turnmill.inputs.find import find_inputs
from turnmill.inputs.kind import read_kind

DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"
RECIPE: dict[str, Any] = {"tokenizer": DEMO, "template": "qwen3", "stop": ["<|im_end|>"]}
ODD = [
    ["007", "1.50"],
    ['he said "yes", twice', "a\nb\r\n\r\nc"],
    ["naïve 日本 🙂", "\ttab, and \\ backslash\\"],
    ["'single'", '"'],
    ["NA", "null"],
    [" spaces ", "=1+1"],
    ["true", "#no comment"],
]


def rows_of(path: Path) -> list[dict[str, Any]]:
    file = read_kind(str(path))
    return [row for batch, _ in file.batches(InputPart()) for row in batch.to_pylist()]


def write(path: Path, rows: list[list[str]], names: tuple[str, ...] = ("prompt", "output")) -> Path:
    delimiter = "\t" if path.suffix == ".tsv" else ","
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([list(names), *rows])
    return path


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_odd_cells_are_read_as_they_were_written(suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"rows.{suffix}", ODD)
    delimiter = "\t" if suffix == "tsv" else ","
    with path.open(encoding="utf-8", newline="") as file:
        assert rows_of(path) == list(csv.DictReader(file, delimiter=delimiter))
    theirs = datasets.load_dataset(
        "csv",
        data_files=str(path),
        sep=delimiter,
        keep_default_na=False,
        na_values=[""],
        features=datasets.Features(dict.fromkeys(("prompt", "output"), datasets.Value("string"))),
        cache_dir=str(tmp_path / "cache"),
    )
    assert rows_of(path) == list(theirs["train"])


def test_an_empty_cell_is_null(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('instruction,input,output\nHi,,"Hello"\n\nHi,"",Yes')
    assert [row["input"] for row in rows_of(path)] == [None, None]
    run = turnmill.prepare(path, tmp_path / "out", turnmill.Recipe(**RECIPE))
    assert (run.rows, run.rejected) == (2, {})


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32-le"])
def test_a_table_may_be_compressed_and_of_another_encoding(
    compression: str, encoding: str, tmp_path: Path
) -> None:
    compress = {"": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
    path = tmp_path / f"rows.csv.{compression}".rstrip(".")
    path.write_bytes(compress[compression]("instruction,output\r\né,ü\r\n".encode(encoding)))
    assert rows_of(path) == [{"instruction": "é", "output": "ü"}]


def test_messages_are_json_text(tmp_path: Path) -> None:
    messages = [shapes.user('He said "a,\nb"'), shapes.assistant()]
    path = write(tmp_path / "rows.csv", [[json.dumps(messages)]], ("messages",))
    theirs = turnmill.prepare([{"messages": messages}], tmp_path / "its", turnmill.Recipe(**RECIPE))
    run = turnmill.prepare(path, tmp_path / "out", turnmill.Recipe(**RECIPE))
    assert run.totals.tally.tokens == theirs.totals.tally.tokens


def test_places_are_rows(tmp_path: Path) -> None:
    rows = [["a\nb", "one"], ["c", ""], ["d\n\n", "three"]]
    path = write(tmp_path / "rows.csv", rows, ("instruction", "output"))
    run = turnmill.prepare(path, tmp_path / "out", turnmill.Recipe(**RECIPE))
    assert run.rejected == {"null-content": 1}
    shown = str(turnmill.show(path, turnmill.Recipe(**RECIPE), source="rows.csv:2"))
    # A long path is on a line of its own.
    assert re.match(rf"── row 2(?: ·|\n  ) {re.escape(str(path))}", shown)
    assert "three" in shown
    assert "three" in str(turnmill.show(tmp_path / "out", source="rows.csv:2"))


BROKEN: dict[str, tuple[bytes, str, int | None]] = {
    "too many": (b'a,b\n1,"2\n\n2"\n\n1,2,3\n', "the row has 3 cells, and the header .* 2", 1),
    "too few": (b"a,b\n1,2\n3,4\n1\n", "the row has 1 cell,", 2),
    "not UTF-8": (b"a,b\n1,2\n1,caf\xe9\n", "the row of the table is not UTF-8", 1),
    "open quotes": (b'a,b\n1,2\n1,"2\n3,4\n', "quotes are opened in the row and not closed", 1),
    "text after quotes": (b'a,b\n1,2\n1,"2" 3\n', "',' expected after '\"'", 1),
    "not UTF-8, header": (b"a,caf\xe9\n1,2\n", "the header of the table is not UTF-8", None),
    "twins": (b"a,a\n1,2\n", "two columns .* 'a'", None),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_damaged_table_is_refused_with_its_row(what: str, tmp_path: Path) -> None:
    content, message, row = BROKEN[what]
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        rows_of(path)
    assert (caught.value.path, caught.value.row, caught.value.code) == (
        str(path),
        row,
        "broken-input",
    )


def test_quotes_that_are_never_closed_do_not_take_all_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "CELL_CHARACTERS", 1000)
    path = write(tmp_path / "rows.csv", [["1", "2"]])
    path.write_bytes(path.read_bytes() + b'1,"' + b"2" * 2000)
    before = csv.field_size_limit()
    with pytest.raises(DataError, match="quotes are opened") as caught:
        rows_of(path)
    assert caught.value.row == 1
    assert csv.field_size_limit() == before


def test_a_cell_may_be_longer_than_pythons_own_limit(tmp_path: Path) -> None:
    long = "x" * (csv.field_size_limit() + 1)
    assert rows_of(write(tmp_path / "rows.csv", [["a", long]])) == [{"prompt": "a", "output": long}]


EARLY = """
import sys
from turnmill.inputs.files import InputPart
from turnmill.inputs.kind import read_kind
for _ in read_kind(sys.argv[1]).batches(InputPart()):
    sys.exit("enough")
"""


@pytest.mark.slow
def test_a_process_that_ends_amid_a_table_ends_well(tmp_path: Path) -> None:
    # A reader with threads that call back into Python aborted in one of eight such runs.
    path = write(tmp_path / "rows.csv", [["a", "b" * 1000]] * 20_000)
    command = [sys.executable, "-c", EARLY, str(path)]
    for _ in range(3):
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (run.returncode, run.stderr) == (1, "enough\n")


@pytest.mark.parametrize("text", ['a,b\n1,"2\n"', 'a,b\n1,"2\n"\n', 'a,b\n1,"2\n""x"""\n'])
def test_closed_quotes_at_the_end_are_no_damage(text: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(text)
    with path.open(newline="") as file:
        assert rows_of(path) == list(csv.DictReader(file))


def test_json_in_a_file_that_is_called_csv_stays_json(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('{"text": "a"}\n')
    assert read_kind(str(path)).format == "lines"


def test_the_index_of_pandas_has_the_name_that_datasets_gives_it(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", [["0", "a"]], ("", "text"))
    assert rows_of(path) == [{"Unnamed: 0": "0", "text": "a"}]


def test_tables_in_directories_are_data(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("text\na\n")
    (tmp_path / "train.tsv").write_text("text\na\n")
    found = find_inputs(tmp_path, "train")
    assert [(Path(file.name).name, file.format) for file in found] == [("train.tsv", "tsv")]


def test_a_table_takes_constant_memory(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        path = write(tmp_path / "rows.csv", [["a" * 1000, "b"]] * count)
        tracemalloc.start()
        for _ in read_kind(str(path)).batches(InputPart()):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(12_000) < 1.1 * peak(6_000)
