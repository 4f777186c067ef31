"""An output knows its tokenizer by its content: it may move, and another one is noticed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import turnmill
from file_hashes import hashes
from turnmill import Recipe, RecipeError, TokenizerError, prepare, show

ROWS = [{"text": "to be or not to be"}, {"text": "that is the question"}]


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(Path(turnmill.__file__).parent / "demo" / "tokenizer", "before")


def test_a_tokenizer_and_a_template_that_were_moved_are_the_same_recipe() -> None:
    Path("before.jinja").write_text(Path("before/chat_template.jinja").read_text())
    prepare(ROWS, "out", Recipe(tokenizer="before", template="before.jinja"))
    Path("before").rename("after")
    Path("before.jinja").rename("after.jinja")
    before = hashes("out")
    run_ = prepare(ROWS, "out", Recipe(tokenizer="after", template="after.jinja"))
    assert run_.shards_reused == 1
    after = hashes("out")
    records = {".turnmill/plan.json", "turnmill.json", "state.json", "manifest.json"}
    assert {name for name in before if after[name] != before[name]} == records
    Path("after.jinja").write_text(Path("after.jinja").read_text() + "{# changed #}")
    with pytest.raises(RecipeError, match=r"facts\.template\.(hash|source)"):
        prepare(ROWS, "out", Recipe(tokenizer="after", template="after.jinja"))


def test_show_refuses_a_tokenizer_that_is_not_the_outputs() -> None:
    prepare(ROWS, "out", Recipe(tokenizer="before"))
    template = Path("before/chat_template.jinja")
    template.write_text(template.read_text() + "{# changed #}")
    shown = str(show("out", n=1))  # the text of the tokens is what it was
    Path("before").rename("after")
    with pytest.raises(TokenizerError, match="is not where it was") as raised:
        show("out")
    assert raised.value.path == "before"
    assert "--tokenizer DIR" in (raised.value.hint or "")
    assert str(show("out", n=1, tokenizer="after")) == shown
    file = Path("after/tokenizer.json")
    definition = json.loads(file.read_text("utf-8"))
    vocabulary = definition["model"]["vocab"]
    one, other = list(vocabulary)[300:302]
    vocabulary[one], vocabulary[other] = vocabulary[other], vocabulary[one]
    file.write_text(json.dumps(definition), "utf-8")
    with pytest.raises(TokenizerError, match="is not the one the output was written with"):
        show("out", tokenizer="after")
    Path("after").rename("before")
    with pytest.raises(TokenizerError, match="has changed since the output was written") as raised:
        show("out")
    assert raised.value.code == "tokenizer-changed"
