"""A run on Ray or Spark writes what one machine writes, byte for byte, whatever happens to it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import turnmill
from engine_runs import (
    EVERYTHING,
    Deadly,
    Twice,
    assert_same_bytes,
    prepare,
    started_ray,
    write_inputs,
)
from fixtures import ROOT
from small_rows import TOKENIZER, rows
from turnmill.prepare.engines import Engine, opened

pytestmark = [
    pytest.mark.timeout(300),
    # Sockets that Ray and Spark leave to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module", params=["ray", "spark"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine that was started, with two processors."""
    # Workers import the task of a test, so they look where pytest does.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "tests"), str(ROOT / "python")])
    if request.param == "ray":
        with started_ray() as found:
            yield found
    else:
        yield from started_spark()


def started_spark() -> Iterator[Engine]:
    pytest.importorskip("pyspark", reason="the extra `engines` is not installed")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java: apt-get install openjdk-17-jre-headless")
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    # Three more tries, as a cluster has them and a local master has not.
    with opened("spark", "local[2,4]", None) as found:
        yield found


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_inputs()


@pytest.mark.parametrize(
    "keys", [{}, EVERYTHING, {"format": "parquet", "pack": 64, "max_length": 64}]
)
def test_the_files_are_those_of_one_machine(engine: Engine, keys: dict[str, Any]) -> None:
    weight = "1.5 epochs" if keys is EVERYTHING else None
    alone = prepare("whole", weight=weight, **keys)
    made = prepare("out", engine, weight=weight, **keys)
    assert_same_bytes()
    assert (made.shards, made.shards_reused, made.rows) == (10, 0, alone.rows)
    again = prepare("out", engine, weight=weight, **keys)
    assert again.shards_reused == 10
    assert_same_bytes()


def test_a_worker_that_dies_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    prepare("whole")
    prepare("out", Deadly(engine, str(tmp_path / "died")))
    assert (tmp_path / "died").exists()
    assert_same_bytes()


@pytest.mark.parametrize("keys", [{}, EVERYTHING])
def test_two_copies_of_every_call_change_nothing(engine: Engine, keys: dict[str, Any]) -> None:
    prepare("whole", **keys)
    made = prepare("out", Twice(engine), **keys)
    assert_same_bytes()
    assert made.shards == 10


def test_errors_come_back_as_they_were(engine: Engine) -> None:
    for name in ("out", "whole"):
        chosen = engine if name == "out" else "local"
        with pytest.raises(turnmill.DataError, match="more than max_rejects allows") as caught:
            prepare(name, chosen, max_rejects=0.0)
        assert caught.value.code == "too-many-rejects"
        assert "the most frequent reasons: invalid-json" in str(caught.value.hint)
    assert not Path("out/turnmill.json").exists()


def test_the_first_rows_stop_the_run(engine: Engine) -> None:
    bad = json.dumps({"messages": [{"role": "user", "content": "Hi"}]}) + "\n"
    Path("a0.jsonl").write_text(bad * 40_000, "utf-8")
    with pytest.raises(turnmill.DataError) as alone:
        prepare("whole")
    with pytest.raises(turnmill.DataError) as caught:
        prepare("out", engine)
    assert str(caught.value) == str(alone.value)
    assert Path("out/rejects.parquet").read_bytes() == Path("whole/rejects.parquet").read_bytes()


def test_an_input_that_workers_do_not_see(engine: Engine) -> None:
    with pytest.raises(turnmill.DataError, match="does not see an input of the run") as caught:
        prepare("out", Hidden(engine))
    assert caught.value.code == "unseen-path"
    assert caught.value.path == "a0.jsonl"
    assert "every worker sees it" in str(caught.value.hint)


