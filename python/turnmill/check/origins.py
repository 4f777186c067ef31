"""Whether the sources of an output are still what it was made from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from turnmill.inputs.content import range_digest
from turnmill.inputs.files import open_file
from turnmill.output.reader import Output


def lost_sources(output: Output) -> list[str]:
    """What became of each source that is gone or is different now; nothing of the others."""
    return list(_lost(output))


def _lost(output: Output) -> Iterator[str]:
    for item in output.record.get("inputs", []):
        name = str(item["name"])
        try:
            digest = _sha256(output.located(name))
        except OSError as error:
            is_gone = isinstance(error, FileNotFoundError)
            yield f"{name} is gone" if is_gone else f"{name} cannot be read"
        else:
            if not digest.startswith(item["key"].partition(".")[0]):
                yield f"{name} is different now"


def _sha256(place: str) -> str:
    if "://" not in place and not Path(place).is_file():
        raise FileNotFoundError(2, "no such file", place)
    with open_file(place) as file:
        return range_digest(file, [(0, file.size())]).hex()
