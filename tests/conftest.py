"""Settings of the whole test run.

Folders say what the tests prove: ``unit`` (one module's behaviour), ``parity`` (equal to an oracle
that is a wheel), ``property`` (holds for generated input), ``cli`` (text, exit codes, files),
``faults`` (broken input and machines), ``check`` (findings in finished data).
"""

from __future__ import annotations

import ctypes
import gc
import os
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

import fixtures

# Nothing may reach a network, and the oracles must not start threads of their own.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("NO_COLOR", "1")
# What is said is compared in English, also on the machine of somebody who reads Chinese.
if any(os.environ.get(name, "").startswith("zh") for name in ("LC_ALL", "LC_MESSAGES", "LANG")):
    os.environ["LC_ALL"] = "C.UTF-8"
# Verdicts of the tokenizer's self-check are kept for one run of the tests, by all its processes.
if "PYTEST_XDIST_WORKER" not in os.environ:
    _cache = tempfile.TemporaryDirectory(prefix="turnmill-tests-")
    os.environ["XDG_CACHE_HOME"] = _cache.name
# Processes that tests start do not repeat that the build is a debug build.
os.environ.setdefault("PYTHONWARNINGS", "ignore:turnmill was built without optimisation")

# A run in CI tries the same examples each time, and a busy machine fails no test for being slow.
_steady: dict[str, Any] = {
    "deadline": None,
    "derandomize": "CI" in os.environ,
    "suppress_health_check": [HealthCheck.too_slow],
}
settings.register_profile("fast", max_examples=50, **_steady)
settings.register_profile("slow", max_examples=2000, **_steady)
settings.load_profile(os.environ.get("TURNMILL_HYPOTHESIS_PROFILE", "fast"))


@pytest.fixture(autouse=True, scope="module")
def _caches_end_with_their_module(request: pytest.FixtureRequest) -> Iterator[None]:
    """Oracles and rows that a module keeps take gigabytes, and its tests alone need them."""
    yield
    for kept in vars(request.module).values():
        if hasattr(kept, "cache_clear"):
            kept.cache_clear()
    fixtures.forget()
    gc.collect()
    # What was freed in small pieces is kept by the allocator of glibc unless it is asked.
    getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)(0)


def _skipped_for_fixtures(reporter: pytest.TerminalReporter) -> int:
    reports = reporter.stats.get("skipped", [])
    return sum(fixtures.SKIP_REASON in str(report.longrepr) for report in reports)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how many tests were skipped for lack of fixtures: green is not the same as tested."""
    skipped = _skipped_for_fixtures(terminalreporter)
    if skipped:
        terminalreporter.write_line(f"{skipped} tests or modules skipped: {fixtures.SKIP_REASON}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fails the run where a test was skipped for lack of fixtures that are there."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and fixtures.present() and _skipped_for_fixtures(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
