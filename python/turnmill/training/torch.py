"""The only module that imports torch, and only where torch is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from turnmill.errors import TurnmillError

try:
    import torch
    from torch.utils.data import IterableDataset, get_worker_info
except ModuleNotFoundError as error:
    message, hint = "this needs PyTorch, which is not installed", "pip install torch"
    raise TurnmillError(message, code="no-torch", hint=hint) from error


class TorchIterable(IterableDataset):  # type: ignore[misc]  # torch is not there for the checker
    """One of our iterable data sets, as a ``DataLoader`` takes it."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __iter__(self) -> Iterator[Any]:
        """The rest of the epoch; in a worker, the part of this worker."""
        self._settle()
        return iter(self.dataset)

    def _settle(self) -> None:
        worker = get_worker_info()
        if worker is not None:
            self.dataset.for_worker(worker.id, worker.num_workers)

    def set_epoch(self, epoch: int) -> None:
        """Goes to the start of an epoch."""
        self.dataset.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Where the stream is."""
        state: dict[str, Any] = self.dataset.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes to where another stream was; in a worker, to where the same worker was."""
        self._settle()
        self.dataset.load_state_dict(state)


def tensors(batch: dict[str, Any]) -> dict[str, Any]:
    """The arrays of a batch as tensors that share their memory."""
    return {
        name: torch.from_numpy(values) if hasattr(values, "dtype") else values
        for name, values in batch.items()
    }
