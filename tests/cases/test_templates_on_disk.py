"""Chat templates as they lie on disk: in which files, under which names, and what they lack."""

from __future__ import annotations

import json
import pickle
import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

import jinja2
import pytest
import transformers
from transformers.processing_utils import ProcessorMixin

import tiny_tokenizer
import turnmill
from cases import shapes

DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
ROW = {"messages": [shapes.user("Hi"), shapes.assistant("Hello.")]}
TOOLS = [{"type": "function", "function": {"name": "add", "description": "d", "parameters": {}}}]

NEEDS_TOOLS = (
    "{% for tool in tools %}{{ tool.name }}("
    "{% for name, of in tool.parameter_definitions.items() %}{{ name }}{% endfor %})\n{% endfor %}"
    + CHATML
)
"""As Command-R+'s `tool_use`: tools in the form of OpenAI make it raise."""
NEEDS_DOCUMENTS = "{% for d in documents %}{{ d.title.strip() }}{% endfor %}" + CHATML
WITH_TOOLS = "{% if tools %}Tools: {{ tools | tojson }}\n{% endif %}" + CHATML


def model(directory: Path, **config: Any) -> Path:
    tiny_tokenizer.write(
        directory, ["<|im_start|>", "<|im_end|>"], eos_token="<|im_end|>", **config
    )
    return directory


def text_of(encoded: turnmill.Encoded, directory: Path) -> list[str]:
    ids = encoded.table["input_ids"].to_pylist()
    return [tiny_tokenizer.text(directory, row) for row in ids]


def several(**templates: str) -> list[dict[str, str]]:
    return [{"name": name, "template": source} for name, source in templates.items()]


COHERE = [{"name": "add", "description": "d", "parameter_definitions": {"a": {"type": "int"}}}]


def test_templates_that_no_row_uses_stop_nothing(tmp_path: Path) -> None:
    named = several(default=CHATML, tool_use=NEEDS_TOOLS, rag=NEEDS_DOCUMENTS)
    directory = model(tmp_path / "model", chat_template=named)
    encoder = turnmill.Encoder(turnmill.Recipe(tokenizer=directory, max_rejects=1.0))
    rows = [ROW, {**ROW, "tools": TOOLS}, {**ROW, "tools": []}, {**ROW, "tools": COHERE}]
    encoded = encoder.encode(rows)
    theirs = transformers.AutoTokenizer.from_pretrained(directory)
    read = encoded.table["row"].to_pylist()
    assert read == [0, 2, 3]
    assert text_of(encoded, directory) == [
        theirs.apply_chat_template(
            rows[row]["messages"], tools=rows[row].get("tools"), tokenize=False
        )
        for row in read
    ]
    (reject,) = encoded.rejects.to_pylist()
    assert (reject["row"], reject["code"]) == (1, "template-error")
    with pytest.raises(jinja2.UndefinedError):
        theirs.apply_chat_template(ROW["messages"], tools=TOOLS, tokenize=False)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{{ documents[0].title.strip() }}" + CHATML, "'list object' has no element 0"),
        ("{{ question.strip() }}", "'question' is undefined"),
    ],
)
def test_a_template_for_rows_of_another_kind_says_what_it_lacks(source: str, why: str) -> None:
    recipe = turnmill.Recipe(tokenizer=DEMO, template=source, stop=["<|im_end|>"])
    with pytest.raises(turnmill.TemplateError, match="none of the probe") as raised:
        turnmill.Encoder(recipe)
    assert why in str(raised.value)
    assert "another --template" in (raised.value.hint or "")


