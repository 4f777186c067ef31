"""Files and links of other people in an output: left alone, and refused where they are in the way.

Nothing is removed, replaced or emptied but what turnmill recorded as its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import turnmill
from file_hashes import hashes
from small_rows import TOKENIZER, rows
from turnmill.errors import DataError
from turnmill.output.ownership import recorded_names


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(count: int = 3, pack: int | None = None, **keys: Any) -> Any:
    recipe = turnmill.Recipe(tokenizer=TOKENIZER, **keys)
    made = turnmill.prepare(rows(count), "out", recipe, threads=1)
    if pack:
        turnmill.pack("out", pack, write=True)
    return made


def files_of(directory: str) -> set[str]:
    return {
        str(path.relative_to(directory))
        for path in Path(directory).rglob("*")
        if path.is_file() and path.name not in {"lock", "names.json"}
    }


MINE = [
    "data-of-mine.txt",
    "data-mine.arrow",
    "index-mine.parquet",
    ".tmp-mine",
    ".tmp-run.json-mine",
    "serving/notes.md",
    "serving/.tmp-of-mine-0123abcd",
    "train/data-mine.arrow",
    "validation/mine",
    "pack-512-0/data-mine.arrow",
    ".turnmill/mine.txt",
]


@pytest.mark.parametrize("keys", [{}, {"validation": 0.3}, {"dedup": "exact"}])
def test_overwrite_removes_only_what_was_recorded(keys: dict[str, Any]) -> None:
    run(pack=512)
    for name in MINE:
        Path("out", name).parent.mkdir(exist_ok=True)
        Path("out", name).write_text("mine")
    for again in (keys, {"history": "last-turn"}):
        run(8, overwrite=True, **again)
        assert {name: Path("out", name).read_text() for name in MINE} == dict.fromkeys(MINE, "mine")
    assert files_of("out") == {*recorded_names(Path("out")), *MINE}


def test_nothing_of_an_earlier_run_is_left() -> None:
    run(8, validation=0.3, pack=512)
    run(3, overwrite=True)
    run(3, history="last-turn", overwrite=True)
    assert files_of("out") == recorded_names(Path("out"))
    assert not [path for path in Path("out").iterdir() if path.name in {"train", "pack-512-0"}]


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("train/state.json", {"validation": 0.3}),
        ("train", {"validation": 0.3}),
        ("validation/dataset_info.json/x", {"validation": 0.3}),
        ("dataset_dict.json", {"validation": 0.3}),
        ("pack-512-0/packs.parquet", {"pack": 512}),
        ("pack-512-0", {"pack": 512}),
    ],
)
def test_a_file_that_stands_in_the_way_is_named_and_kept(name: str, keys: dict[str, Any]) -> None:
    run()
    Path("out", name).parent.mkdir(parents=True, exist_ok=True)
    Path("out", name).write_text("mine")
    before = hashes("out") if "pack" not in keys else {}
    with pytest.raises(DataError, match="stands where a file of the output belongs") as raised:
        run(overwrite=True, **keys)
    assert raised.value.code == "output-exists"
    assert str(raised.value.path) in str(Path("out", name))
    assert "move it elsewhere" in str(raised.value.hint)
    assert Path("out", name).read_text() == "mine"
    assert before.items() <= hashes("out").items(), "nothing was touched before it was refused"


@pytest.mark.parametrize(
    "name",
    [
        ".turnmill",
        ".turnmill/lock",
        ".turnmill/plan.json",
        "serving",
        "serving/README.md",
        "turnmill.json",
        "rejects.parquet",
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_link_in_an_output_leads_nowhere(name: str, overwrite: bool) -> None:
    run()
    there = Path("out", name)
    there.rename("elsewhere")
    if Path("elsewhere").is_file():
        Path("elsewhere").write_text("precious")
    there.symlink_to(Path("elsewhere").absolute())
    before = files_of("elsewhere") if Path("elsewhere").is_dir() else set()
    with pytest.raises(DataError, match="link") as raised:
        run(history="last-turn", overwrite=overwrite)
    assert (raised.value.code, raised.value.path) == ("output-link", f"out/{name}")
    if before:
        assert files_of("elsewhere") == before
    else:
        assert Path("elsewhere").read_text() == "precious"


def test_a_link_planted_before_the_first_run() -> None:
    Path("precious").write_text("precious")
    Path("out/.turnmill").mkdir(parents=True)
    Path("out/.turnmill/lock").symlink_to("../../precious")
    with pytest.raises(DataError, match="lock of the output is not a file"):
        run()
    assert Path("precious").read_text() == "precious"


def test_an_output_that_is_itself_a_link_is_a_place_like_any_other() -> None:
    Path("disk").mkdir()
    Path("out").symlink_to("disk")
    assert run().samples == 3
    assert run().shards_reused == 1
    assert Path("disk/state.json").is_file()


def test_temporary_files_of_a_killed_run_go() -> None:
    run()
    (data,) = Path("out").glob("data-*.arrow")
    left = [f"out/.tmp-{data.name}-0123abcd", "out/serving/.tmp-README.md-0123abcd"]
    left += ["out/.turnmill/.tmp-plan.json-0123abcd"]
    for name in left:
        Path(name).write_text("half")
    run()
    assert not [name for name in left if Path(name).exists()]


def test_names_that_were_changed_are_not_believed() -> None:
    run()
    names = Path("out/.turnmill/names.json")
    names.write_text(names.read_text().replace("run.json", "ran.json"))
    Path("out/manifest.json").unlink()
    with pytest.raises(DataError, match="changed after it was written") as raised:
        run(overwrite=True, history="last-turn")
    assert raised.value.path == str(names)
