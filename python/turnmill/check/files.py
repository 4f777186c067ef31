"""Every file of an output, against the manifest: in seconds, without encoding anything again."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from turnmill._terminal import Terminal, count, silent, terminal, visible, wrap
from turnmill.errors import DataError
from turnmill.output.manifest import Entry, read_manifest
from turnmill.output.reader import not_an_output
from turnmill.packing.packs import INDEX, RECORD, pack_directories
from turnmill.storage import MANIFEST, STAGING
from turnmill.storage.listing import Kind, walk
from turnmill.storage.local import file_sha256, file_size, refuse_locked
from turnmill.storage.remote import AnyPath, output_path
from turnmill.storage.sealed import read_sealed

AGAIN = "run the same `turnmill prepare` again: it makes what is damaged again and keeps the rest"
MISSING, CHANGED = "is missing", "was changed after it was written"
_LOADED = "is not turnmill's, and would be loaded as data"
_SHOWN = 20
_LOCK = f"{STAGING}/lock"
_DATA = ("data-", "index-")


_REPORT = "report.html"
"""What `turnmill report` writes: it may be written again at any time."""


@dataclass(frozen=True)
class FileCheck:
    """The files of an output, each intact, damaged or not turnmill's."""

    path: str
    intact: list[str] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)
    """What is wrong with each file that is not what was written, by its name."""
    foreign: list[str] = field(default_factory=list)
    """Files that nothing vouches for: somebody else's, or made later."""

    @property
    def ok(self) -> bool:
        """Whether every file is what was written."""
        return not self.damaged

    @property
    def damages_samples(self) -> bool:
        """Whether a file is damaged that the samples or their origin are read from."""
        names = [name.rpartition("/")[2] for name in self.damaged]
        return any(name.startswith((*_DATA, "rejects", "turnmill.json")) for name in names)

    def to_dict(self) -> dict[str, Any]:
        """As ``turnmill check --files --json`` prints it."""
        return {
            "ok": self.ok,
            "intact": len(self.intact),
            "damaged": self.damaged,
            "foreign": self.foreign,
        }

    def trusted(self, console: Terminal | None = None) -> str:
        """What is left that can be trusted; in English unless it is for a terminal."""
        say = (console or silent()).say
        if not self.intact:
            return say("nothing vouches for the other files until then")
        data = [name for name in self.intact if name.rpartition("/")[2].startswith("data-")]
        bad = [name for name in self.damaged if name.rpartition("/")[2].startswith("data-")]
        samples = (
            say("{count} of {all} data files", count=len(data), all=len(data) + len(bad))
            if bad
            else say("every data file")
        )
        return say(
            "{count} of {all} files are intact, {samples} among them",
            count=count(len(self.intact)),
            all=count(len(self.intact) + len(self.damaged)),
            samples=samples,
        )

    def draw(self, console: Terminal) -> str:
        """The verdict and the files, for a terminal."""
        return "\n".join(self._lines(console))

    def _lines(self, console: Terminal) -> Iterator[str]:
        say, colon = console.say, console.say(": ")
        if self.ok:
            all_ = say("all {count} files are what was written", count=count(len(self.intact)))
            yield f"{console.style(say('ok'), 'bold', 'green')}{colon}{all_}"
        else:
            yield console.style(say("not ok"), "bold", "red") + colon + self._number(console)
            for name, what in list(self.damaged.items())[:_SHOWN]:
                yield f"  {visible(name)} {say(what)}"
            if len(self.damaged) > _SHOWN:
                yield f" {say(' and {count} more', count=count(len(self.damaged) - _SHOWN))}"
            yield from wrap(f"  {self.trusted(console)}", console.width, indent="  ")
            yield from wrap(say("hint") + colon + say(AGAIN), console.width, indent="  ")
        if self.foreign:
            note = say("note") + colon + visible(self.note(console))
            yield from wrap(note, console.width, indent="      ")

    def _number(self, console: Terminal) -> str:
        if len(self.damaged) == 1:
            return console.say("1 file is not what was written")
        return console.say("{count} files are not what was written", count=count(len(self.damaged)))

    def note(self, console: Terminal | None = None) -> str:
        """What is said of files that nothing vouches for."""
        say = (console or silent()).say
        text = say("not in the manifest: {files}", files=", ".join(self.foreign[:_SHOWN]))
        more = len(self.foreign) - _SHOWN
        return text + (say(" and {count} more", count=count(more)) if more > 0 else "")

    def __str__(self) -> str:
        return self.draw(terminal(sys.stdout, colour=False))


