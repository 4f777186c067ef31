"""Inputs that say of themselves what schema, fields and roles they have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import turnmill
from turnmill.cli import main

TOKENIZER = Path(turnmill.__file__).parent / "demo" / "tokenizer"
TALK = [{"who": "client", "says": "Hi."}, {"who": "adviser", "says": "Hello."}]
DIALOGS = turnmill.Input(
    "dialogs.jsonl",
    schema="messages",
    fields={"dialog": "messages", "who": "role", "says": "content"},
    roles={"client": "user", "adviser": "assistant"},
)
PLAIN = {"messages": [{"role": "user", "content": "Hi."}, {"role": "bot", "content": "Hello."}]}


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines: dict[str, list[Any]] = {
        "dialogs.jsonl": [{"dialog": TALK}] * 3,
        "plain.jsonl": [PLAIN] * 2,
        "both.jsonl": [{"text": "a", "instruction": "b", "output": "c"}],
    }
    for name, rows in lines.items():
        Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def recipe(**keys: Any) -> turnmill.Recipe:
    return turnmill.Recipe(tokenizer=TOKENIZER, roles={"bot": "assistant"}, **keys)


def test_each_input_is_read_its_own_way() -> None:
    inputs = [DIALOGS, "plain.jsonl", turnmill.Input("both.jsonl", schema="text")]
    run = turnmill.prepare(inputs, "out", recipe())
    assert (run.rows, run.samples) == (6, 6)
    read = json.loads(Path("out/turnmill.json").read_text())["inputs"]
    assert [item["schema"] for item in read] == ["messages", "messages", "text"]
    assert read[0]["roles"] == {"adviser": "assistant", "client": "user"}
    assert read[0]["fields"]["dialog"] == "messages"
    assert "roles" not in read[1]
    assert "read as  messages: 2 inputs\n         text: both.jsonl\n" in str(run)


def test_the_samples_are_those_of_the_same_rows_in_plain_words() -> None:
    odd = turnmill.Encoder(recipe()).encode(DIALOGS).table
    plain = turnmill.Encoder(recipe()).encode([PLAIN] * 3).table
    assert odd.equals(plain)
    in_memory = turnmill.Input(
        pa.Table.from_pylist([{"dialog": TALK}] * 3), DIALOGS.schema, DIALOGS.fields, DIALOGS.roles
    )
    assert turnmill.Encoder(recipe()).encode(in_memory).table.equals(plain)
    (shown,) = turnmill.show(DIALOGS, recipe=recipe(), row=2)
    assert shown.reject is None


def test_a_run_notices_that_an_input_is_read_otherwise() -> None:
    turnmill.prepare([DIALOGS, "plain.jsonl"], "out", recipe())
    other = turnmill.Input(DIALOGS.path, DIALOGS.schema, DIALOGS.fields, {"client": "system"})
    with pytest.raises(turnmill.DataError, match="3 of 5 rows were rejected"):
        turnmill.prepare([other, "plain.jsonl"], "out", recipe())
    again = turnmill.prepare([DIALOGS, "plain.jsonl"], "out", recipe())
    assert again.samples == 5


def test_a_recipe_in_toml(capsys: pytest.CaptureFixture[str]) -> None:
    Path("recipe.toml").write_text(
        f"tokenizer = {str(TOKENIZER)!r}\n"
        "[[inputs]]\npath = 'both.jsonl'\nschema = 'alpaca'\n"
        "[[inputs]]\npath = 'plain.jsonl'\nroles = { bot = 'assistant' }\n"
    )
    words = ["prepare", "--recipe", "recipe.toml", "-o", "out", "-q", "--json"]
    assert main(words) == 0
    inputs = json.loads(capsys.readouterr().out)["inputs"]
    assert [item["schema"] for item in inputs] == ["alpaca", "messages"]


def test_an_ambiguous_file_says_which_flag_and_which_key(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["prepare", "both.jsonl", "plain.jsonl", "-o", "out", "--tokenizer", str(TOKENIZER)]
    assert main(words) == 1
    assert capsys.readouterr().err == (
        "error: the schema is ambiguous: of 1 rows 1 fit `alpaca`, 1 fit `text`\n"
        "  at both.jsonl\n"
        "hint: choose: --schema alpaca or --schema text; `schema` under [[inputs]] of a recipe "
        "is for one file alone\n"
    )


def test_what_an_input_cannot_say() -> None:
    with pytest.raises(turnmill.RecipeError, match='cannot be "odd"'):
        turnmill.Input("a.jsonl", schema="odd")
    with pytest.raises(turnmill.RecipeError, match="`weight` cannot be 2"):
        turnmill.Input.from_dict({"path": "a.jsonl", "weight": 2})
