"""Clusters of two machines, both of them here: one is lost, and slow calls get a second copy."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine_runs import EVERYTHING, Slowed, assert_same_bytes, prepare, write_inputs
from fixtures import ROOT
from turnmill.prepare.engines import Engine, Task, opened

pytestmark = [
    pytest.mark.timeout(300),
    # Sockets that Ray and Spark leave to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # Workers import the task of a test, so they look where pytest does.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "tests"), str(ROOT / "python")]))
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    write_inputs()


@dataclass(frozen=True)
class Losing:
    """An engine that loses a machine when it has made three shards."""

    engine: Engine
    lose: Callable[[], None]

    @property
    def threads(self) -> int | None:
        """Those of the engine."""
        return self.engine.threads

    def run(self, task: Task, items: Sequence[Any]) -> Iterator[Any]:
        """Calls the task and loses the machine."""
        for number, made in enumerate(self.engine.run(task, items)):
            if task.name == "shard" and number == 2:
                self.lose()
            yield made

    def close(self) -> None:
        """Does nothing: the engine is shared."""


def test_ray_loses_a_machine() -> None:
    ray = pytest.importorskip("ray", reason="the extra `engines` is not installed")
    from ray.cluster_utils import Cluster

    os.environ["RAY_AUTH_MODE"] = "disabled"
    size = {"num_cpus": 1, "object_store_memory": 100_000_000}
    # A machine that does not answer is given up in a second, not in a minute.
    health = {"period_ms": 200, "timeout_ms": 500, "failure_threshold": 3, "initial_delay_ms": 0}
    head = {
        **size,
        "include_dashboard": False,
        "_system_config": {f"health_check_{key}": value for key, value in health.items()},
    }
    lost: list[bool] = []

    def lose() -> None:
        cluster.remove_node(machine, allow_graceful=False)
        lost.append(True)

    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        machine = cluster.add_node(**size)
        with opened("ray", cluster.address, None) as engine:
            prepare("whole", **EVERYTHING)
            prepare("out", Losing(engine, lose), **EVERYTHING)
        assert lost
        assert_same_bytes()
    finally:
        ray.shutdown()
        cluster.shutdown()


def test_spark_copies_a_slow_call_and_loses_a_machine(tmp_path: Path) -> None:
    pyspark = pytest.importorskip("pyspark", reason="the extra `engines` is not installed")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java: apt-get install openjdk-17-jre-headless")
    with machines(Path(pyspark.__file__).parent, tmp_path) as (address, lost):
        speculation = {"interval": "100ms", "multiplier": "1.1", "quantile": "0.1"}
        builder = pyspark.sql.SparkSession.builder.master(address)
        builder = builder.config("spark.executor.memory", "512m").config("spark.ui.enabled", False)
        builder = builder.config("spark.speculation", True)
        for key, value in speculation.items():
            builder = builder.config(f"spark.speculation.{key}", value)
        session = builder.getOrCreate()
        try:
            with opened("spark", None, None) as engine:
                prepare("whole", **EVERYTHING)
                # The call that hangs would outlast this test: only its copy ends.
                prepare("out", Slowed(engine, str(tmp_path / "slow")), **EVERYTHING)
                assert_same_bytes()
                assert (tmp_path / "slow").exists()
                shutil.rmtree("out")
                prepare("out", Losing(engine, lost), **EVERYTHING)
                assert_same_bytes()
        finally:
            session.stop()


@contextlib.contextmanager
def machines(home: Path, place: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """A master and two workers of Spark; the address, and what kills one of the workers.

    The workers have addresses of their own: Spark starts a copy only on another machine.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"spark://127.0.0.1:{port}"
    started: list[subprocess.Popen[bytes]] = []

    def start(kind: str, host: str, *words: str) -> None:
        name = f"org.apache.spark.deploy.{kind}"
        keys = {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": host}
        started.append(
            subprocess.Popen(
                [home / "bin" / "spark-class", name, "--host", host, "--webui-port", "0", *words],
                env={**os.environ, **keys},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )

    def kill(process: subprocess.Popen[bytes]) -> None:
        """Kills the process and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    try:
        start("master.Master", "127.0.0.1", "--port", str(port))
        for number in (2, 3):
            folder = place / f"worker{number}"
            size = ["--cores", "1", "--memory", "600m", "-d", str(folder)]
            start("worker.Worker", f"127.0.0.{number}", *size, address)
        yield address, lambda: kill(started[1])
    finally:
        for process in started:
            kill(process)