def compare_files(output: str | os.PathLike[str], threads: int | None) -> FileCheck:
    """Does the work of :func:`turnmill.check_files`."""
    place = output_path(output)
    if not (place / STAGING).is_dir() and not (place / MANIFEST).is_file():
        hint = "--files compares an output with its manifest; leave it out for other data"
        raise DataError(not_an_output(place), code="no-output", path=str(place), hint=hint)
    refuse_locked(place / _LOCK)
    found = dict(walk(place))
    checked = _Checked(place, found, threads)
    checked.add("")
    for pack in pack_directories(place):
        if any((pack / name).is_file() for name in (MANIFEST, RECORD, INDEX, "state.json")):
            checked.add(f"{pack.name}/")
    refuse_locked(place / _LOCK)
    return checked.result()


class _Checked:
    """The directories that were compared so far."""

    def __init__(self, place: AnyPath, found: dict[str, Kind], threads: int | None) -> None:
        self._place = place
        self._found = found
        self._threads = threads or os.cpu_count() or 1
        self._known = {_LOCK}
        self._intact: list[str] = []
        self._damaged: dict[str, str] = {}

    def add(self, prefix: str) -> None:
        """Compares a directory that has a manifest of its own."""
        directory = self._place / prefix.rstrip("/") if prefix else self._place
        manifest = f"{prefix}{MANIFEST}"
        self._known.add(manifest)
        if (kind := self._found.get(manifest, "file")) != "file":
            self._damaged[manifest] = f"is a {kind} now"
            return
        try:
            entries = read_manifest(directory)
        except DataError as error:
            self._damaged[manifest] = str(error).removeprefix("the file ")
            return
        if entries is None:
            self._damaged[manifest] = f"{MISSING}: the run was stopped before its end"
            return
        self._known |= {f"{prefix}{name}" for name in entries}
        with ThreadPoolExecutor(self._threads) as pool:
            told = pool.map(lambda item: self._what(f"{prefix}{item[0]}", item[1]), entries.items())
            for name, what in zip(entries, told, strict=True):
                if what is None:
                    self._intact.append(f"{prefix}{name}")
                else:
                    self._damaged[f"{prefix}{name}"] = what

    def _what(self, name: str, entry: Entry | None) -> str | None:
        """What is wrong with a file."""
        kind = self._found.get(name)
        if kind is None:
            return MISSING
        if kind != "file":
            return f"is a {kind} now" if kind != "other" else "is not a file any more"
        path = self._place / name
        if entry is None:
            return _unsealed(path)
        if (size := file_size(path)) != entry.size:
            return f"has {size:,} bytes, and had {entry.size:,} when it was written"
        return None if file_sha256(path) == entry.sha256 else CHANGED

    def result(self) -> FileCheck:
        """All of them, and the files that none of them lists."""
        unknown = sorted(self._found.keys() - self._known)
        if not self._intact:
            unknown = []  # nothing says which files are turnmill's
        loaded = {name for name in unknown if self._is_loaded(name)}
        damaged = {**self._damaged, **dict.fromkeys(sorted(loaded), _LOADED)}
        foreign = [name for name in unknown if name not in loaded and name != _REPORT]
        return FileCheck(str(self._place), sorted(self._intact), damaged, foreign)

    def _is_loaded(self, name: str) -> bool:
        """Whether loaders take it for data: they are told to take every ``data-*.parquet``."""
        place, start, end = name.rpartition("data-")
        return (
            bool(start)
            and "/" not in end
            and end.endswith(".parquet")
            and any(known.startswith(f"{place}data-") for known in self._known)
        )


def _unsealed(path: AnyPath) -> str | None:
    try:
        return MISSING if read_sealed(path) is None else None
    except DataError as error:
        return str(error).removeprefix("the file ")
