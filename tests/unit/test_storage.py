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


@pytest.mark.parametrize(
    "uri",
    ["s3://AKIA:ab/cd+SECRET@bucket/x", "s3://AKIA:SECRET@bucket/x", "gs://b/x?token=SECRET"],
)
def test_a_secret_in_a_uri_is_refused_and_not_repeated(uri: str) -> None:
    with pytest.raises(turnmill.DataError, match="holds a secret") as caught:
        turnmill.prepare(uri, "out", tokenizer=DEMO / "tokenizer")
    assert caught.value.code == "secret-in-uri"
    assert "SECRET" not in str(caught.value)


def test_a_port_is_no_secret() -> None:
    from turnmill.storage.credentials import refuse_secrets

    refuse_secrets("hdfs://namenode:8020/user@host/x.jsonl")
    refuse_secrets("s3://bucket/a:b@c.jsonl")
