"""Checks what turnmill is made of, without a network: licences, sources, versions.

The policy for crates is in deny.toml, which ``cargo deny check`` reads too, that for Python in
pyproject.toml. cargo-deny takes minutes to build, so `.ci/run` runs this script instead. Whether a
crate was yanked is known from what cargo last fetched of the index. Known vulnerabilities are not
looked up: their list is on the network.

Prints what is wrong, one problem a line, and ends with 1 if there is any.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"
_WORDS = re.compile(r"\(|\)|[^\s()]+")
# What older wheels say instead of an SPDX expression.
_NAMES = {
    "Apache 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}


def is_allowed(expression: str, allowed: Iterable[str]) -> bool:
    """Whether an SPDX expression can be met with the licences that are allowed.

    >>> is_allowed("(MIT OR GPL-3.0) AND Unicode-3.0", ["MIT", "Unicode-3.0"])
    True
    >>> is_allowed("MIT AND GPL-3.0", ["MIT"])
    False
    """
    # Before there was a syntax, a slash meant "or".
    words = _WORDS.findall(expression.replace("/", " OR "))
    balanced = words.count("(") == words.count(")")
    return bool(words) and balanced and _either(words, set(allowed)) and not words


def _either(words: list[str], allowed: set[str]) -> bool:
    found = _both(words, allowed)
    while words and words[0].upper() == "OR":
        del words[0]
        found = _both(words, allowed) or found
    return found


def _both(words: list[str], allowed: set[str]) -> bool:
    found = _one(words, allowed)
    while words and words[0].upper() == "AND":
        del words[0]
        found = _one(words, allowed) and found
    return found


def _one(words: list[str], allowed: set[str]) -> bool:
    if not words:
        return False
    word = words.pop(0)
    if word == "(":
        found = _either(words, allowed)
        return bool(words) and words.pop(0) == ")" and found
    if len(words) > 1 and words[0].upper() == "WITH":
        word = f"{word} WITH {words[1]}"
        del words[:2]
    return word in allowed


@dataclass(frozen=True)
class Crate:
    """A crate of Cargo.lock."""

    name: str
    version: str
    source: str | None
    """``None`` for the crates of this repository."""
    checksum: str | None
    licence: str | None
    """``None`` if cargo does not know it, since the crate is for other platforms."""

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def crates(root: Path = ROOT) -> list[Crate]:
    """Every crate that the lock file names, for all platforms."""
    lock = tomllib.loads((root / "Cargo.lock").read_text("utf-8"))["package"]
    licences = _licences(root)
    return [
        Crate(
            one["name"],
            one["version"],
            one.get("source"),
            one.get("checksum"),
            licences.get((one["name"], one["version"])),
        )
        for one in lock
    ]


def _licences(root: Path) -> dict[tuple[str, str], str | None]:
    """The licences of the crates; of this platform's only, where no others were fetched."""
    command = ["cargo", "metadata", "--locked", "--offline", "--format-version", "1"]
    done = _run(command, root)
    if done.returncode != 0:
        host = re.search(r"^host: (.+)$", _run(["rustc", "-vV"], root).stdout, re.MULTILINE)
        done = _run([*command, "--filter-platform", host[1] if host else ""], root)
    if done.returncode != 0:
        sys.exit(done.stderr)
    packages = json.loads(done.stdout)["packages"]
    return {(one["name"], one["version"]): one["license"] for one in packages}


def _run(command: list[str], root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=root)


def crate_problems(
    found: list[Crate], policy: dict[str, Any], yanked: Callable[[Crate], bool]
) -> Iterator[str]:
    """What deny.toml does not allow."""
    banned = {one["crate"] for one in policy["bans"]["deny"]}
    for crate in found:
        if crate.name in banned:
            yield f"{crate} is banned"
        if crate.source is None:
            continue
        if crate.source != REGISTRY:
            yield f"{crate} is not from the registry but from {crate.source}"
        elif crate.checksum is None:
            yield f"{crate} has no checksum in Cargo.lock"
        elif yanked(crate):
            yield f"{crate} was yanked"
        if crate.licence and not is_allowed(crate.licence, policy["licenses"]["allow"]):
            yield f"{crate} has the licence {crate.licence}"
    yield from _duplicates(found, {one["crate"] for one in policy["bans"]["skip"]})


