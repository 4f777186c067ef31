"""What turnmill is made of: the policy is kept, and each breach of it would be seen."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tomllib

import pytest
import sbom
import supply_chain
from supply_chain import Crate, crate_problems, is_allowed

from fixtures import ROOT

POLICY = tomllib.loads((ROOT / "deny.toml").read_text("utf-8"))
GOOD = Crate("memchr", "2.8.0", supply_chain.REGISTRY, "00" * 32, "MIT")

pytestmark = pytest.mark.skipif(shutil.which("cargo") is None, reason="needs cargo")


def test_licences_sources_and_versions_are_as_they_should_be() -> None:
    assert supply_chain.problems() == []


def test_there_is_something_to_check() -> None:
    named = {crate.name for crate in supply_chain.crates() if crate.licence}
    assert named > {"pyo3", "rayon", "tokenizers", "turnmill-core"}
    needed = supply_chain.wheels(["jinja2>=3", "numpy", "pyarrow"])
    assert [wheel.metadata["Name"] for wheel in needed] == [
        "Jinja2",
        "MarkupSafe",
        "numpy",
        "pyarrow",
    ]


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("MIT/Apache-2.0", True),
        ("GPL-3.0 OR MIT", True),
        ("GPL-3.0 AND MIT", False),
        ("(GPL-3.0 OR MIT) AND Zlib", True),
        ("GPL-3.0 OR MIT AND Zlib", True),
        ("MIT AND (GPL-3.0 OR LGPL-2.1)", False),
        ("Apache-2.0 WITH LLVM-exception", False),
        ("", False),
        ("MIT OR (Zlib", False),
        ("MIT Zlib", False),
    ],
)
def test_expressions_of_licences(expression: str, allowed: bool) -> None:
    assert is_allowed(expression, ["MIT", "Zlib"]) is allowed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, []),
        ({"licence": "GPL-3.0-only"}, ["memchr 2.8.0 has the licence GPL-3.0-only"]),
        (
            {"source": "git+https://example.com/memchr"},
            ["memchr 2.8.0 is not from the registry but from git+https://example.com/memchr"],
        ),
        ({"checksum": None}, ["memchr 2.8.0 has no checksum in Cargo.lock"]),
        ({"version": "1.0.0"}, ["memchr 1.0.0 was yanked"]),
        ({"name": "tokio"}, ["tokio 2.8.0 is banned"]),
    ],
)
def test_a_crate_that_is_not_allowed(change: dict[str, str | None], said: list[str]) -> None:
    crate = dataclasses.replace(GOOD, **change)
    found = crate_problems([crate], POLICY, lambda crate: crate.version == "1.0.0")
    assert list(found) == said


def test_a_crate_in_two_versions() -> None:
    two = [GOOD, dataclasses.replace(GOOD, version="1.0.0")]
    assert list(crate_problems(two, POLICY, lambda _: False)) == [
        "memchr is there in the versions 2.8.0, 1.0.0"
    ]


def test_the_list_of_components_is_the_same_each_time() -> None:
    once, again = sbom.document(), sbom.document()
    assert json.dumps(once) == json.dumps(again)
    names = {component["name"] for component in once["components"]}
    assert names > {"pyo3", "turnmill-bpe", "numpy", "MarkupSafe"}
    assert not names & {"proptest", "turnmill-bench", "pytest"}, "what only tests need"
    for component in once["components"]:
        ours = component["name"].startswith("turnmill-")
        assert ours or "pypi" in component["purl"] or len(component["hashes"][0]["content"]) == 64
