"""Prints a CycloneDX list of what an installed turnmill is made of.

The crates are those of the extension module, from Cargo.lock with their checksums; the wheels those
that pyproject.toml needs, in the versions that are installed. Equal inputs give equal bytes: there
is no time in it, and its serial number is a hash of the rest.
"""

from __future__ import annotations

import json
import tomllib
import uuid
from collections.abc import Iterable
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

from supply_chain import ROOT, Crate, crates, wheel_licence, wheels

_EXTENSION = "turnmill-py"
Component = dict[str, Any]


def shipped(found: Iterable[Crate], root: Path = ROOT) -> list[Crate]:
    """The crates that the extension module is built from; tests and benches need others."""
    lock = tomllib.loads((root / "Cargo.lock").read_text("utf-8"))["package"]
    needs = {_reference(one): one.get("dependencies", []) for one in lock}
    versions: dict[str, list[str]] = {}
    for one in lock:
        versions.setdefault(one["name"], []).append(_reference(one))
    own = _own_needs(root)
    wanted, seen = [versions[_EXTENSION][0]], set()
    while wanted:
        reference = wanted.pop()
        if reference in seen:
            continue
        seen.add(reference)
        name = reference.partition(" ")[0]
        wanted += [
            need if " " in need else versions[need][0]
            for need in needs[reference]
            if name not in own or need.partition(" ")[0] in own[name]
        ]
    return [crate for crate in found if str(crate) in seen]


def _reference(package: dict[str, Any]) -> str:
    return f"{package['name']} {package['version']}"


def _own_needs(root: Path) -> dict[str, set[str]]:
    """What our own crates need outside their tests; the lock file does not tell these apart."""
    found = {}
    for manifest in root.glob("rust/*/Cargo.toml"):
        read = tomllib.loads(manifest.read_text("utf-8"))
        needs = {**read.get("dependencies", {}), **read.get("build-dependencies", {})}
        found[read["package"]["name"]] = set(needs)
    return found


def document(root: Path = ROOT) -> dict[str, Any]:
    """The list."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    version = tomllib.loads((root / "Cargo.toml").read_text("utf-8"))["workspace"]["package"]
    components = [
        *(_crate(crate) for crate in shipped(crates(root), root)),
        *(_wheel(wheel) for wheel in wheels(project["dependencies"])),
    ]
    itself = {
        "type": "library",
        "bom-ref": "turnmill",
        "name": project["name"],
        "version": version["version"],
        "licenses": [{"expression": project["license"]}],
        "purl": f"pkg:pypi/{project['name']}@{version['version']}",
    }
    body = {"metadata": {"component": itself}, "components": components}
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(body, sort_keys=True))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        **body,
    }


def _crate(crate: Crate) -> Component:
    reference = f"pkg:cargo/{crate.name}@{crate.version}"
    checksum = [{"alg": "SHA-256", "content": crate.checksum}] if crate.checksum else []
    licence = crate.licence and crate.licence.replace(" / ", " OR ").replace("/", " OR ")
    return _component(crate.name, crate.version, reference, licence, checksum)


def _wheel(wheel: Distribution) -> Component:
    name = wheel.metadata["Name"]
    reference = f"pkg:pypi/{name.lower()}@{wheel.version}"
    return _component(name, wheel.version, reference, wheel_licence(wheel), [])


def _component(
    name: str, version: str, reference: str, licence: str | None, hashes: list[dict[str, str]]
) -> Component:
    return {
        "type": "library",
        "bom-ref": reference,
        "name": name,
        "version": version,
        **({"licenses": [{"expression": licence}]} if licence else {}),
        **({"hashes": hashes} if hashes else {}),
        "purl": reference,
    }


if __name__ == "__main__":
    print(json.dumps(document(), indent=2))
