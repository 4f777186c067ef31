"""Inputs and outputs in a store that speaks S3, here and on Ray."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import turnmill
from engine_runs import EVERYTHING, started_ray
from object_store import SECRET, TOKEN, Store, serving
from small_rows import TOKENIZER, json_lines, rows
from turnmill.cli import main
from turnmill.prepare.engines import Engine
from turnmill.prepare.result import Run

pytest.importorskip("moto", reason="the extra `engines` is not installed")
pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
OUT = "s3://bucket/out"


@pytest.fixture(scope="module")
def server() -> Iterator[Store]:
    with serving() as store:
        before = dict(os.environ)
        os.environ.update(store.environment)
        store.client().create_bucket(Bucket="bucket")
        yield store
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def store(server: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store with four inputs and nothing else."""
    monkeypatch.chdir(tmp_path)
    server.puts_left = None
    client = server.client()
    for name in server.objects(""):
        client.delete_object(Bucket="bucket", Key=name)
    for number in range(4):
        content = json_lines(30, start=number * 20) + b"no JSON\n"
        client.put_object(Bucket="bucket", Key=f"in/{number}.jsonl", Body=content)
        Path(f"{number}.jsonl").write_bytes(content)
    return server


@pytest.fixture(scope="module")
def ray(server: Store) -> Iterator[Engine]:  # noqa: ARG001 - workers need its environment
    with started_ray() as found:
        yield found


@pytest.fixture(params=["local", "ray"])
def engine(request: pytest.FixtureRequest) -> Any:
    return "local" if request.param == "local" else request.getfixturevalue("ray")


def prepare(output: str, engine: Any = "local", **keys: Any) -> Run:
    recipe = turnmill.Recipe(tokenizer=TOKENIZER, **keys)
    return turnmill.prepare("s3://bucket/in/*.jsonl", output, recipe, engine=engine)


def bytes_of(folder: str) -> dict[str, bytes]:
    found = (path for path in Path(folder).rglob("*") if path.is_file())
    made = {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}
    return {name: made[name] for name in made if name not in {"run.json", ".turnmill/lock"}}


def stored(store: Store) -> dict[str, bytes]:
    found = store.objects("out/")
    return {name: found[name] for name in found if name != "run.json"}


@pytest.mark.parametrize("keys", [{}, EVERYTHING])
def test_the_files_are_those_of_a_local_output(
    store: Store, engine: Any, keys: dict[str, Any]
) -> None:
    keys = {**keys, "format": "parquet"}
    keys.pop("carry", None)
    prepare("whole", **keys)
    made = prepare(OUT, engine, **keys)
    assert (made.shards, made.shards_reused) == (4, 0)
    assert stored(store) == bytes_of("whole")
    assert prepare(OUT, engine, **keys).shards_reused == 4
    assert stored(store) == bytes_of("whole")


def test_a_slow_store_changes_nothing(store: Store, engine: Any) -> None:
    prepare("whole", format="parquet")
    store.pause = 0.02
    try:
        prepare(OUT, engine, format="parquet")
    finally:
        store.pause = 0.0
    assert stored(store) == bytes_of("whole")


@pytest.mark.parametrize("puts", [1, 9, 25])
def test_credentials_that_expire(
    store: Store, engine: Any, puts: int, capsys: pytest.CaptureFixture[str]
) -> None:
    store.puts_left = puts
    with pytest.raises(OSError, match=r"ExpiredToken|ACCESS_DENIED") as caught:
        prepare(OUT, engine, format="parquet")
    hints = [note for note in caught.value.__notes__ if note.startswith("hint: ")]
    assert len(hints) == 1
    assert "the store refuses these credentials" in hints[0]
    store.puts_left = None
    left = stored(store)
    assert not {"turnmill.json", "manifest.json", "dataset_info.json"} & left.keys()
    prepare(OUT, engine, format="parquet")
    prepare("whole", format="parquet")
    assert stored(store) == bytes_of("whole")
    told = repr(caught.value) + "".join(capsys.readouterr())
    assert SECRET not in told
    assert TOKEN not in told


def test_the_command_line_says_what_to_do(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    store.puts_left = 0
    words = ["prepare", "s3://bucket/in/0.jsonl", "-o", OUT, "--tokenizer", str(TOKENIZER)]
    assert main(words) == 1
    said = capsys.readouterr().err
    assert "hint: the store refuses these credentials" in said
    assert "please report" not in said


def test_columnar_inputs_are_not_called_broken(store: Store) -> None:
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    from turnmill.inputs.kind import read_kind

    content = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows(60)), content)
    body = content.getvalue()
    store.client().put_object(Bucket="bucket", Key="in/a.parquet", Body=body)
    input_ = read_kind("s3://bucket/in/a.parquet")
    store.puts_left = 0
    with pytest.raises(OSError, match=r"ACCESS_DENIED") as caught:
        list(input_.batches(input_.whole))
    assert not isinstance(caught.value, turnmill.TurnmillError)


def test_credentials_are_written_nowhere(store: Store) -> None:
    seen: list[bytes] = []

    class Watching:
        """Reads the order and what would travel, and does the work here."""

        threads = 1

        def run(self, task: Any, items: Any) -> Iterator[Any]:
            """Keeps all of it."""
            seen.extend(store.objects("out/").values())
            seen.extend(pickle.dumps((task, item)) for item in items)
            return map(task, items)

    prepare(OUT, Watching(), **EVERYTHING | {"carry": None})
    seen.extend(store.objects("out/").values())
    assert len(seen) > 20
    assert any(b"tokenizer.json" in content for content in seen), "the order was read"
    for secret in (SECRET, TOKEN, "ASIATESTTESTTEST"):
        assert not any(secret.encode() in content for content in seen)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://ASIATEST:WJALRSECRET@bucket/in/0.jsonl",
        "s3://bucket/in/0.jsonl?secret_key=WJALRSECRET",
        "fsspec+ftp://me:WJALRSECRET@host/a.jsonl",
    ],
)
def test_a_uri_with_a_secret_is_refused_without_repeating_it(
    uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = str(tmp_path / "a.jsonl")
    Path(plain).write_bytes(json_lines(3))
    for data, output in ((uri, str(tmp_path / "out")), (plain, uri)):
        assert main(["prepare", data, "-o", output, "--tokenizer", str(TOKENIZER)]) == 1
        said = "".join(capsys.readouterr())
        assert "the URI holds a secret" in said
        assert "WJALRSECRET" not in said
    assert not (tmp_path / "out").exists()
