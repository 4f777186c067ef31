"""Files that pyarrow reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import turnmill

DEMO = Path(turnmill.__file__).parent / "demo"


@pytest.mark.parametrize("format_", ["arrow", "parquet"])
def test_pyarrow_reads_no_python_file(
    format_: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread of pyarrow that let go of one while the interpreter ended aborted the process."""
    given: list[Any] = []
    for module, name in [(pq, "ParquetFile"), (pq, "read_schema"), (pa.ipc, "open_stream")]:
        monkeypatch.setattr(module, name, _listed(getattr(module, name), given))
    recipe = turnmill.Recipe(tokenizer=DEMO / "tokenizer", format=format_)
    out = tmp_path / "out"
    turnmill.prepare(DEMO / "data" / "messages.jsonl", out, recipe, threads=1)
    turnmill.pack(out, length=512)
    str(turnmill.show(out, sample=0))
    turnmill.check(out)
    assert len(given) > 3
    assert all(isinstance(file, str | pa.NativeFile) for file in given)
    assert not any(isinstance(file, pa.PythonFile) for file in given)


def _listed(function: Any, given: list[Any]) -> Any:
    def listed(file: Any, *args: Any, **keywords: Any) -> Any:
        given.append(file)
        return function(file, *args, **keywords)

    return listed
