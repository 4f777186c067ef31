"""The main job through the command line, on the data that the package carries."""

from __future__ import annotations

import json
import re
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import pytest

import turnmill
from file_hashes import hashes
from turnmill.cli import main

DEMO = Path(turnmill.__file__).parent / "demo"
TOKENIZER = str(DEMO / "tokenizer")


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    (tmp_path / "data").symlink_to(DEMO / "data")
    (tmp_path / "model").symlink_to(TOKENIZER)


def prepared(*words: str, inputs: str = "data", output: str = "out") -> None:
    command = ["prepare", inputs, "-o", output, "--tokenizer", "model", "-q", *words]
    assert main(command) == 0


def stops() -> set[int]:
    config = json.loads(Path(TOKENIZER, "generation_config.json").read_text())
    found = config["eos_token_id"]
    return set(found) if isinstance(found, list) else {found}


def test_the_demo_says_what_it_does_and_exits_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 0
    captured = capsys.readouterr()
    assert "$ turnmill prepare " in captured.err
    assert "rows in" in captured.err
    assert "next: TRL" in captured.err
    assert "⟦" in captured.out
    assert "rejected: " in captured.out


def test_the_output_is_a_directory_of_datasets_in_which_every_sample_ends() -> None:
    prepared()
    data = datasets.load_from_disk("out")
    assert data.column_names == ["input_ids", "labels", "attention_mask", "length"]
    assert len(data) > 100
    for sample in data:
        trained = [label for label in sample["labels"] if label != -100]
        assert trained[-1] in stops()
        assert len(sample["input_ids"]) == len(sample["labels"]) == sample["length"]
        assert sample["attention_mask"] == [1] * sample["length"]


def test_every_row_is_in_the_index_or_among_the_rejects() -> None:
    prepared()
    record = json.loads(Path("out/turnmill.json").read_text())
    totals = record["totals"]
    assert totals["rows"] == totals["rows_written"] + totals["rows_rejected"]
    rejects = pq.read_table("out/rejects.parquet").to_pylist()
    assert len(rejects) == totals["rows_rejected"] > 0
    indexed = {
        (row["source"], row["row"])
        for shard in record["shards"]
        for row in pq.read_table(f"out/{shard['index']}").to_pylist()
    }
    left_out = {(row["source"], row["row"]) for row in rejects}
    assert not indexed & left_out
    assert len(indexed | left_out) == totals["rows"]


