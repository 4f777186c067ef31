"""``run_shard``: one shard, from its input range to its files and its receipt."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from turnmill import _core
from turnmill.encoder.feed import feed
from turnmill.encoder.session import Session, ShardOptions
from turnmill.errors import TurnmillError
from turnmill.inputs.content import SOURCE_CHANGED, changed
from turnmill.inputs.files import readable_arrow
from turnmill.output.files import ShardFiles, shard_files, stored_files
from turnmill.output.formats import FORMATS, Format
from turnmill.output.sinks import Sinks, TooManyRejectsError, open_sinks
from turnmill.prepare.carried import carried_names, found_names
from turnmill.prepare.plan import ShardSpec
from turnmill.storage.remote import AnyPath
from turnmill.storage.sealed import write_sealed

T = TypeVar("T")

REPLAYED_ROWS = 32
"""Rows at the start of a shard whose prompts are compared with the server's: more would cost time,
and a template that differs does so in the first rows."""

PREFETCHED_BLOCKS = 3
UNWRITTEN_OUTPUTS = 3
EVIDENCE_ROWS = 5
"""Number of rows that are recorded for each rule."""


@dataclass
class Tally:
    """Counts over some rows."""

    rows: int = 0
    rejected: int = 0
    samples: int = 0
    tokens: int = 0
    trained: int = 0
    lost_turns: int = 0
    """Assistant turns left out so that samples fit ``max_length``."""
    lost_tokens: int = 0
    """Tokens of these turns."""
    lost_rejected_tokens: int = 0
    """Of these, tokens before answers that are judged bad: the other side of ``lost_tokens``."""
    bytes: int = 0
    """Bytes of JSON text or of Arrow buffers that were read."""

    def add(self, other: Tally) -> None:
        """Adds ``other``."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass(frozen=True)
class Receipt:
    """The proof that a shard is done: what it was made from, its counts, its files' hashes."""

    identity: dict[str, Any]
    tally: Tally
    rejected: dict[str, int]
    """Rejected rows by rule."""
    rules: dict[str, int]
    """Every rule that was counted, rejects included."""
    evidence: dict[str, list[dict[str, int | None]]]
    """The first rows of each rule, each with row, line and message."""
    sha256: dict[str, str]
    lengths: npt.NDArray[np.int64]
    """How many samples have each length in tokens: pairs, shortest first. An array, because one
    shard may have thousands of lengths, and a run many shards."""
    columns: list[str]
    """The columns of the samples."""
    named: dict[str, dict[str, int]] = field(default_factory=dict)
    """What some rules were counted for, such as columns, by rule and name."""
    carried: list[str] = field(default_factory=list)
    """The carried columns in which some row has a value."""

    def to_dict(self) -> dict[str, Any]:
        """As written to disk."""
        return {**asdict(self), "lengths": self.lengths.tolist()}

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Receipt:
        """As read from disk."""
        lengths = _pairs(value["lengths"])
        return cls(**{**value, "tally": Tally(**value["tally"]), "lengths": lengths})


Watch = Callable[[Tally, int], None]
"""Takes the counts of a block, and how much of the part it used."""


def unwatched(_tally: Tally, _amount: int) -> None:
    """Does nothing."""


@dataclass(frozen=True)
class ShardSettings:
    """What all shards of a run share."""

    output: AnyPath
    format: Format
    threads: int | None
    chunk_rows: int | None = None
    """Rows of one work item; the bytes written do not depend on it."""
    watch: Watch = field(default=unwatched)
    """Called after each block."""
    validation: float = 0.0
    """The share of conversations that is set apart."""
    selects: bool = False
    """Whether some of the samples of a shard may not be written, or several times."""
    shuffles: bool = False
    """Whether samples wait in the form from which a shuffle makes those of the output."""

    @property
    def chooses(self) -> bool:
        """Whether samples wait until all shards are there and it is known which are written."""
        return self.selects or self.validation > 0

    @property
    def stored_format(self) -> Format:
        """The format of the data files of shards: the fastest one if they are written again."""
        return FORMATS["arrow"] if self.selects else self.format

    def files(self, shard: str) -> ShardFiles:
        """Where the files of a shard go."""
        if self.chooses:
            return stored_files(shard, self.stored_format, divided=self.validation > 0)
        return shard_files(shard, self.format)


