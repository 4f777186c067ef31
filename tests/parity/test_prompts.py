"""``train_on = none``: prompts as a server makes them, and segments as tokenizers encodes them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest
from transformers.utils.chat_template_utils import render_jinja_template

import fixtures
import turnmill
from conversations import CONVERSATIONS, TOOLS, assistant, call, system, user
from oracle import NOW, Reference, frozen_clock
from small_rows import TOKENIZER
from turnmill.cli import main

MODELS = fixtures.both(*fixtures.STOPS)
READING = {"null-content", "non-string-content", "unknown-role"}
"""Rules by which rows are rejected before they are rendered."""
Row = dict[str, Any]


def theirs(reference: Reference, template: str, row: Row) -> str | None:
    """The prompt that transformers renders; None where the template refuses."""
    messages = copy.deepcopy(row["messages"])
    if messages[-1]["role"] == "assistant":
        messages.pop()
    try:
        with frozen_clock():
            texts, _ = render_jinja_template(
                [messages],
                tools=row.get("tools"),
                chat_template=template,
                add_generation_prompt=True,
                **reference.tokens,
            )
    except Exception:  # noqa: BLE001 - templates raise anything
        return None
    return str(texts[0])


def rows() -> list[Row]:
    """Every conversation, whole and up to each of its other messages; some with tools."""
    found: list[Row] = []
    for messages in CONVERSATIONS.values():
        kept = [{k: v for k, v in message.items() if v is not None} for message in messages]
        starts = (kept[:end] for end in range(1, len(kept) + 1))
        found += [
            {"messages": start}
            for start in starts
            if all("role" in message for message in start)
            and any(message["role"] != "assistant" for message in start)
        ]
    return found + [{**row, "tools": TOOLS} for row in found[::7]]


def compare(model: str, template: str | None = None) -> int:
    """Compares the prompts of one model and template; returns how many are equal."""
    directory = fixtures.tokenizer_dir(model)
    reference = Reference(directory, template)
    recipe = turnmill.Recipe(
        tokenizer=directory,
        template=template,
        stop=fixtures.stops(model),
        train_on="none",
        special_in_content="parse",
        wire="keep",
        now=NOW,
        max_rejects=1,
    )
    data = rows()
    encoded = turnmill.Encoder(recipe).encode(data)
    made = {row["row"]: row for row in encoded.table.to_pylist()}
    rejected = dict(
        zip(*(encoded.rejects[name].to_pylist() for name in ("row", "code")), strict=True)
    )
    equal = 0
    for number, row in enumerate(data):
        if rejected.get(number) in READING:
            continue
        text = theirs(reference, reference.template, row)
        if text is None:
            assert rejected[number] == "template-error", row
            continue
        assert number in made, (row, rejected.get(number))
        found = made[number]
        assert found["prompt"] == text
        assert found["input_ids"] == reference.encode([text])[0]
        assert set(found["labels"]) <= {-100}
        assert len(found["labels"]) == len(found["attention_mask"]) == found["length"]
        equal += 1
    return equal


@pytest.mark.parametrize("model", MODELS)
def test_prompts_of_models_are_those_of_transformers(model: str) -> None:
    assert compare(model) > 40


@pytest.mark.slow
@pytest.mark.parametrize("name", fixtures.built_in_templates())
def test_prompts_of_templates_are_those_of_transformers(name: str) -> None:
    assert compare("small-llama-3.2-instruct", fixtures.template_text(name)) > 20


def encode(*found: Row, **keys: Any) -> turnmill.Encoded:
    recipe = turnmill.Recipe(**{"tokenizer": TOKENIZER, "train_on": "none", **keys})
    return turnmill.Encoder(recipe).encode(list(found))


def test_the_answer_is_the_reference() -> None:
    calls = [call("search", {"query": "a"})]
    found = encode(
        {"messages": [user("Hi"), assistant("Hello.")]},
        {"messages": [user("Hi")]},
        {"messages": [user("Hi"), assistant("Hello."), user("Well?")]},
        {"messages": [user("Hi"), assistant("", tool_calls=calls)], "tools": TOOLS},
        {"messages": [user("Hi"), assistant("So.", reasoning_content="Hm.")]},
        {"messages": [user("Hi"), assistant("")]},
    )
    references = found.table["reference"].to_pylist()
    assert references[:3] == ["Hello.", None, None]
    assert json.loads(references[3])["tool_calls"][0]["function"]["name"] == "search"
    assert json.loads(references[4])["reasoning_content"] == "Hm."
    assert references[5] == ""
    prompts = found.table["prompt"].to_pylist()
    assert prompts[0] == prompts[1] == prompts[5]
    assert prompts[2].endswith("Well?<|im_end|>\n<|im_start|>assistant\n")


def test_a_row_without_a_prompt_is_refused() -> None:
    found = encode(
        {"messages": [user("Hi")]}, {"messages": [assistant("Hello.")]}, {"messages": []}
    )
    assert found.rejects["code"].to_pylist() == ["no-prompt", "no-prompt"]


def test_prompts_that_are_strings() -> None:
    rows_ = [{"prompt": "Say it:", "completion": " it"}, {"prompt": "Say:", "completion": ""}]
    found = encode(*rows_)
    assert found.table["prompt"].to_pylist() == ["Say it:", "Say:"]
    assert found.table["reference"].to_pylist() == [" it", None]
    model = fixtures.tokenizer_dir("small-llama-3.2-instruct")
    found = encode(*rows_, tokenizer=model, stop=fixtures.stops("small-llama-3.2-instruct"))
    plain = turnmill.Tokenizer(model).encode("Say it:").tolist()
    begin = fixtures.token_id("small-llama-3.2-instruct", "<|begin_of_text|>")
    assert found.table["input_ids"].to_pylist()[0] == [begin, *plain]


@pytest.mark.parametrize(
    ("row", "prompt"),
    [
        ({"prompt": [user("Hi")]}, None),
        ({"prompt": [user("Hi")], "answer": "72"}, None),
        ({"prompt": [user("Hi"), assistant("Yo"), user("Well?")]}, None),
        ({"prompt": "Say it:"}, "Say it:"),
    ],
)
def test_rows_of_prompts_alone(row: Row, prompt: str | None) -> None:
    """As data sets for GRPO are: no answer, or one under another name."""
    [found] = encode(row).table.to_pylist()
    expected = prompt
    if prompt is None:
        [same] = encode({"messages": row["prompt"]}).table.to_pylist()
        expected = same["prompt"]
    assert (found["prompt"], found["reference"]) == (expected, None)
    with pytest.raises(turnmill.DataError, match="fit no schema"):
        encode(row, train_on="assistant")


def test_an_instruction_without_an_answer() -> None:
    row = {"instruction": "Add.", "input": "2+3"}
    [found] = encode(row, schema="alpaca").table.to_pylist()
    assert "Add.\n2+3" in found["prompt"]
    assert found["reference"] is None


@pytest.mark.parametrize(
    "row",
    [
        {"text": "A document."},
        {"prompt": "p", "chosen": "a", "rejected": "b"},
        {"prompt": "p", "completion": "c", "label": True},
        {"segments": [{"label": True, "text": "a<|im_end|>"}]},
    ],
)
def test_rows_that_are_no_prompts(row: Row) -> None:
    with pytest.raises(turnmill.RecipeError, match="do not become prompts"):
        encode(row)


def test_no_stop_token_is_asked_for() -> None:
    """A template whose turns end in what the server does not stop on makes prompts all the same."""
    rows_ = [{"messages": [user("Hi"), assistant("Hello.")]}]
    keys = {"stop": ["<|endoftext|>"]}
    with pytest.raises(turnmill.RecipeError):
        encode(*rows_, train_on="assistant", **keys)
    assert encode(*rows_, **keys).table.num_rows == 1


def test_long_prompts_lose_their_start_or_are_refused() -> None:
    messages = [system("Be good."), user("one"), assistant("two"), user("three"), assistant("four")]
    [whole] = encode({"messages": messages}).table.to_pylist()
    keys = {"max_length": whole["length"] - 1}
    assert encode({"messages": messages}, **keys).rejects["code"].to_pylist() == ["overlong-sample"]
    [cut] = encode({"messages": messages}, over_length="oldest-turns", **keys).table.to_pylist()
    assert "one" not in cut["prompt"]
    assert "three" in cut["prompt"]
    assert "Be good." in cut["prompt"]
    assert cut["reference"] == "four"


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["prompt"], ["prompt"]),
        (["input_ids", "labels", "reference"], ["input_ids", "labels", "reference"]),
    ],
)
def test_columns_of_prompts(columns: list[str], expected: list[str]) -> None:
    found = encode({"messages": [user("Hi"), assistant("Yo")]}, columns=columns)
    assert found.table.column_names == ["row", "sample", *expected]


def test_columns_of_prompts_are_not_those_of_samples() -> None:
    with pytest.raises(turnmill.RecipeError, match="is one sample"):
        encode(
            {"messages": [user("Hi"), assistant("Yo")]}, train_on="assistant", columns=["prompt"]
        )


@pytest.fixture
def prompts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Path:
    """An output of prompts, with what the run said beside it."""
    monkeypatch.chdir(tmp_path)
    data = [{"messages": [user(f"What is {n}?"), assistant(f"It is {n}.")]} for n in range(30)]
    data.append({"messages": [user("And now?")]})
    Path("a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in data), "utf-8")
    words = ["prepare", "a.jsonl", "-o", "out", "--tokenizer", str(TOKENIZER), "--train-on", "none"]
    assert main(words) == 0
    Path("said").write_text(capsys.readouterr().err, "utf-8")
    return tmp_path / "out"


def test_a_run_says_what_prompts_are_for(prompts: Path) -> None:
    said = (prompts.parent / "said").read_text("utf-8")
    assert "all 31 rows are written, as prompts that the model is to answer" in said
    assert "trained" not in said
    assert "next: vLLM: llm.generate(" in said
    assert "next: TRL GRPOTrainer, verl: turnmill export out --to messages" in said
    data = datasets.load_from_disk(str(prompts))
    assert data.column_names == [
        *("input_ids", "labels", "attention_mask", "length", "prompt", "reference")
    ]


def test_a_check_of_prompts_finds_nothing_wrong_and_sees_damage(
    prompts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["check", "out"]) == 0, capsys.readouterr()
    said = capsys.readouterr().out
    assert said.startswith("ok: ")
    assert "31" in said
    Path("a.jsonl").write_text(Path("a.jsonl").read_text().replace("What is 7?", "Who is 7?"))
    found = turnmill.check("out")
    assert any("a.jsonl" in note for note in found.facts["notes"]), found
    [data] = prompts.glob("data-*")
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)
    assert main(["check", "out"]) == 1


def test_raw_rows_are_checked_as_prompts() -> None:
    found = turnmill.check(
        [{"messages": [user("Hi")]}, {"messages": [assistant("x")]}],
        tokenizer=TOKENIZER,
        train_on="none",
    )
    assert set(found.rules) == {"no-prompt"}


def test_prompts_are_exported_under_the_names_of_trl_and_verl(prompts: Path) -> None:
    made = turnmill.export("out", "messages", to="messages")
    assert [step.trainer for step in made.next_steps] == ["verl", "TRL GRPOTrainer"]
    table = pq.read_table(next(Path("messages").glob("*.parquet"))).to_pylist()
    written = datasets.load_from_disk(str(prompts)).to_list()
    assert len(table) == len(written) == 31
    for row, sample in zip(table, written, strict=True):
        assert row["reference"] == sample["reference"]
        truth = row["reward_model"] and row["reward_model"]["ground_truth"]
        assert truth == row["reference"]
        assert row["data_source"] == "a.jsonl"
        [again] = encode({"messages": row["prompt"]}).table.to_pylist()
        assert again["input_ids"] == sample["input_ids"]


@pytest.mark.usefixtures("prompts")
@pytest.mark.parametrize("to", ["trl", "axolotl", "llama-factory", "megatron", "llm-foundry"])
def test_prompts_are_not_exported_to_be_trained_on(to: str) -> None:
    with pytest.raises(turnmill.DataError, match="nothing is trained of prompts") as raised:
        turnmill.export("out", "exported", to=to)
    assert "--to messages" in str(raised.value.hint)
    assert not Path("exported").exists()


def test_prompts_are_not_packed(prompts: Path) -> None:
    with pytest.raises(turnmill.DataError, match="prompts cannot be packed"):
        turnmill.pack(prompts, 4096)
    with pytest.raises(turnmill.RecipeError, match="prompts cannot be packed"):
        turnmill.prepare("a.jsonl", "x", tokenizer=TOKENIZER, train_on="none", max_length=9, pack=9)


@pytest.mark.parametrize("keys", [{"shuffle": True, "validation": 0.2}, {"dedup": "exact"}])
def test_prompts_make_a_set_too(prompts: Path, keys: dict[str, Any]) -> None:
    run = turnmill.prepare("a.jsonl", "set", tokenizer=TOKENIZER, train_on="none", **keys)
    assert run.samples == 31
    data: Any = datasets.load_from_disk("set")
    sets = data.values() if isinstance(data, datasets.DatasetDict) else [data]
    found = {row["prompt"]: row["reference"] for some in sets for row in some}
    plain = datasets.load_from_disk(str(prompts)).to_list()
    assert found == {row["prompt"]: row["reference"] for row in plain}


SEGMENTS = [
    "<|im_start|>user\nHi",
    "<|im_end|>\n",
    "  two  spaces ",
    "",
    "é🌍",
    "<|im_end|>",
    "a b",
]


@pytest.mark.parametrize("model", MODELS)
def test_segments_have_the_ids_of_each_text_alone(model: str) -> None:
    directory = fixtures.tokenizer_dir(model)
    reference = Reference(directory)
    stop = fixtures.stops(model)
    end = reference.tokenizer.id_to_token(stop[0])
    texts = [*SEGMENTS, end, "tail"]
    parts = [{"label": number % 2 == 0, "text": text} for number, text in enumerate(texts)]
    parts[-2]["label"], parts[-1]["label"] = True, False
    encoder = turnmill.Encoder(turnmill.Recipe(tokenizer=directory, stop=stop, schema="segments"))
    encoded = encoder.encode([{"segments": parts}])
    assert encoded.rejects.num_rows == 0, encoded.rejects.to_pylist()
    [row] = encoded.table.to_pylist()
    ids, labels = [], []
    for part, own in zip(parts, reference.encode(texts), strict=True):
        ids += own
        labels += own if part["label"] else [-100] * len(own)
    assert row["input_ids"] == ids
    assert row["labels"] == labels


@pytest.mark.parametrize(
    ("segments", "code"),
    [
        ([{"label": True, "text": "Hello."}], "missing-terminator"),
        (
            [{"label": True, "text": "Hello."}, {"label": False, "text": "<|im_end|>"}],
            "missing-terminator",
        ),
        ([{"label": True, "text": "a<|im_end|>b<|im_end|>"}], "premature-terminator"),
        ([{"label": False, "text": "a"}], "all-labels-masked"),
        ([{"text": "a"}], "schema-mismatch"),
        ([{"label": "yes", "text": "a"}], "schema-mismatch"),
        ([{"label": True, "text": 7}], "schema-mismatch"),
        (["a"], "schema-mismatch"),
    ],
)
def test_segments_that_are_refused(segments: list[Any], code: str) -> None:
    found = encode({"segments": segments}, train_on="assistant", schema="segments")
    assert found.rejects["code"].to_pylist() == [code]


def test_weights_of_segments() -> None:
    parts = [
        {"train": False, "text": "Hi "},
        {"weight": 0.5, "text": "half"},
        {"loss": 1, "text": "<|im_end|>"},
    ]
    columns = ["input_ids", "labels", "weights"]
    row = {"segments": parts, "weight": 2}
    [found] = encode(row, train_on="assistant", columns=columns).table.to_pylist()
    assert sorted(set(found["weights"])) == [0.0, 1.0, 2.0]


def test_an_output_of_segments_passes_its_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    header = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    data = [
        {
            "segments": [
                {"label": False, "text": header},
                {"label": True, "text": f"It is {n}"},
                {"label": False, "text": " or not"},
                {"label": True, "text": ".<|im_end|>"},
                {"label": False, "text": "\n" + header},
                {"label": True, "text": "Yes.<|im_end|>"},
            ]
        }
        for n in range(20)
    ]
    Path("a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in data), "utf-8")
    assert main(["prepare", "a.jsonl", "-o", "out", "--tokenizer", str(TOKENIZER)]) == 0
    assert main(["check", "out"]) == 0
    assert main(["show", "out"]) == 0
    assert main(["stats", "out"]) == 0
