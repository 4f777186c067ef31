"""Which files of an output are turnmill's.

The name of every file is recorded before the file is written, so that whatever happens to a run,
what it left is known. Only recorded names are ever replaced or removed.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from turnmill.errors import DataError
from turnmill.storage import MANIFEST, STAGING
from turnmill.storage.listing import Kind, listing, refuse_link
from turnmill.storage.local import TEMPORARY_PREFIX
from turnmill.storage.remote import AnyPath
from turnmill.storage.sealed import read_sealed, write_sealed

NAMES = f"{STAGING}/names.json"
_TEMPORARY = re.compile(rf"{re.escape(TEMPORARY_PREFIX)}(.+)-[0-9a-f]{{8}}")


def recorded_names(output: AnyPath) -> set[str]:
    """The names of all files that runs wrote or were about to write, relative to the output.

    Raises:
        DataError: The file that says so is damaged.
    """
    return set((read_sealed(output / NAMES) or {"names": []})["names"])


def restore_names(output: AnyPath) -> None:
    """Makes the file of the names again if it is lost: of a finished output manifests know them.

    Raises:
        DataError: It is damaged, and there is no manifest.
    """
    try:
        if read_sealed(output / NAMES) is not None:
            return
    except DataError as error:
        if not (found := _vouched_names(output)):
            what = "nothing says any more which files of this one turnmill wrote"
            hint = f"use another directory: {what}"
            raise DataError(str(error), code=error.code, path=error.path, hint=hint) from None
    else:
        found = _vouched_names(output)
    if found:
        _write(output, found)


def _vouched_names(output: AnyPath) -> set[str]:
    """The names of the files of which the output's manifest or that of a pack in it knows."""
    places = [name for name, kind in listing(output).items() if kind == "directory"]
    found = set()
    for place in ["", *places]:
        with contextlib.suppress(DataError):
            manifest = read_sealed(_inside(output, place) / MANIFEST)
            if manifest is not None:
                found |= {_joined(place, name) for name in [*manifest["files"], MANIFEST]}
    return found


def record_names(output: AnyPath, names: Iterable[str]) -> None:
    """Records names before files are written under them.

    Raises:
        DataError: Something that turnmill did not write stands at one of them, or a link leads
            elsewhere.
    """
    wanted = set(names)
    refuse_strangers(output, wanted)
    ours = recorded_names(output)
    if not wanted <= ours:
        _write(output, ours | wanted)


def forget_names(output: AnyPath, kept: Iterable[str]) -> None:
    """Removes every recorded file but those ``kept``, and the directories that are empty then."""
    ours, kept = recorded_names(output), set(kept)
    # The plan last: a receipt without it would not say of which recipe it is.
    for name in sorted(ours - kept, reverse=True):
        (output / name).unlink(missing_ok=True)
    for name in sorted({_parent(name) for name in ours - kept} - {"", STAGING}, reverse=True):
        if isinstance(directory := output / name, Path):
            with contextlib.suppress(OSError):  # it is gone, or holds somebody else's file
                directory.rmdir()
    if not ours <= kept:
        _write(output, ours & kept)


def remove_left_over(output: AnyPath) -> None:
    """Removes temporary files of a killed run. Only for the holder of the lock."""
    ours = recorded_names(output)
    for place in _by_place(ours).keys() - {STAGING}:
        for name in listing(_inside(output, place)):
            found = _TEMPORARY.fullmatch(name)
            if found and _joined(place, found[1]) in ours:
                (_inside(output, place) / name).unlink(missing_ok=True)
    for name, kind in listing(output / STAGING).items():
        if name.startswith(TEMPORARY_PREFIX):
            _remove(output / STAGING / name, kind)


def _remove(path: AnyPath, kind: Kind) -> None:
    if kind == "directory" and isinstance(path, Path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def refuse_strangers(output: AnyPath, names: set[str]) -> None:
    """Refuses what turnmill did not write where files with these names belong, and any link.

    Raises:
        DataError: There is some.
    """
    ours = recorded_names(output)
    for place, inside in _by_place(names | ours).items():
        directory = _inside(output, place)
        if place:
            refuse_link(directory)
            _refuse_file(directory)
        there = listing(directory)
        for name in sorted(inside & there.keys()):
            refuse_link(directory / name)
            if _joined(place, name) not in ours or there[name] != "file":
                raise _in_the_way(directory / name)


def _by_place(names: set[str]) -> dict[str, set[str]]:
    """The files of each directory; those of the directories above it come first."""
    places: dict[str, set[str]] = {}
    for name in names:
        place = _parent(name)
        places.setdefault(place, set()).add(PurePosixPath(name).name)
        while place:
            place = _parent(place)
            places.setdefault(place, set())
    return dict(sorted(places.items()))


def _refuse_file(directory: AnyPath) -> None:
    if directory.exists() and not directory.is_dir():
        raise _in_the_way(directory)


def _in_the_way(path: AnyPath) -> DataError:
    return DataError(
        "something that turnmill did not write stands where a file of the output belongs",
        code="output-exists",
        path=str(path),
        hint="move it elsewhere, or use another directory",
    )


def _write(output: AnyPath, names: set[str]) -> None:
    write_sealed(output / NAMES, {"names": sorted(names)})


def _parent(name: str) -> str:
    place = str(PurePosixPath(name).parent)
    return "" if place == "." else place


def _inside(output: AnyPath, place: str) -> AnyPath:
    return output / place if place else output


def _joined(place: str, name: str) -> str:
    return f"{place}/{name}" if place else name
