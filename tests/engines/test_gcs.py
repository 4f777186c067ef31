"""Inputs and outputs in a store that speaks as Google's does, an emulator in its own process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow import fs

import turnmill
from engine_runs import EVERYTHING
from file_hashes import hashes
from small_rows import TOKENIZER, json_lines
from turnmill.cli import main

pytest.importorskip("gcp_storage_emulator", reason="the extra `engines` is not installed")
pytestmark = pytest.mark.timeout(300)

# The emulator takes one connection at a time, and clients keep theirs open. It does not know
# `includeTrailingDelimiter`, with which the store lists the markers of directories too.
SERVER = """
import http.server, time
import gcp_storage_emulator.server as emulator
class Server(http.server.ThreadingHTTPServer):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        print(self.server_port, flush=True)
emulator.server.HTTPServer = Server
found = emulator.Storage.get_file_list
def listed(self, bucket, prefix=None, delimiter=None, *others, **more):
    files, prefixes = found(self, bucket, prefix, delimiter, *others, **more)
    if delimiter:
        every, start = found(self, bucket, prefix)[0], len(prefix or "")
        inside = [(file["name"][start:], file) for file in every]
        files += [file for name, file in inside if name.find("/") == len(name) - 1 > 0]
    return files, prefixes
emulator.Storage.get_file_list = listed
emulator.create_server("127.0.0.1", 0, in_memory=True, default_bucket="bucket").start()
time.sleep(3600)
"""


@pytest.fixture(scope="module")
def options() -> Iterator[str]:
    """What a URI needs to find the store."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        text=True,
    )
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        yield f"scheme=http&endpoint_override=127.0.0.1:{port}&retry_limit_seconds=5"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def place(options: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The pattern of URIs in a folder of the bucket, with two inputs in it."""
    monkeypatch.chdir(tmp_path)
    pattern = f"gs://anonymous@bucket/{tmp_path.name}/{{}}?{options}"
    store, _ = fs.FileSystem.from_uri(pattern.format("in"))
    for number in range(2):
        content = json_lines(30, start=number * 20) + b"no JSON\n"
        Path(f"{number}.jsonl").write_bytes(content)
        with store.open_output_stream(f"bucket/{tmp_path.name}/in/{number}.jsonl") as file:
            file.write(content)
    return pattern


def prepare(inputs: list[str], output: str, **keys: Any) -> Any:
    recipe = turnmill.Recipe(tokenizer=TOKENIZER, format="parquet", **keys)
    return turnmill.prepare(inputs, output, recipe)


def copied(uri: str, target: str) -> dict[str, str]:
    """The hashes of an output in the store."""
    store, inner = fs.FileSystem.from_uri(uri)
    fs.copy_files(inner, target, source_filesystem=store)
    return hashes(target)


@pytest.mark.parametrize("keys", [{}, EVERYTHING])
def test_the_files_are_those_of_a_local_output(place: str, keys: dict[str, Any]) -> None:
    keys = {name: value for name, value in keys.items() if name != "carry"}
    inputs = [place.format(f"in/{number}.jsonl") for number in range(2)]
    prepare(inputs, "whole", **keys)
    made = prepare(inputs, place.format("out"), **keys)
    assert (made.shards, made.shards_reused) == (2, 0)
    alone = hashes("whole")
    del alone[".turnmill/lock"]  # a store has no locks
    assert copied(place.format("out"), "copy") == alone
    assert prepare(inputs, place.format("out"), **keys).shards_reused == 2


def test_an_output_in_the_store_is_read(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    output = place.format("out")
    prepare(["0.jsonl"], output)
    assert main(["check", output]) == 0, capsys.readouterr()
    assert main(["show", output, "--sample", "3"]) == 0
    assert "0.jsonl:4" in capsys.readouterr().out


def test_what_is_printed_names_files_in_front_of_the_options(
    place: str, options: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--tokenizer", str(TOKENIZER), "--format", "parquet"]
    assert main(["prepare", "0.jsonl", "-o", place.format("out"), *words]) == 0
    said = "".join(capsys.readouterr()).replace("\n  ", "")
    assert f"/out/data-*.parquet?{options}" in said
    assert f"{options}/data" not in said
