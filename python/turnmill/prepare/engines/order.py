"""An order: all that a process elsewhere needs to make shards, as a file in the output.

The file holds the recipe and the files of the tokenizer. What travels with each shard is only its
name and hash. A process reads it once and keeps what it loaded. A worker that does not find it does
not see the output of the run: it sees none, or another directory of the same name. The file is gone
when the shards are made.
"""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import platform
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import pyarrow as pa

from turnmill._version import VERSION
from turnmill.errors import DataError, TurnmillError
from turnmill.output.formats import FORMATS
from turnmill.prepare.engines.sent import SHARED, explained, sent
from turnmill.prepare.engines.worker import Made, Worker
from turnmill.prepare.plan import ShardSpec
from turnmill.prepare.rejects import RejectLimit
from turnmill.prepare.shard import ShardSettings, Tally
from turnmill.storage import STAGING
from turnmill.storage.local import TEMPORARY_PREFIX, whole_file
from turnmill.storage.remote import AnyPath, RemotePath, output_path

_SAME = "install the same on all machines"


@dataclass(frozen=True)
class Order:
    """Makes shards wherever it is called."""

    output: str
    file: str
    """Where the rest is, relative to the output."""
    sha256: str
    """The hash of the file."""
    first: str
    """The first shard of the data, whose rejects may stop the run."""
    version: str = VERSION
    arrow: str = pa.__version__
    """The version of pyarrow, which decides the bytes of Parquet files."""
    name: str = "shard"

    def __call__(self, spec: ShardSpec) -> Made:
        """Makes a shard. Errors come back as values: engines would try again for nothing."""
        try:
            worker = _loaded(self)
            if not (worker.settings.output / self.file).exists():
                raise _unseen(self)  # the run has ended, and this call came too late
            with _arrow_threads(worker.settings.threads):
                return _watched(worker)(spec) if spec.name == self.first else worker(spec)
        except Exception as error:  # noqa: BLE001 - raised again by the run
            return Made(spec.name, error=explained(error, sent(spec.input)))


@contextlib.contextmanager
def ordered(worker: Worker, threads: int | None, first: str) -> Iterator[Order]:
    """The order to do elsewhere, with so many threads, what a worker does here.

    Raises:
        OSError: It cannot be written.
    """
    settings, session = worker.settings, worker.session
    session.embed()
    shared = {
        "format": settings.format.name,
        "threads": threads,
        "chunk_rows": settings.chunk_rows,
        "validation": settings.validation,
        "selects": settings.selects,
        "shuffles": settings.shuffles,
    }
    content = pickle.dumps((session, shared))
    file = f"{STAGING}/{TEMPORARY_PREFIX}order-{secrets.token_hex(4)}"
    with whole_file(settings.output / file) as written:
        written.write(content)
    try:
        sha256 = hashlib.sha256(content).hexdigest()
        yield Order(_anywhere(settings.output), file, sha256, first)
    finally:
        # If that fails, an error is on its way, or the next run removes the file.
        with contextlib.suppress(OSError):
            (settings.output / file).unlink(missing_ok=True)


def _anywhere(output: AnyPath) -> str:
    return output.uri if isinstance(output, RemotePath) else str(output.absolute())


def _unseen(order: Order) -> DataError:
    message = f"a worker on {platform.node()} does not see the output of the run"
    return DataError(message, code="unseen-path", path=order.output, hint=SHARED)


@lru_cache(maxsize=1)
def _loaded(order: Order) -> Worker:
    """The worker that an order describes, loaded once in a process.

    Raises:
        TurnmillError: This process runs another version.
        DataError: The output cannot be seen from here.
    """
    if order.version != VERSION:
        message = f"a worker on {platform.node()} has turnmill {VERSION}, the run {order.version}"
        raise TurnmillError(message, code="other-version", hint=_SAME)
    if order.arrow != pa.__version__:
        message = (
            f"a worker on {platform.node()} has pyarrow {pa.__version__}, the run {order.arrow}"
        )
        raise TurnmillError(message, code="other-version", hint=_SAME)
    output = output_path(order.output)
    try:
        with (output / order.file).open("rb") as file:
            content = file.read()
    except FileNotFoundError:
        raise _unseen(order) from None
    if hashlib.sha256(content).hexdigest() != order.sha256:
        message = "the order of the run was changed after it was written"
        raise DataError(message, code="broken-output", path=order.output)
    session, shared = pickle.loads(content)
    settings = ShardSettings(output, **{**shared, "format": FORMATS[shared["format"]]})
    return Worker(session, settings)


@contextlib.contextmanager
def _arrow_threads(count: int | None) -> Iterator[None]:
    """Gives pyarrow so many threads, and as many as before when a shard is made.

    An engine may call a task in a process that does other work too.
    """
    before = pa.cpu_count()
    pa.set_cpu_count(count or before)
    try:
        yield
    finally:
        pa.set_cpu_count(before)


def _watched(worker: Worker) -> Worker:
    """A worker that stops where the first rows of the data are rejected too often."""
    limit, total = RejectLimit(worker.session.recipe.max_rejects), Tally()

    def watch(tally: Tally, _amount: int) -> None:
        total.add(tally)
        limit.look(total)

    return replace(worker, settings=replace(worker.settings, watch=watch))
