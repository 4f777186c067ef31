"""An iterable data set over a map-style one: shuffled, shared among ranks, and resumable."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from turnmill._arguments import MOST_SEED, kind_of, whole_number
from turnmill.errors import ArgumentError, DataError
from turnmill.training.share import Share, numbers_of, same_state

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_MOST_EPOCH = (1 << 32) - 1
_VERSION = 1


class IterableDataset:
    """Gives the items of a map-style data set in the order of an epoch, each exactly once.

    Each rank gets every ``world_size``-th item of the same order, so together they get all. An
    iteration ends with the epoch; the next one has another order. An iteration that was left, or a
    state that was loaded, continues where it stopped, to the item.

    :meth:`torch` gives it to a ``DataLoader``, whose workers share the items of a rank.

    Args:
        dataset: A :class:`turnmill.SampleDataset`, a :class:`turnmill.PackedDataset` or anything
            with a length and items by number.
        shuffle: Whether the order is random; else it is that of ``dataset``.
        seed: Another seed gives other orders. All ranks need the same.
        rank: This process among those that share the items, from 0.
        world_size: How many share them.
        drop_last: Leave out the last items of an epoch that not every rank would get, fewer than
            ``world_size``, so that all ranks have the same number.

    Raises:
        ArgumentError: An argument has a type or a value that it cannot have.
    """

    def __init__(
        self,
        dataset: Any,
        *,
        shuffle: bool = True,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        drop_last: bool = False,
    ) -> None:
        if isinstance(dataset, str | os.PathLike) or not hasattr(dataset, "__getitem__"):
            message = f"a data set is not {kind_of(dataset)}"
            hint = "give turnmill.SampleDataset(PATH) or turnmill.PackedDataset(PATH)"
            raise ArgumentError(message, code="invalid-dataset", hint=hint)
        self.dataset = dataset
        self._shuffle = bool(shuffle)
        self._seed = whole_number(seed, "seed", 0, MOST_SEED)
        self._share = Share.of(rank, world_size)
        self._drop_last = bool(drop_last)
        self._epoch = self._start = self._taken = 0
        self._order: tuple[int, npt.NDArray[np.int64]] | None = None

    def __iter__(self) -> Iterator[Any]:
        """The rest of the epoch."""
        order = self._ordered()
        while True:
            turn = self._start + self._share.first + self._taken * self._share.step
            if turn >= self._end():
                break
            self._taken += 1
            yield self.dataset[int(order[turn])]
        self.set_epoch(self._epoch + 1)

    def __len__(self) -> int:
        """Items of a whole epoch for this rank."""
        turns = self._last_turn(0) - self._share.rank
        return max(0, -(-turns // self._share.world_size))

    def set_epoch(self, epoch: int) -> None:
        """Goes to the start of an epoch, from 0.

        Needed before each epoch where a ``DataLoader`` starts new workers: they do not know what
        earlier ones have read.
        """
        self._epoch = whole_number(epoch, "epoch", 0, _MOST_EPOCH)
        self._start = self._taken = 0

    def state_dict(self) -> dict[str, Any]:
        """Where the stream is: plain numbers and words, for a checkpoint."""
        return {**self._identity(), **self._share.to_dict(), **self._place()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes to where another stream was.

        With another ``world_size`` the rest of the epoch is shared out again. That is exact if
        every rank had taken the same number of items, and no workers were in use.

        Raises:
            ArgumentError: It is not a state.
            DataError: The state is of other data, another seed or another number of workers.
        """
        same_state(state, self._identity())
        world_size, workers = numbers_of(state, "world_size", "workers", least=1)
        self._epoch, self._start, self._taken = numbers_of(state, "epoch", "start", "taken")
        if (world_size, workers) == (self._share.world_size, self._share.workers):
            return
        if workers != self._share.workers and self._taken:
            message = f"the state is of {workers} workers, and here are {self._share.workers}"
            hint = "resume with the same number of workers, or at the start of an epoch"
            raise DataError(message, code="other-state", hint=hint)
        self._start += self._taken * world_size * workers
        self._taken = 0

    def torch(self) -> Any:
        """This data set as a ``torch.utils.data.IterableDataset``; the only use of torch here.

        Its workers share the items; each has a state of its own, as ``StatefulDataLoader`` of
        torchdata keeps them.
        """
        from turnmill.training.torch import TorchIterable

        return TorchIterable(self)

    def for_worker(self, worker: int, workers: int) -> None:
        """Takes the share of one worker of this rank."""
        self._share = replace(self._share, worker=worker, workers=workers)

    def _identity(self) -> dict[str, Any]:
        return {
            "version": _VERSION,
            "items": len(self.dataset),
            "fingerprint": getattr(self.dataset, "fingerprint", None),
            "shuffle": self._shuffle,
            "seed": self._seed,
        }

    def _place(self) -> dict[str, int]:
        return {"epoch": self._epoch, "start": self._start, "taken": self._taken}

    def _end(self) -> int:
        """The first turn that nobody has."""
        return self._last_turn(self._start)

    def _last_turn(self, start: int) -> int:
        count = len(self.dataset)
        return count - (count - start) % self._share.world_size if self._drop_last else count

    def _ordered(self) -> npt.NDArray[np.int64]:
        import numpy as np

        from turnmill.training.order import shuffled

        if not self._shuffle:
            return np.arange(len(self.dataset))
        if self._order is None or self._order[0] != self._epoch:
            blocks = getattr(self.dataset, "blocks", None)
            order = shuffled(len(self.dataset), self._seed, self._epoch, blocks)
            self._order = (self._epoch, order)
        return self._order[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_order": None}
