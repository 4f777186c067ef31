"""A directory with several splits is read one split at a time, by the rules of `datasets`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets.data_files import DataFilesDict, get_data_patterns
from hypothesis import given
from hypothesis import strategies as st

import turnmill
from cases import shapes
from turnmill.cli import main
from turnmill.errors import DataError
from turnmill.inputs.find import files_left, find_inputs
from turnmill.inputs.splits import splits_of

DEMO = Path(turnmill.__file__).parent / "demo" / "tokenizer"
RECIPE: dict[str, Any] = {"tokenizer": DEMO, "template": "qwen3", "stop": ["<|im_end|>"]}
FLAGS = ["--tokenizer", str(DEMO), "--template", "qwen3", "--stop", "<|im_end|>"]


def row(answer: str) -> dict[str, Any]:
    return {"messages": [shapes.user(), shapes.assistant(answer)]}


def write(directory: Path, *files: str) -> Path:
    """Files with one row each, whose answer is the file's name."""
    for file in files:
        path = directory / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            pq.write_table(pa.Table.from_pylist([row(file)]), path)
        else:
            path.write_text(json.dumps(row(file)) + "\n")
    return directory


LAYOUTS: dict[str, tuple[list[str], dict[str, list[str]]]] = {
    "of the Hub": (
        [
            *("data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"),
            *("data/test-00000-of-00001.parquet", "extra.jsonl"),
        ],
        {
            "train": ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"],
            "test": ["data/test-00000-of-00001.parquet"],
        },
    ),
    "files": (
        ["train.jsonl", "test.jsonl", "other.jsonl"],
        {"train": ["train.jsonl"], "test": ["test.jsonl"]},
    ),
    "folders": (
        ["train/a.jsonl", "train/b.jsonl", "dev/a.jsonl"],
        {"train": ["train/a.jsonl", "train/b.jsonl"], "validation": ["dev/a.jsonl"]},
    ),
    "splits of one's own names": (
        [f"data/{name}-00000-of-00001.parquet" for name in ("test_sft", "train_sft")],
        {
            "train_sft": ["data/train_sft-00000-of-00001.parquet"],
            "test_sft": ["data/test_sft-00000-of-00001.parquet"],
        },
    ),
    "words in names": (
        ["chat_train_1.jsonl", "chat_val_1.jsonl"],
        {"train": ["chat_train_1.jsonl"], "validation": ["chat_val_1.jsonl"]},
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
def test_a_split_has_to_be_chosen(
    layout: tuple[list[str], dict[str, list[str]]], tmp_path: Path
) -> None:
    files, splits = layout
    write(tmp_path, *files)
    with pytest.raises(DataError) as caught:
        find_inputs(tmp_path)
    assert caught.value.code == "several-splits"
    assert f"--split {next(iter(splits))}" in str(caught.value.hint)
    for split, expected in splits.items():
        found = [
            Path(input_.name).relative_to(tmp_path).as_posix()
            for input_ in find_inputs(tmp_path, split)
        ]
        assert found == expected
        left = [str(Path(name).relative_to(tmp_path)) for name in files_left(tmp_path, split)]
        assert sorted([*found, *left]) == sorted(files)
    assert len(find_inputs(tmp_path, "all")) == len(files)
    assert files_left(tmp_path, "all") == []
    both = "+".join(splits)
    assert len(find_inputs(tmp_path, both)) == sum(len(names) for names in splits.values())
    with pytest.raises(DataError, match="no split 'dev'"):
        find_inputs(tmp_path, "dev")


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
def test_datasets_loads_the_same_splits(
    layout: tuple[list[str], dict[str, list[str]]], tmp_path: Path
) -> None:
    files, splits = layout
    write(tmp_path / "set", *files)
    loaded = datasets.load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))
    answers = {
        str(split): [messages[-1]["content"] for messages in rows["messages"]]
        for split, rows in loaded.items()
    }
    assert answers == splits


FOLDERS = ["", "data/", "train/", "test/", "my-dev/", "data/train/", "val_2/", "en/", "trained/"]
NAMES = [
    *("train.jsonl", "test.jsonl", "a.jsonl", "x_dev_1.jsonl", "dev", "b.eval.jsonl", "tests.json"),
    *("train-00000-of-00001.parquet", "validation-00000-of-00002.jsonl", "mytrain.jsonl"),
    *("training 2.json", "extra-00000-of-00001.jsonl", "Train.jsonl", "val.json", "eval"),
]
PATHS = st.builds(
    lambda folder, name: folder + name, st.sampled_from(FOLDERS), st.sampled_from(NAMES)
)