def _duplicates(found: list[Crate], skipped: set[str]) -> Iterator[str]:
    versions = defaultdict(list)
    for crate in found:
        if f"{crate.name}@{crate.version}" not in skipped:
            versions[crate.name].append(crate.version)
    for name, several in versions.items():
        if len(several) > 1:
            yield f"{name} is there in the versions {', '.join(several)}"


def is_yanked(crate: Crate) -> bool:
    """Whether cargo's copy of the index says so."""
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    for kept in home.glob(f"registry/index/*/.cache/{_index_path(crate.name.lower())}"):
        for line in kept.read_bytes().split(b"\0"):
            if line.startswith(b"{") and (entry := json.loads(line))["vers"] == crate.version:
                return bool(entry["yanked"])
    return False


def _index_path(name: str) -> str:
    """Where the registry keeps what it knows of a crate."""
    if len(name) < 4:
        return f"{len(name)}/{name[0] + '/' if len(name) == 3 else ''}{name}"
    return f"{name[:2]}/{name[2:4]}/{name}"


def wheels(requirements: Iterable[str]) -> list[importlib.metadata.Distribution]:
    """The installed wheels that these need, and what those need in turn."""
    found: dict[str, importlib.metadata.Distribution] = {}
    wanted = [(_name(one), one) for one in requirements]
    while wanted:
        name, requirement = wanted.pop()
        if name in found or "extra ==" in requirement:
            continue
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another platform or version of Python
        wanted += [(_name(one), one) for one in found[name].requires or []]
    return [found[name] for name in sorted(found)]


def _name(requirement: str) -> str:
    name = re.match(r"[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", name[0] if name else requirement).lower()


def wheel_licence(wheel: importlib.metadata.Distribution) -> str:
    """The licence of a wheel, as SPDX writes it if that can be known."""
    if said := wheel.metadata.get_all("License-Expression"):
        return str(said[0])
    kinds = [one.rpartition(" :: ")[2] for one in wheel.metadata.get_all("Classifier") or []]
    named = [_NAMES[kind] for kind in kinds if kind in _NAMES]
    text = str((wheel.metadata.get_all("License") or [""])[0]).strip()
    short = text if "\n" not in text else ""
    return " AND ".join(named) or _NAMES.get(short, short)


def wheel_problems(
    found: Iterable[importlib.metadata.Distribution], allowed: Iterable[str]
) -> Iterator[str]:
    """What pyproject.toml does not allow."""
    for wheel in found:
        name = f"{wheel.metadata['Name']} {wheel.version}"
        if wheel.read_text("direct_url.json"):
            yield f"{name} was not installed from an index"
        licence = wheel_licence(wheel)
        if not is_allowed(licence, allowed):
            yield f"{name} has the licence {licence or 'unknown'}"


def pin_problems(requirements: Iterable[str]) -> Iterator[str]:
    """Pinned requirements of which another version is installed, or that are not pinned."""
    for requirement in requirements:
        name, _, version = requirement.partition("==")
        if not version:
            yield f"{requirement} is not pinned"
        elif (installed := importlib.metadata.version(name)) != version:
            yield f"{name} is installed in version {installed}, and {version} is pinned"


def problems() -> list[str]:
    """Everything that is wrong."""
    policy = tomllib.loads((ROOT / "deny.toml").read_text("utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    allowed = project["tool"]["licenses"]
    needed, test = (
        project["project"]["dependencies"],
        project["project"]["optional-dependencies"]["test"],
    )
    return [
        *crate_problems(crates(), policy, is_yanked),
        *wheel_problems(wheels(needed), allowed["allow"]),
        *wheel_problems(wheels(test), [*allowed["allow"], *allowed["allow-in-tests"]]),
        *pin_problems(test),
    ]


def main() -> None:
    """Prints the problems."""
    found = problems()
    print("\n".join(found) or "licences, sources and versions are as they should be")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