def test_the_template_for_tools_is_part_of_the_run(tmp_path: Path) -> None:
    named = several(default=CHATML, tool_use="<tools>" + WITH_TOOLS)
    directory = model(tmp_path / "model", chat_template=named)
    rows, out = [{**ROW, "tools": TOOLS}], tmp_path / "out"
    run = turnmill.prepare(rows, out, turnmill.Recipe(tokenizer=directory))
    served = out / "serving" / "additional_chat_templates" / "tool_use.jinja"
    assert served.read_text("utf-8") == "<tools>" + WITH_TOOLS
    assert run.samples == 1
    plain = turnmill.Recipe(tokenizer=directory, template="default", max_rejects=1.0)
    with pytest.raises(turnmill.TurnmillError, match="other"):
        turnmill.prepare(rows, out, plain)


def test_parity_gives_the_template_of_the_processor(tmp_path: Path) -> None:
    directory = model(tmp_path / "model")
    write(directory, {"legacy"})
    found = turnmill.parity([ROW], tokenizer=directory)
    assert found.ok


@pytest.mark.parametrize("broken", ["{% for", "{{ raise_exception('never') }}"])
def test_rows_that_need_a_broken_template_are_told_the_plain_one(
    tmp_path: Path, broken: str
) -> None:
    named = several(default=WITH_TOOLS, tool_use=broken)
    directory = model(tmp_path / "model", chat_template=named)
    recipe = turnmill.Recipe(tokenizer=directory, max_rejects=1.0)
    rows = [ROW, {**ROW, "tools": TOOLS}]
    assert turnmill.Encoder(recipe).encode(rows).table["row"].to_pylist() == [0]
    plain = turnmill.Encoder(turnmill.Recipe(tokenizer=directory, template="default"))
    encoded = plain.encode(rows)
    assert encoded.table["row"].to_pylist() == [0, 1]
    assert text_of(encoded, directory)[1].startswith('Tools: [{"type": "function"')
    assert turnmill.Template(directory).render(ROW["messages"]).text.startswith("<|im_start|>")


def test_rows_with_tools_get_the_template_that_transformers_takes(tmp_path: Path) -> None:
    named = several(default=CHATML, tool_use="<tools>" + WITH_TOOLS, rag=NEEDS_DOCUMENTS)
    directory = model(tmp_path / "model", chat_template=named)
    rows = [ROW, {**ROW, "tools": TOOLS}]
    encoded = turnmill.Encoder(turnmill.Recipe(tokenizer=directory)).encode(rows)
    theirs = transformers.AutoTokenizer.from_pretrained(directory)
    assert text_of(encoded, directory) == [
        theirs.apply_chat_template(row["messages"], tools=row.get("tools"), tokenize=False)
        for row in rows
    ]


PLACES = {
    "config": "tokenizer_config.json",
    "jinja": "chat_template.jinja",
    "additional": "additional_chat_templates/rag.jinja",
    "legacy": "chat_template.json",
    "processor": "processor_config.json",
}
SUBSETS = [set(found) for n in range(len(PLACES) + 1) for found in combinations(sorted(PLACES), n)]


def write(directory: Path, places: set[str]) -> None:
    """Puts a template of its own into each place."""
    for place in places:
        file = directory / PLACES[place]
        file.parent.mkdir(exist_ok=True)
        source = f"{place}: {CHATML}"
        if file.suffix == ".jinja":
            file.write_text(source, "utf-8")
        else:
            known = json.loads(file.read_text("utf-8")) if file.exists() else {}
            file.write_text(json.dumps({**known, "chat_template": source}), "utf-8")


def chosen_by_transformers(directory: Path) -> str | None:
    """The source that the tokenizer takes, else the one of the processor."""
    own = transformers.AutoTokenizer.from_pretrained(directory).chat_template
    if own is None:
        try:
            own = ProcessorMixin.get_processor_dict(directory)[0].get("chat_template")
        except ValueError:  # chat_template.json and other files at once
            own = None
    if isinstance(own, dict):
        own = own.get("default")
    return own