@pytest.mark.parametrize("form", ["arrow", "parquet"])
def test_the_same_bytes_for_any_threads_and_work_items(
    monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    seen = []
    for threads in (1, 2, 7):
        for chunk in (3, 10_000):
            output = f"out-{threads}-{chunk}"
            monkeypatch.setenv("TURNMILL_CHUNK_ROWS", str(chunk))
            prepared("--threads", str(threads), "--format", form, output=output)
            seen.append(hashes(output))
    assert seen == [seen[0]] * len(seen)


def test_serving_stops_where_the_samples_end() -> None:
    prepared()
    serving = Path("out/serving")
    config = json.loads((serving / "generation_config.json").read_text())
    assert set(config["eos_token_id"]) == stops()
    template = Path(TOKENIZER, "chat_template.jinja").read_text("utf-8")
    assert (serving / "chat_template.jinja").read_text("utf-8") == template
    assert 'PARAMETER stop "<|im_end|>"' in (serving / "Modelfile").read_text("utf-8")
    text = (serving / "README.md").read_text("utf-8")
    assert "vllm serve MODEL --generation-config serving" in text
    assert "--override-kv tokenizer.ggml.eos_token_id=int:2" in text


def test_json_on_standard_output_says_the_same_as_the_record(
    capsys: pytest.CaptureFixture[str],
) -> None:
    prepared("--json")
    captured = capsys.readouterr()
    said = json.loads(captured.out)
    assert captured.err == ""
    totals = json.loads(Path("out/turnmill.json").read_text())["totals"]
    assert {key: said[key] for key in totals} == totals


CLOSING = """\
ok: all 40 rows are written, and every trained turn ends in <|im_end|> (2)

rows in                  40
  written                40  100 %

read as  prompt-completion: prompt-completion.jsonl
samples  40 in 1 shard
tokens   1,104, 41 % trained (448)
length   min 17  p25 22  median 30  p75 32  p90 32  p99 37  max 37
ends in  <|im_end|> (2); serving stops on <|im_end|> (2), <|endoftext|> (0)
time     TIME
output   out
"""

NEXT = """\
next: TRL: SFTTrainer(train_dataset=load_from_disk("out"), args=SFTConfig(max_length=None,
  packing=False), ...)
next: Axolotl: datasets: [{path: out}], sequence_len: 37, and no `type:`
next: LLaMA-Factory: dataset: tokenized, tokenized_path: out
"""


def test_the_closing_table(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["prepare", "data/prompt-completion.jsonl", "-o", "out", "--tokenizer", "model"]
    assert main(words) == 0
    said = re.sub(r"(?m)^(time +).*$", r"\1TIME", capsys.readouterr().err)
    assert re.sub(r" +", " ", said).startswith(re.sub(r" +", " ", CLOSING))
    assert said.endswith(NEXT)


def test_the_verdict_names_rows_that_were_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["prepare", "data/messages.jsonl", "-o", "out", "--tokenizer", "model"]
    assert main(words) == 0
    first, second, *_ = capsys.readouterr().err.splitlines()
    rejected = pq.read_table("out/rejects.parquet").num_rows
    rows = json.loads(Path("out/turnmill.json").read_text())["totals"]["rows"]
    assert first.startswith(f"ok: {rows - rejected} of {rows} rows are written, and every trained")
    assert f"{rejected} rows are left out" in first + second


def test_the_closing_screen_fits_and_names_a_length_that_a_trainer_can_use(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    answers = ["yes"] * 300 + ["no " * 20_000]
    lines = [json.dumps({"prompt": "Is it?", "completion": answer}) for answer in answers]
    Path("long.jsonl").write_text("\n".join(lines))
    assert main(["prepare", "long.jsonl", "-o", "out", "--tokenizer", "model"]) == 0
    said = capsys.readouterr().err
    assert max(map(len, said.splitlines())) <= 80
    assert said.count("next: ") == 3
    assert "sequence_len: 4096," in said
    assert "note: 1 sample is longer than 4,096 tokens" in said
    assert "--max-length 4096" in said


def test_trainers_that_need_every_column_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["prepare", "data/text.jsonl", "-o", "out", "--tokenizer", "model"]
    assert main(words) == 0
    said = capsys.readouterr().err
    assert said.count("columns: labels, attention_mask are missing") == 2
    assert "tokenized_path" not in said


def test_show_finds_the_same_row_before_and_after(capsys: pytest.CaptureFixture[str]) -> None:
    prepared()
    place = "data/messages.jsonl:3"
    assert main(["show", "out", "--source", place]) == 0
    after = capsys.readouterr().out
    assert main(["show", "data/messages.jsonl", "--source", place, "--tokenizer", "model"]) == 0
    before = capsys.readouterr().out
    assert before == after
    assert "<|im_end|>■⟧" in before


def test_show_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "data/messages.jsonl", "--tokenizer", "model", "-n", "1", "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)
    assert (row["row"], row["line"], row["reject"]) == (0, 1, None)
    kinds = [piece["kind"] for piece in row["samples"][0]["pieces"]]
    assert kinds[:3] == ["masked", "trained", "terminator"]


def test_show_of_a_row_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    prepared(inputs="data/messages.jsonl")
    assert main(["show", "out", "--row", "99999"]) == 1
    assert capsys.readouterr().err == (
        "error: row 99999 of data/messages.jsonl is neither among the samples nor among the rejects"
        "\n  at out\n"
        "hint: lines count from 1 and rows from 0; blank lines are not rows\n"
    )


def test_the_python_functions_do_the_same() -> None:
    recipe = turnmill.Recipe(tokenizer=TOKENIZER)
    run = turnmill.prepare("data/messages.jsonl", "out", recipe)
    assert run.rows == run.samples + sum(run.rejected.values())
    assert str(run).startswith("ok: ")
    shown = turnmill.show("out", n=2)
    assert len(shown) == 2
    assert shown[0].samples[0].pieces[-1].kind == "masked"
    assert str(shown) == str(turnmill.show("data/messages.jsonl", tokenizer=TOKENIZER, n=2))


def test_repeated_flags_add_up() -> None:
    said = [{"role": "client", "content": "Hi"}, {"role": "counselor", "content": "Hello"}]
    Path("a.jsonl").write_text(json.dumps({"dialog": said}) + "\n")
    roles = ("--roles", "client=user", "--roles", "counselor=assistant")
    columns = ("--columns", "input_ids,labels", "--columns", "position_ids")
    fields = ("--schema", "messages", "--fields", "dialog=messages")
    prepared(*roles, *columns, *fields, inputs="a.jsonl")
    recipe = json.loads(Path("out/turnmill.json").read_text())["recipe"]
    assert recipe["roles"] == {"client": "user", "counselor": "assistant"}
    assert recipe["columns"] == ["input_ids", "labels", "position_ids"]


def test_a_recipe_file_and_flags(capsys: pytest.CaptureFixture[str]) -> None:
    Path("recipe.toml").write_text(
        'tokenizer = "model"\nmax_length = 40\nover_length = "reject"\nmax_rejects = 0.9\n'
    )
    words = [
        "prepare",
        "data/messages.jsonl",
        "-o",
        "out",
        "--recipe",
        "recipe.toml",
        "--json",
        "-q",
    ]
    assert main([*words, "--max-length", "60"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["rejected"]["overlong-sample"] > 0
    assert 40 < said["length_percentiles"]["100"] <= 60
    assert json.loads(Path("out/turnmill.json").read_text())["recipe"]["max_length"] == 60