def run_shard(spec: ShardSpec, session: Session, settings: ShardSettings) -> Receipt:
    """Makes one shard. Its files appear whole, then its receipt.

    The bytes written depend only on the input's bytes, the recipe and the version of turnmill.

    Args:
        spec: Which shard.
        session: Made from the recipe; may serve many shards, one after another.
        settings: Where the files go, and with how many threads.

    Returns:
        The receipt, as written beside the files.

    Raises:
        TooManyRejectsError: The watch raised it. Of the files, only the rejects so far are written.
    """
    files = settings.files(spec.name)
    options = ShardOptions.of(
        spec.input,
        spec.schema,
        spec.part,
        threads=settings.threads,
        chunk_rows=settings.chunk_rows,
        mixed=spec.mixed,
        replayed=REPLAYED_ROWS,
        validation=settings.validation,
        waiting=settings.shuffles,
    )
    shard = session.open_shard(options)
    total = Tally()
    with open_sinks(
        settings.output,
        files,
        source=spec.input.name,
        format_=settings.stored_format,
        # What a shuffle reads stays in the output, and its manifest vouches for it.
        durable=settings.shuffles or not settings.chooses,
        waits=settings.chooses,
    ) as sinks:
        with _WriteBehind[_core.Output](lambda output: _write(sinks, output)) as writing:
            stopped = None
            for output, size, amount in _outputs(spec, shard):
                tally = _tally(output, size)
                total.add(tally)
                writing.put(output)
                try:
                    settings.watch(tally, amount)
                except TooManyRejectsError as error:
                    stopped = error
                    writing.put(shard.finish())
                    break
        if stopped is not None:
            raise stopped
    total.samples = sinks.rows
    receipt = Receipt(
        identity=spec.identity(),
        tally=total,
        rejected=dict(sorted(shard.rejected().items())),
        rules=dict(sorted(shard.counts().items())),
        evidence=_evidence(shard),
        sha256=sinks.hashes(),
        lengths=_pairs(shard.lengths()),
        columns=sinks.samples.columns,
        named=by_rule(shard.named()),
        carried=found_names(sinks.index, carried_names(spec.input, session.recipe.carry)),
    )
    write_sealed(settings.output / files.receipt, receipt.to_dict())
    return receipt


def _pairs(found: Iterable[Iterable[int]]) -> npt.NDArray[np.int64]:
    return np.array([list(pair) for pair in found], np.int64).reshape(-1, 2)


def by_rule(named: Iterable[tuple[str, str, int]]) -> dict[str, dict[str, int]]:
    """Counts by rule and name."""
    found: dict[str, dict[str, int]] = {}
    for rule, name, count in named:
        found.setdefault(rule, {})[name] = count
    return found


def _evidence(shard: _core.Shard) -> dict[str, list[dict[str, int | None]]]:
    found: dict[str, list[dict[str, int | None]]] = {}
    for rule, row, line, message in shard.evidence():
        places = found.setdefault(rule, [])
        if len(places) < EVIDENCE_ROWS:
            places.append({"row": row, "line": line, "message": message})
    return dict(sorted(found.items()))


def _outputs(spec: ShardSpec, shard: _core.Shard) -> Iterator[tuple[_core.Output, int, int]]:
    """The outputs, each with the bytes that were read for it and its share of the part.

    Raises:
        DataError: The input is not what it was when the run was planned; whatever else is wrong
            with it may come from that.
    """
    try:
        for piece, size, amount in _prefetched(spec.input.pieces(spec.part)):
            with readable_arrow(spec.input.name):
                output = feed(shard, piece)
            yield output, size, amount
        yield shard.finish(), 0, 0
    except TurnmillError as error:
        if error.code != SOURCE_CHANGED and spec.has_changed():
            raise changed(spec.input.name) from error
        raise


def _tally(output: _core.Output, size: int) -> Tally:
    return Tally(
        rows=output.rows,
        rejected=output.rejected,
        tokens=output.tokens,
        trained=output.trained,
        lost_turns=output.lost_turns,
        lost_tokens=output.lost_tokens,
        lost_rejected_tokens=output.lost_rejected_tokens,
        bytes=size,
    )


def _write(sinks: Sinks, output: _core.Output) -> None:
    sinks.samples.write(output.samples)
    if sinks.apart is not None:
        sinks.apart.write(output.apart)
    sinks.index.write(output.index)
    sinks.rejects.write(output.rejects)


class _End(Generic[T]):
    """Marks the end of a queue, with the error of the other side if there was one."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def _prefetched(items: Iterator[T]) -> Iterator[T]:
    """``items``, read ahead by a thread."""
    ready: queue.Queue[T | _End[T]] = queue.Queue(PREFETCHED_BLOCKS)
    stopped = threading.Event()

    def put(item: T | _End[T]) -> None:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def read() -> None:
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    return
            put(_End())
        except BaseException as error:  # noqa: BLE001 - raised again by the consumer
            put(_End(error))

    thread = threading.Thread(target=read, name="turnmill-read", daemon=True)
    thread.start()
    try:
        while not isinstance(item := ready.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        thread.join()


class _WriteBehind(Generic[T]):
    """Hands items to a thread that consumes them in order; its errors are raised here."""

    def __init__(self, consume: Callable[[T], None]) -> None:
        self._consume = consume
        self._queue: queue.Queue[T | _End[T]] = queue.Queue(UNWRITTEN_OUTPUTS)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="turnmill-write", daemon=True)

    def __enter__(self) -> _WriteBehind[T]:
        self._thread.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self._error = self._error or error
        self._queue.put(_End())
        self._thread.join()
        if error is None and self._error is not None:
            raise self._error

    def put(self, item: T) -> None:
        """Queues ``item``; waits while too many items are unwritten."""
        if self._error is not None:
            raise self._error
        self._queue.put(item)

    def _run(self) -> None:
        while not isinstance(item := self._queue.get(), _End):
            if self._error is not None:
                continue  # drained, so that the other side never waits
            try:
                self._consume(item)
            except BaseException as error:  # noqa: BLE001 - raised again by the producer
                self._error = error