@pytest.mark.parametrize("places", SUBSETS, ids=lambda places: "+".join(sorted(places)) or "none")
def test_the_file_that_counts_is_the_one_of_transformers(tmp_path: Path, places: set[str]) -> None:
    directory = model(tmp_path / "model")
    write(directory, places)
    expected = chosen_by_transformers(directory)
    if expected is None:
        with pytest.raises(turnmill.TemplateError) as raised:
            turnmill.Template(directory)
        assert raised.value.hint
        return
    assert turnmill.Template(directory).source == expected
    encoder = turnmill.Encoder(turnmill.Recipe(tokenizer=directory))
    assert encoder._session.facts()["template"]["source"] == expected


def test_another_template_of_the_processor_is_named(tmp_path: Path) -> None:
    directory = model(tmp_path / "model")
    write(directory, {"config", "legacy"})
    encoder = turnmill.Encoder(turnmill.Recipe(tokenizer=directory))
    (note,) = [note for note in encoder._session.facts()["notes"] if "AutoProcessor" in note]
    flag = note.partition("--template ")[2].partition(" ")[0]
    assert turnmill.Template(flag).source == f"legacy: {CHATML}"
    same = {"chat_template": f"config: {CHATML}"}
    (directory / "chat_template.json").write_text(json.dumps(same), "utf-8")
    encoder = turnmill.Encoder(turnmill.Recipe(tokenizer=directory))
    assert "AutoProcessor" not in " ".join(encoder._session.facts()["notes"])


def test_a_broken_file_of_the_processor_matters_only_where_it_is_needed(tmp_path: Path) -> None:
    directory = model(tmp_path / "model")
    (directory / "chat_template.json").write_text("{", "utf-8")
    with pytest.raises(
        turnmill.TokenizerError, match=r"chat_template\.json is not a JSON"
    ) as raised:
        turnmill.Tokenizer(directory)
    assert raised.value.hint
    write(directory, {"jinja"})
    turnmill.Tokenizer(directory)


JSON: dict[str, Any] = {
    "chat_template.json": {"chat_template": CHATML},
    "processor_config.json": {"processor_class": "X", "chat_template": CHATML},
    "tokenizer_config.json": {"eos_token": "</s>", "chat_template": several(default=CHATML)},
    "a string.json": CHATML,
    "named.json": {"chat_template": {"default": CHATML, "tool_use": WITH_TOOLS}},
}


@pytest.mark.parametrize("name", JSON)
def test_the_template_inside_json_is_taken(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text(json.dumps(JSON[name]), "utf-8")
    given = [str(file)] if name == "a string.json" else [str(file), file.read_text("utf-8")]
    for template in given:
        assert turnmill.Template(template).source == CHATML
        recipe = turnmill.Recipe(tokenizer=DEMO, template=template, stop=["<|im_end|>"])
        encoded = turnmill.Encoder(recipe).encode([ROW])
        plain = turnmill.Recipe(tokenizer=DEMO, template=CHATML, stop=["<|im_end|>"])
        meant = turnmill.Encoder(plain).encode([ROW])
        assert encoded.table["input_ids"].to_pylist() == meant.table["input_ids"].to_pylist()


def test_a_pickled_encoder_takes_its_json_along(tmp_path: Path) -> None:
    directory = model(tmp_path / "model")
    write(directory, {"legacy"})
    encoder = turnmill.Encoder(turnmill.Recipe(tokenizer=directory), embed=True)
    stored = pickle.dumps(encoder)
    shutil.rmtree(directory)
    again = pickle.loads(stored)
    assert again.encode([ROW]).table.num_rows == 1


FOREIGN = {
    "model-Q4.gguf": (b"GGUF\x03\x00\x00\x00\xff", "GGUF"),
    "config.json": (b'{"model_type": "qwen3"}', "holds no chat template"),
    "latin.jinja": ("{{ 'é' }}".encode("latin-1"), "not UTF-8"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_without_a_template_is_named_as_what_it_is(tmp_path: Path, name: str) -> None:
    content, named = FOREIGN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(turnmill.TemplateError, match=named) as raised:
        turnmill.Template(tmp_path / name)
    assert raised.value.hint
    assert raised.value.path == str(tmp_path / name)
