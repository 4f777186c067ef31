"""Nothing vouches for a file that a power cut could take: the order of the calls says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import file_calls
import turnmill
from file_calls import calls
from small_rows import TOKENIZER, json_lines

pytestmark = pytest.mark.slow

COMMANDS = {
    "arrow": "",
    "parquet": "--format parquet",
    "apart": "--validation 0.3 --dedup exact",
    "shuffled": "--shuffle",
}


def log_of(options: str, folder: Path) -> list[tuple[str, str]]:
    """The calls of a run that has two inputs."""
    for name, start in (("a", 0), ("b", 40)):
        Path(f"{name}.jsonl").write_bytes(json_lines(40, start=start))
    words = f"prepare a.jsonl b.jsonl -o out --tokenizer {TOKENIZER} -q {options}"
    environment = {
        **file_calls.watched(file_calls.compiled(folder), folder / "calls.log", Path.cwd() / "out"),
        "PYTHONPATH": str(Path(turnmill.__file__).parents[1]),
    }
    command = [sys.executable, "-m", "turnmill", *words.split()]
    subprocess.run(command, check=True, env=environment)
    return calls(folder / "calls.log")


@pytest.mark.parametrize("form", COMMANDS)
def test_files_and_their_names_are_synced_before_the_manifest_vouches_for_them(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "room").mkdir()
    monkeypatch.chdir(tmp_path / "room")
    content: dict[str, bool] = {}
    name: dict[str, bool] = {}
    source = ""
    for kind, path in log_of(COMMANDS[form], tmp_path):
        if kind == "write":
            content[path] = False
        elif kind == "fsync":
            content[path] = True
            name |= {file: True for file in name if os.path.dirname(file) == path}  # noqa: PTH120
        elif kind == "rename-from":
            source = path
        elif kind == "rename":
            content[path], name[path] = content.pop(source), False
            if path.endswith("out/manifest.json"):
                break
    vouched = [path for path in name if Path(path).exists() and not path.endswith("manifest.json")]
    assert len(vouched) > 12
    assert [path for path in vouched if not content[path]] == []
    assert [path for path in vouched if not name[path]] == []