class Hidden:
    """An engine on whose machines the first input is not."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.threads = engine.threads

    def run(self, task: Any, items: Any) -> Iterator[Any]:
        """Takes the input away when the run is planned."""
        Path("a0.jsonl").rename("moved")
        return self._engine.run(task, items)

    def close(self) -> None:
        """Does nothing: the engine is shared."""


def test_an_output_that_workers_do_not_see(engine: Engine) -> None:
    class Elsewhere(Hidden):
        def run(self, task: Any, items: Any) -> Iterator[Any]:
            """Replaces the output by another directory of the same name."""
            if task.name == "survey":
                yield from self._engine.run(task, items)
                return
            Path("out").rename("there")
            Path("out/.turnmill").mkdir(parents=True)
            try:
                yield from self._engine.run(task, items)
            finally:
                shutil.rmtree("out")
                Path("there").rename("out")

    with pytest.raises(turnmill.DataError, match="does not see the output of the run"):
        prepare("out", Elsewhere(engine))
    prepare("whole")
    prepare("out", engine)
    assert_same_bytes()


DRIVER = """
import os, sys, warnings
warnings.simplefilter("ignore")
sys.path[:0] = [{tests!r}, {python!r}]
from engine_runs import prepare
from turnmill.prepare.engines.ray import Ray
class Killed(Ray):
    runs = 0
    def run(self, task, items):
        self.runs += 1  # the first looks at the inputs, the second makes the shards
        for number, made in enumerate(super().run(task, items)):
            if number == 3 and self.runs == 2:
                os.kill(os.getpid(), 9)
            yield made
prepare("out", Killed({address!r}))
"""


def test_a_driver_that_dies_goes_on(engine: Engine) -> None:
    if type(engine).__name__ != "Ray":
        pytest.skip("a second driver of Spark would be a second Spark")
    import ray

    address = ray.get_runtime_context().gcs_address
    tests, python = str(ROOT / "tests"), str(ROOT / "python")
    script = DRIVER.format(address=address, tests=tests, python=python)
    run = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=200
    )
    assert run.returncode == -9, run.stderr
    assert not Path("out/turnmill.json").exists()
    prepare("whole")
    made = prepare("out", engine)
    assert made.shards_reused >= 3
    assert_same_bytes()


def test_little_travels_and_no_tokenizer(engine: Engine) -> None:
    import pickle

    sizes: list[int] = []

    class Weighed(Hidden):
        def run(self, task: Any, items: Any) -> Iterator[Any]:
            """Weighs what would be sent."""
            sizes.extend(len(pickle.dumps((task, item))) for item in items)
            return self._engine.run(task, items)

    prepare("out", Weighed(engine))
    assert len(sizes) == 20
    assert max(sizes) < 2000


def test_the_command_line(engine: Engine, capfd: pytest.CaptureFixture[str]) -> None:
    from turnmill.cli import main

    name = type(engine).__name__.lower()
    words = ["prepare", *sorted(map(str, Path().glob("a*"))), "--tokenizer", str(TOKENIZER)]
    assert main([*words, "-o", "whole"]) == 0
    assert main([*words, "-o", "out", "--engine", name]) == 0
    assert_same_bytes()
    capfd.readouterr()
    assert main([*words, "-o", "more", "--engine", name, "--threads", "64"]) == 2
    assert "error: " in capfd.readouterr().err
    assert not Path("more/turnmill.json").exists()


def test_rows_in_memory_stay_where_they_are(engine: Engine) -> None:
    with pytest.raises(turnmill.DataError, match="rows in memory cannot be sent"):
        turnmill.prepare(rows(3), "out", tokenizer=TOKENIZER, engine=engine)


def test_two_drivers_on_one_output(engine: Engine) -> None:
    from turnmill.storage import local

    Path("out/.turnmill").mkdir(parents=True)
    with (
        local.lock(Path("out/.turnmill/lock")),
        pytest.raises(turnmill.TurnmillError, match="is writing to this output") as caught,
    ):
        prepare("out", engine)
    assert caught.value.code == "output-locked"


def test_a_session_without_tasks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pyspark = pytest.importorskip("pyspark", reason="the extra `engines` is not installed")

    class Connect:
        """A session of Spark Connect, as it answers when its context is asked for."""

        @property
        def sparkContext(self) -> Any:  # noqa: N802
            raise pyspark.errors.PySparkAttributeError(
                errorClass="JVM_ATTRIBUTE_NOT_SUPPORTED", messageParameters={"attr_name": "x"}
            )

    monkeypatch.setattr(pyspark.SparkContext, "_active_spark_context", object())
    monkeypatch.setattr(pyspark.sql.SparkSession, "getActiveSession", Connect)
    with (
        pytest.raises(turnmill.ArgumentError, match="Spark Connect") as caught,
        opened("spark", None, None),
    ):
        pass
    assert "classic" in str(caught.value.hint)
