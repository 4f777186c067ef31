"""Settings of the whole test run.

Folders say what the tests prove: ``unit`` (one module's behaviour), ``parity`` (equal to an oracle
that is a wheel), ``property`` (holds for generated input), ``cli`` (text, exit codes, files),
``faults`` (broken input and machines), ``check`` (findings in finished data).
"""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

import fixtures

# Nothing may reach a network, and the oracles must not start threads of their own.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("NO_COLOR", "1")

settings.register_profile("fast", max_examples=50, deadline=None)
settings.register_profile("slow", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("TURNMILL_HYPOTHESIS_PROFILE", "fast"))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Says how many tests were skipped for lack of fixtures, so that a green run is read rightly."""
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if fixtures.SKIP_REASON in str(report.longrepr)
    ]
    if skipped:
        terminalreporter.write_line(
            f"{len(skipped)} tests or modules skipped: {fixtures.SKIP_REASON}"
        )
        if config.getoption("--fixtures") == "required" or fixtures.present():
            terminalreporter.write_line("error: they are required here", red=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds ``--fixtures required``, which makes a skip for lack of fixtures a failure."""
    parser.addoption(
        "--fixtures",
        choices=["optional", "required"],
        default="optional",
        help="required: fail where a test is skipped for lack of the shared fixtures",
    )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fails the run for skips that must not happen: fixtures are there, or were required."""
    required = session.config.getoption("--fixtures") == "required" or fixtures.present()
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not required or reporter is None:
        return
    if any(fixtures.SKIP_REASON in str(r.longrepr) for r in reporter.stats.get("skipped", [])):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
