"""Lengths of any kind, and the bins that the core puts them into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from turnmill import _core
from turnmill._arguments import MOST_SEED, whole_number
from turnmill.errors import ArgumentError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

OverLength = Literal["error", "alone", "reject"]
WINDOW = 65_536
"""The default number of samples that best-fit packs together."""
MOST_CAPACITY = 1 << 26
_MOST_WINDOW = (1 << 63) - 1


def pack_lengths(
    lengths: Any,
    capacity: int,
    *,
    strategy: Literal["best-fit", "global", "in-order", "none"] = "best-fit",
    window: int = WINDOW,
    seed: int | None = 0,
    over_length: OverLength = "error",
) -> tuple[npt.NDArray[np.int32], int]:
    """Puts samples of these lengths into bins of a fixed capacity; none is ever cut.

    The result depends only on the arguments and stays the same in every version. Ten million
    lengths take a fraction of a second on one core, without the interpreter's lock.

    >>> bins, count = pack_lengths([700, 300, 500, 400], 1000, seed=None)
    >>> bins.tolist(), count
    ([0, 0, 1, 1], 2)

    Args:
        lengths: Whole numbers: a list, or a numpy array or Arrow array of any library, which is
            not copied.
        capacity: The capacity of a bin, from 1 to 67,108,864.
        strategy: ``best-fit`` (first-fit-decreasing within every ``window`` samples), ``global``
            (the same over all), ``in-order`` (samples keep their order; a bin ends where the next
            one does not fit) or ``none`` (one bin for each).
        window: Samples that ``best-fit`` packs together.
        seed: Shuffles the bins of each window, or of ``global``; ``None`` leaves those with the
            longest samples first. The other strategies shuffle nothing.
        over_length: What to do with a sample longer than ``capacity``: ``error``, ``alone`` (it
            gets its own bin, longer than the others) or ``reject`` (it is left out).

    Returns:
        ``(bins, count)``: the bin of each sample from 0, int32[n], -1 if it is left out; and the
        number of bins.

    Raises:
        ArgumentError: An argument has a type or a value that it cannot have.
        DataError: A length is above the capacity; the message names its index.
    """
    import numpy as np

    how = options(capacity, strategy, window, seed, over_length)
    bins, count = _core.pack_lengths(arrow_integers(lengths), **how)
    return np.asarray(bins, dtype=np.int32), count


def group_samples(
    bins: npt.NDArray[np.int32], first: int, stop: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """The samples of each bin from ``first`` up to ``stop``, from the bin of each sample.

    Returns:
        ``(offsets, samples)``: bin ``first + i`` holds ``samples[offsets[i]:offsets[i + 1]]``,
        ascending.
    """
    import numpy as np

    offsets, samples = _core.group_samples(arrow_integers(bins), first, stop)
    return np.asarray(offsets, dtype=np.int64), np.asarray(samples, dtype=np.int32)


def options(
    capacity: Any, strategy: Any, window: Any, seed: Any, over_length: Any
) -> dict[str, Any]:
    """The arguments in the form that the core takes.

    Raises:
        ArgumentError: One has a wrong type, or is out of range.
    """
    return {
        "capacity": whole_number(capacity, "capacity", 1, MOST_CAPACITY),
        "strategy": _word(strategy, "strategy"),
        "window": whole_number(window, "window", 1, _MOST_WINDOW),
        "seed": None if seed is None else whole_number(seed, "seed", 0, MOST_SEED),
        "over_length": _word(over_length, "over_length"),
    }


def _word(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    message = f"{name} cannot be {value!r}"
    raise ArgumentError(message, code="invalid-choice", hint=f"{name} is one of a few words")


def arrow_integers(lengths: Any) -> Any:
    """Whole numbers as one Arrow array, without a copy if they are already flat.

    Raises:
        ArgumentError: They are not whole numbers.
    """
    import numpy as np
    import pyarrow as pa

    if isinstance(lengths, pa.Array):
        return lengths
    if isinstance(lengths, pa.ChunkedArray) or hasattr(lengths, "__arrow_c_stream__"):
        chunked = pa.chunked_array(lengths)
        return chunked.chunk(0) if chunked.num_chunks == 1 else chunked.combine_chunks()
    if hasattr(lengths, "__arrow_c_array__"):
        return pa.array(lengths)
    numbers = lengths if isinstance(lengths, np.ndarray) else _listed(lengths)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise _not_lengths(f"an array of {numbers.ndim} dimensions of {numbers.dtype}")
    numbers = np.ascontiguousarray(numbers, dtype=numbers.dtype.newbyteorder("="))
    # Not `pa.array`, which imports pandas if it is installed.
    type_ = pa.from_numpy_dtype(numbers.dtype)
    return pa.Array.from_buffers(type_, len(numbers), [None, pa.py_buffer(numbers)])


def _listed(lengths: Any) -> npt.NDArray[Any]:
    """The whole numbers of an iterable. Other values are refused, not rounded."""
    import numpy as np

    if isinstance(lengths, str | bytes | dict):
        raise _not_lengths(f"a {type(lengths).__name__}")
    try:
        numbers = np.asarray(lengths if hasattr(lengths, "__len__") else list(lengths))
    except (TypeError, ValueError, OverflowError):
        raise _not_lengths(f"an object of type {type(lengths).__name__}") from None
    return numbers.astype(np.int64) if numbers.shape == (0,) else numbers


def _not_lengths(what: str) -> ArgumentError:
    hint = "give a list, a numpy array or an Arrow array of whole numbers, with no null in it"
    return ArgumentError(
        f"lengths are {what}, not whole numbers", code="invalid-lengths", hint=hint
    )