@given(files=st.sets(PATHS, min_size=1, max_size=5))
def test_the_rules_are_those_of_datasets(
    files: set[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("set")
    for file in files:
        if not any(other.startswith(f"{file}/") for other in files):
            (directory / file).parent.mkdir(parents=True, exist_ok=True)
            (directory / file).write_text("{}")
    patterns = get_data_patterns(str(directory))
    resolved = DataFilesDict.from_local_or_remote(patterns, base_path=str(directory))
    theirs = {
        str(split): sorted({Path(name).relative_to(directory).as_posix() for name in names})
        for split, names in resolved.items()
    }
    there = [p.relative_to(directory).as_posix() for p in directory.rglob("*") if p.is_file()]
    ours = splits_of(sorted(there))
    assert (list(ours), ours) == (list(theirs), theirs)


def test_a_single_split_needs_no_choice(tmp_path: Path) -> None:
    write(tmp_path, "test.jsonl", "README.md", "LICENSE", "dataset_info.json", "b.log")
    (tmp_path / ".gitattributes").write_text("")
    assert len(find_inputs(tmp_path)) == 1
    assert files_left(tmp_path) == [f"{tmp_path}/b.log"]


def test_hidden_data_is_named_and_not_read(tmp_path: Path) -> None:
    write(tmp_path, "train.jsonl", ".old.jsonl", "_part.parquet", ".gitattributes", ".git/a.json")
    assert len(find_inputs(tmp_path)) == 1
    assert sorted(files_left(tmp_path)) == [f"{tmp_path}/.old.jsonl", f"{tmp_path}/_part.parquet"]


def test_a_directory_that_holds_only_a_test_split_is_remarked_on(tmp_path: Path) -> None:
    def notes(name: str) -> list[str]:
        data = tmp_path / name
        data.mkdir()
        (data / f"{name}.jsonl").write_text(json.dumps(row("a")))
        run = turnmill.prepare(
            data, tmp_path / "out", tokenizer=DEMO, template="chatml", overwrite=True
        )
        return [note for note in run.to_dict()["notes"] if "split" in note]

    assert notes("train") == notes("rows") == []
    assert notes("test") == [f"{tmp_path}/test holds no split but test, and it was read"]


def test_a_split_of_no_directory_is_an_error(tmp_path: Path) -> None:
    file = write(tmp_path, "train.jsonl") / "train.jsonl"
    with pytest.raises(DataError, match="no input is a directory"):
        find_inputs(file, "train")


def save(directory: Path) -> datasets.DatasetDict:
    names = {"train": "a", "test": "b"}
    made = datasets.DatasetDict(
        {name: datasets.Dataset.from_list([row(said)]) for name, said in names.items()}
    )
    made.save_to_disk(str(directory))
    return made


def test_what_datasets_saved_and_holds_in_memory_has_splits_too(tmp_path: Path) -> None:
    made = save(tmp_path / "saved")
    for data in (tmp_path / "saved", made):
        with pytest.raises(DataError) as caught:
            find_inputs(data)
        assert "--split train" in str(caught.value.hint)
        for split, answers in (("test", ["b"]), ("all", ["a", "b"]), ("test+train", ["b", "a"])):
            encoded = turnmill.Encoder(turnmill.Recipe(**RECIPE, split=split)).encode(data)
            pieces = turnmill.Tokenizer(DEMO)._token_bytes
            trained = [
                b"".join(pieces([i for i in labels if i != -100]))
                for labels in encoded.table["labels"].to_pylist()
            ]
            assert trained == [f"{answer}<|im_end|>".encode() for answer in answers]


def test_an_input_has_a_split_of_its_own(tmp_path: Path) -> None:
    write(tmp_path / "a", "train.jsonl", "test.jsonl")
    write(tmp_path / "b", "train.jsonl", "test.jsonl")
    inputs = [tmp_path / "a", turnmill.Input(tmp_path / "b", split="test")]
    found = [
        Path(input_.name).relative_to(tmp_path).as_posix()
        for input_ in find_inputs(inputs, "train")
    ]
    assert found == ["a/train.jsonl", "b/test.jsonl"]


@pytest.mark.parametrize("command", ["prepare", "check", "show", "parity"])
def test_every_command_takes_a_split(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = write(tmp_path / "set", "train.jsonl", "test.jsonl")
    output = ["-o", str(tmp_path / "out")] if command == "prepare" else []
    assert main([command, str(directory), *FLAGS, *output]) == 1
    assert "--split train" in capsys.readouterr().err
    assert main([command, str(directory), *FLAGS, *output, "--split", "train"]) == 0
    said = capsys.readouterr().err
    if command == "prepare":
        assert f"not read  {directory}/test.jsonl" in said


def test_tokenized_data_is_checked_in_all_its_splits(tmp_path: Path) -> None:
    turnmill.prepare([row("5")], tmp_path / "out", turnmill.Recipe(**RECIPE, format="parquet"))
    table = pq.read_table(next((tmp_path / "out").glob("data-*.parquet")))
    (tmp_path / "set").mkdir()
    for name in ("train", "test"):
        pq.write_table(table, tmp_path / "set" / f"{name}.parquet")
    stop = ["<|im_end|>"]
    assert turnmill.check(tmp_path / "set", tokenizer=DEMO, stop=stop).rows == 2
    recipe = turnmill.Recipe(**RECIPE, split="train")
    assert turnmill.check(tmp_path / "set", tokenizer=DEMO, stop=stop, recipe=recipe).rows == 1


def test_a_run_on_another_split_adds_its_rows(tmp_path: Path) -> None:
    """As with other inputs: what is made of a file does not depend on the choice."""
    directory = write(tmp_path / "set", "train.jsonl", "test.jsonl")
    for split, rows in (("train", 1), ("all", 2)):
        run = turnmill.prepare(directory, tmp_path / "out", turnmill.Recipe(**RECIPE, split=split))
        assert run.rows == rows
