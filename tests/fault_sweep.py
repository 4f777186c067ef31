"""Breaks the system calls of a command one by one, and looks at what is left.

For each call, the command runs once with the fault and once more without. A fault is either not
felt, and the files are those of a run without it; or it ends the command with an error that says
what to do; or it kills. In no case does anything look finished that is not, and the second run ends
with the bytes of a run that met no fault.

This is a program that starts no thread: it imports what the command needs, and forks for each run.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import failing_store
import file_calls
from file_calls import KILL, SHORT, TORN, calls

HOWS: dict[str, tuple[int, ...]] = {
    "open": (errno.EIO, errno.EMFILE, errno.EINTR, KILL),
    "create": (errno.EIO, errno.ENOSPC, errno.EINTR, KILL),
    "open-to-write": (errno.EIO, errno.EINTR, KILL),
    "read": (errno.EIO, errno.EINTR, SHORT, KILL),
    "mmap": (errno.EIO, errno.ENOMEM, KILL),
    "write": (errno.EIO, errno.ENOSPC, errno.EINTR, SHORT, TORN, KILL),
    "fsync": (errno.EIO, errno.ENOSPC, errno.EINTR, KILL),
    "close": (errno.EIO, KILL),
    "rename": (errno.EIO, errno.ENOSPC, KILL),
    "link": (errno.EIO, errno.ENOSPC, KILL),
    "unlink": (errno.EIO, errno.EINTR, KILL),
    "truncate": (errno.EIO, errno.EINTR, KILL),
    "mkdir": (errno.EIO, errno.ENOSPC, KILL),
}
"""What each kind of call can meet. Of calls that are not here, such as of sockets, there are none
below a directory."""
_DONE = ("is not empty, and nothing in it is replaced", "there are no parts here")
"""What commands say that have done their work before."""
_MODULES = "modules.txt"
_BETWEEN = {"names.json", "rejects.parquet"}
"""Files that a run writes more than once, each time whole."""
_HANGS = 60
"""Seconds after which a command that takes half of one is taken to hang, and is ended."""
NAMES = {SHORT: "short", TORN: "torn", KILL: "kill", **failing_store.NAMES}
_UNEQUAL = {"run.json", "lock", "report.html"}
"""Files that tell when and how a run was made, and a lock, which is empty or names a process."""

_UNCOMPARED = "the samples are not compared with their sources: "
"""How a check says, in a note, that a source could not be read."""


@dataclass(frozen=True)
class Fault:
    """One call that goes wrong."""

    kind: str = ""
    at: int = -1
    how: int = 0

    def __str__(self) -> str:
        return f"{NAMES.get(self.how) or errno.errorcode[self.how]} at {self.kind} {self.at}"


@dataclass
class Figures:
    """What became of the faults of a sweep."""

    faults: int = 0
    unfelt: int = 0
    """The command went on, and its files are those of a run without the fault."""
    errors: int = 0
    """It ended with an error that says what to do."""
    killed: int = 0
    missed: int = 0
    """The call did not come: which calls a run makes may depend on its threads."""
    kinds: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    """What must not be, each with its fault."""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    told: str
    printed: str


State = dict[str, str]


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def state(place: Path) -> State:
    """The hash of every file below a directory, by name."""
    return {
        str(path.relative_to(place)): _hash(path)
        for path in sorted(place.rglob("*"))
        if path.is_file() and path.name not in _UNEQUAL
    }


def forked(words: list[str], place: Path, before: Callable[[], None]) -> Done:
    """Runs the command in a child of this process, which has imported all of turnmill."""
    out, err = place.parent / "out.txt", place.parent / "err.txt"
    child = os.fork()
    if child == 0:
        _become(words, place, before, out, err)
    _, status = os.waitpid(child, 0)
    return Done(os.waitstatus_to_exitcode(status), err.read_text(), out.read_text())


def _become(
    words: list[str], place: Path, before: Callable[[], None], out: Path, err: Path
) -> None:
    """The child: never returns."""
    from turnmill.cli import main

    code = 70
    signal.alarm(_HANGS)
    try:
        for path, number in ((out, 1), (err, 2)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        os.chdir(place)
        before()
        code = main(words)
        (place.parent / _MODULES).write_text("\n".join(sys.modules))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _import(names: Path) -> None:
    """Imports once what a run has imported, before the others fork."""
    for name in names.read_text().splitlines():
        if name.startswith(("turnmill.", "pyarrow.", "numpy.", "fsspec.")):
            with contextlib.suppress(ImportError):
                importlib.import_module(name)


class Sweep:
    """The faults of one command.

    Args:
        words: The command.
        begun: The directory that it starts in.
        folder: Where it works.
    """

    def __init__(self, words: list[str], begun: Path, folder: Path) -> None:
        self._words = words
        self._in_store = any("fsspec+objects://" in word for word in words)
        self._begun = begun
        self._place = folder / "case"
        self._log = folder / "calls.log"
        self.figures = Figures()
        self._reset()
        self._old = state(self._place)
        self._run(Fault())
        _import(folder / _MODULES)
        self._reset()
        self._whole = self._run(Fault())
        self._new = state(self._place)
        self.calls = calls(self._log)
        if self._whole.code != 0:
            raise AssertionError(self._whole)

    def _reset(self) -> None:
        shutil.rmtree(self._place, ignore_errors=True)
        shutil.copytree(self._begun, self._place)

    def _run(self, fault: Fault) -> Done:
        self._log.unlink(missing_ok=True)
        # A full disk stays full, and a process that may open no more files may not later either.
        sticks = fault.how in {errno.ENOSPC, errno.EMFILE}

        def before() -> None:
            if self._in_store:
                failing_store.arm(self._log, fault.kind, fault.at, fault.how)
            else:
                file_calls.arm(
                    self._place, self._log, fault.kind, fault.at, fault.how, sticks=sticks
                )

        return forked(self._words, self._place, before)

    def faults(self) -> list[Fault]:
        """All of them."""
        hows = failing_store.HOWS if self._in_store else HOWS
        counts = Counter(kind for kind, _ in self.calls if kind in hows)
        return [
            Fault(kind, at, how)
            for kind, count in counts.items()
            for how in hows[kind]
            for at in range(count)
        ]

    def meet(self, fault: Fault) -> None:
        """Runs the command with a fault, looks, and runs it again."""
        self._reset()
        done = self._run(fault)
        where = [path for kind, path in calls(self._log) if kind.startswith("!")]
        if not where:
            self.figures.missed += 1
            return
        self.figures.faults += 1
        self.figures.kinds[fault.kind] = self.figures.kinds.get(fault.kind, 0) + 1
        found = [*self._judged(done), *self._looked()]
        again = self._run(Fault())
        found += self._resumed(again)
        about = f"{fault} ({where[0].removeprefix(str(self._place))})"
        self.figures.wrong += [f"{about}: {what}" for what in found]

    def _judged(self, done: Done) -> Iterator[str]:
        """What is wrong with how the command ended."""
        if done.code == -signal.SIGKILL:
            self.figures.killed += 1
        elif done.code == 0 and _UNCOMPARED in done.printed and state(self._place) == self._new:
            self.figures.errors += 1
        elif done.code == 0:
            self.figures.unfelt += 1
            if state(self._place) != self._new or done.printed != self._whole.printed:
                yield f"unnoticed: {self._difference()}"
        else:
            self.figures.errors += 1
            yield from self._unclear(done)

    def _unclear(self, done: Done) -> Iterator[str]:
        if done.code not in {1, 2} or "Traceback" in done.told:
            yield f"exit {done.code}: {done.told}"
        elif not (done.told.startswith("error: ") and "\nhint: " in done.told):
            yield f"says only: {done.told or done.printed}"

    def _looked(self) -> Iterator[str]:
        """What looks finished and is not."""
        for name, digest in state(self._place).items():
            known = {self._old.get(name), self._new.get(name)} - {None}
            # What is known to neither waits in `.turnmill` until the end.
            if known and digest not in known and name.rpartition("/")[2] not in _BETWEEN:
                yield f"half-written: {name}"
        for manifest in self._place.rglob("manifest.json"):
            yield from _unfounded(manifest)

    def _resumed(self, again: Done) -> Iterator[str]:
        """What is wrong after the second run."""
        there = again.code == 1 and any(text in again.told for text in _DONE)
        if again.code != 0 and not there:
            yield f"the second run ends with {again.code}: {again.told}"
        elif state(self._place) != self._new:
            yield f"after the second run: {self._difference()}"
        if left := [str(path) for path in self._place.rglob("*.tmp-*")]:
            yield f"left: {left}"

    def _difference(self) -> str:
        now = state(self._place)
        names = sorted(now.keys() | self._new.keys())
        return f"{[name for name in names if now.get(name) != self._new.get(name)]}"


def _unfounded(manifest: Path) -> Iterator[str]:
    """Files that a manifest vouches for and that are not what it says."""
    for name, entry in json.loads(manifest.read_text())["files"].items():
        file = manifest.parent / name
        if not file.exists() or (entry and _hash(file) != entry["sha256"]):
            yield f"{manifest} vouches for {name}"


def spread(found: list[Fault], most: int | None) -> list[Fault]:
    """So many faults, from all over the kinds, forms and calls."""
    if most is None or len(found) <= most:
        return found
    return [found[i * (len(found) - 1) // (most - 1)] for i in range(most)]


def sweep(words: list[str], begun: Path, folder: Path, most: int | None) -> Figures:
    """The figures of a command; of at most so many faults."""
    made = Sweep(words, begun, folder)
    for fault in spread(made.faults(), most):
        made.meet(fault)
    return made.figures


def started(
    library: Path, words: list[str], begun: Path, folder: Path, most: int | None
) -> Figures:
    """:func:`sweep` in a program of its own, whose calls the library sees."""
    asked = json.dumps([words, str(begun), str(folder), most])
    done = subprocess.run(
        [sys.executable, __file__, asked],
        check=False,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "LD_PRELOAD": str(library),
            "PYTHONPATH": os.pathsep.join(sys.path),
            "PYTHONWARNINGS": "ignore",
        },
    )
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return Figures(**json.loads(done.stdout))


def _main(asked: str) -> None:
    failing_store.register()
    words, begun, folder, most = json.loads(asked)
    figures = sweep(words, Path(begun), Path(folder), most)
    print(json.dumps(asdict(figures)))


if __name__ == "__main__":
    _main(sys.argv[1])
