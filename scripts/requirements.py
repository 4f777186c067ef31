"""Print requirements of pyproject.toml, one per line.

Arguments: names of extras, ``dependencies``, ``build-system``.
"""

import sys
import tomllib
from pathlib import Path


def requirements(names: list[str]) -> list[str]:
    """The requirements of the groups ``names``, in order."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
    groups: dict[str, list[str]] = {
        **project["project"]["optional-dependencies"],
        "build-system": project["build-system"]["requires"],
        "dependencies": project["project"]["dependencies"],
    }
    return [requirement for name in names for requirement in groups[name]]


if __name__ == "__main__":
    print("\n".join(requirements(sys.argv[1:])))
