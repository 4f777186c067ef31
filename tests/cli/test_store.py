"""Files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from turnmill.errors import TurnmillError
from turnmill.storage import local


def test_a_file_is_synced_before_it_gets_its_name_and_the_directory_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    def noted(name: str) -> Any:
        real = getattr(os, name)

        def call(*arguments: Any, **keys: Any) -> Any:
            directory = name == "fsync" and stat.S_ISDIR(os.fstat(arguments[0]).st_mode)
            order.append("fsync directory" if directory else name)
            return real(*arguments, **keys)

        return call

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, noted(name))
    local.write_text(tmp_path / "a", "text")
    assert order == ["fsync", "replace", "fsync directory"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a"
    local.write_text(path, "old")

    def fail() -> None:
        with local.whole_file(path) as file:
            file.write(b"new")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]
    assert path.read_text() == "old"


def test_the_hash_is_of_what_was_written(tmp_path: Path) -> None:
    with local.whole_file(tmp_path / "a") as file:
        file.write(b"one")
        file.write(memoryview(b"two"))
    assert file.tell() == 6
    assert file.sha256 == hashlib.sha256(b"onetwo").hexdigest()
    assert local.file_sha256(tmp_path / "a") == file.sha256


def test_short_writes_are_completed(tmp_path: Path) -> None:
    class Short:
        """A raw file that takes three bytes at a time, as a nearly full disk may."""

        def __init__(self) -> None:
            self.taken = b""

        def write(self, data: memoryview) -> int:
            self.taken += bytes(data[:3])
            return min(3, len(data))

    raw: Any = Short()
    local.HashingFile(raw, tmp_path / "a").write(b"0123456789")
    assert raw.taken == b"0123456789"


def test_an_abandoned_file_ignores_late_writes(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), local.whole_file(tmp_path / "a") as file:
        raise RuntimeError
    assert file.write(b"late") == 4
    assert not list(tmp_path.iterdir())


def test_the_lock_names_its_holder_and_is_free_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "out" / "staging" / "lock"
    path.parent.mkdir(parents=True)
    with (
        local.lock(path),
        pytest.raises(TurnmillError, match=f"process {os.getpid()} is writing") as caught,
        local.lock(path),
    ):
        pass
    assert caught.value.path == str(tmp_path / "out")
    with local.lock(path):
        pass
    assert path.read_bytes() == b""
