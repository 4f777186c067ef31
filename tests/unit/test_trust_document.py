"""docs/trust.md names a test for each promise."""

from __future__ import annotations

import re

import pytest

from fixtures import ROOT

TEXT = (ROOT / "docs" / "trust.md").read_text("utf-8")
TABLE = TEXT.partition("## Promised\n")[2].partition("\n## ")[0]
PROMISES = re.findall(r"^\| (?!promise|---)(.+?) \| (.+?) \|$", TABLE, re.MULTILINE)


@pytest.mark.parametrize(("promise", "test"), PROMISES)
def test_a_promise_has_its_test(promise: str, test: str) -> None:
    file, _, name = test.strip("`").partition("::")
    assert f"def {name}(" in (ROOT / file).read_text("utf-8"), promise


def test_there_are_promises() -> None:
    assert len(PROMISES) > 10
