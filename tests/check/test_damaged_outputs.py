"""Outputs of turnmill whose files were damaged, edited or removed after the run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

import turnmill
from turnmill.errors import DataError

DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"
ROWS = [
    {"messages": [{"role": "user", "content": f"Hi {n}"}, {"role": "assistant", "content": "Ho"}]}
    for n in range(50)
]


@pytest.fixture(params=["arrow", "parquet"])
def output(request, tmp_path):
    recipe = turnmill.Recipe(tokenizer=DEMO, format=request.param)
    turnmill.prepare(ROWS, tmp_path / "out", recipe)
    return tmp_path / "out"


def assert_damaged(output: Path, file: Path) -> None:
    with pytest.raises(DataError, match="damaged") as raised:
        turnmill.check(output)
    assert raised.value.path == str(file)
    assert "--overwrite" in raised.value.hint


@pytest.mark.parametrize("size", [0, 100, -300, -1])
def test_a_data_file_that_was_cut(output, size):
    (data,) = output.glob("data-*")
    whole = data.read_bytes()
    data.write_bytes(whole[:size])
    assert_damaged(output, data)
    recipe = turnmill.Recipe(tokenizer=DEMO, format=data.suffix[1:], overwrite=True)
    turnmill.prepare(ROWS, output, recipe)
    assert data.read_bytes() == whole


def test_a_data_file_that_is_none(output):
    (data,) = output.glob("data-*")
    data.write_text("no data")
    assert_damaged(output, data)


@pytest.mark.parametrize("text", ["{}", "[]", '{"shards": 1}'])
def test_a_run_record_that_names_no_shards(output, text):
    (output / "turnmill.json").write_text(text)
    assert_damaged(output, output / "turnmill.json")


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
def test_a_tokenized_file_of_another_tool_that_was_cut(tmp_path, kind):
    import pyarrow.parquet as pq

    path = tmp_path / f"rows.{kind}"
    table = pa.table({"input_ids": [[500, 2]] * 1000, "labels": [[-100, 2]] * 1000})
    if kind == "parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(DataError, match="ends too early or is damaged") as raised:
        turnmill.check(path, tokenizer=DEMO)
    assert (raised.value.code, raised.value.path) == ("broken-input", str(path))
    assert "--overwrite" not in raised.value.hint


def edit_stops(serving: Path) -> None:
    (serving / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, {}]}))


def edit_template(serving: Path) -> None:
    file = serving / "chat_template.jinja"
    file.write_text(file.read_text() + " ")


STOPS, TEMPLATE = "serving/generation_config.json", "serving/chat_template.jinja"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            edit_stops,
            {"wrong-terminator": ["generation_config.json stops on"], "stale-cache": [STOPS]},
        ),
        (
            edit_template,
            {"prompt-parity": ["chat_template.jinja is not"], "stale-cache": [TEMPLATE]},
        ),
    ],
)
def test_serving_files_that_are_not_those_of_the_run(tmp_path, change, told):
    output = tmp_path / "out"
    turnmill.prepare(ROWS, output, turnmill.Recipe(tokenizer=DEMO))
    assert turnmill.check(output).ok
    change(output / "serving")
    findings = turnmill.check(output)
    assert not findings.ok
    assert set(errors_of(findings)) == set(told)
    for rule, notes in told.items():
        for note, expected in zip(errors_of(findings)[rule], notes, strict=True):
            assert expected in note


def errors_of(findings):
    errors = {name: rule for name, rule in findings.rules.items() if rule.severity == "error"}
    return {name: [at["note"] for at in rule.evidence] for name, rule in errors.items()}


def test_serving_files_that_are_gone(tmp_path):
    output = tmp_path / "out"
    turnmill.prepare(ROWS, output, turnmill.Recipe(tokenizer=DEMO))
    shutil.rmtree(output / "serving")
    findings = turnmill.check(output)
    assert not findings.ok
    told = errors_of(findings)
    assert list(told) == ["broken-input"]
    names = ["Modelfile", "README.md", "chat_template.jinja", "generation_config.json"]
    for note, name in zip(told["broken-input"], names, strict=True):
        assert f"serving/{name} is missing" in note
