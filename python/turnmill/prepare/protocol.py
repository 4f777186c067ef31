"""What ``prepare`` needs of an encoder; :class:`turnmill.Encoder` offers it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import pyarrow as pa


class Output(Protocol):
    """What one call of a shard encoder gave.

    The lists hold Arrow arrays by capsule, cut every 1,000 samples whatever the blocks that were
    fed. Over its life a shard encoder gives at least one batch of each kind, if an empty one.
    ``tokens`` and ``trained`` count the tokens of the samples that this call made.
    """

    @property
    def samples(self) -> Sequence[Any]:
        """Batches of samples, in the recipe's columns."""

    @property
    def index(self) -> Sequence[Any]:
        """Batches of the index, cut where the samples are."""

    @property
    def rejects(self) -> Sequence[Any]:
        """Batches of rejects."""

    @property
    def rows(self) -> int:
        """Rows of this call."""

    @property
    def rejected(self) -> int:
        """Rejected rows of this call."""

    @property
    def tokens(self) -> int:
        """Tokens of the samples."""

    @property
    def trained(self) -> int:
        """Trained tokens of the samples."""

    @property
    def lost_turns(self) -> int:
        """Turns that over-length policies left out."""

    @property
    def lost_tokens(self) -> int:
        """Tokens that over-length policies left out."""


class ShardEncoder(Protocol):
    """Encodes the rows of one shard, fed in any blocks; what comes out does not depend on them."""

    def feed_bytes(self, data: Any, /) -> Output:
        """Encodes every row that ends in ``data``, carrying the rest."""

    def feed_batch(self, batch: Any, /) -> Output:
        """Encodes the rows of an Arrow record batch."""

    def feed_rows(self, rows: list[Any], /) -> Output:
        """Encodes rows given as dicts; what is no dict is rejected."""

    def finish(self) -> Output:
        """Encodes what was carried and gives the last batches."""

    def counts(self) -> dict[str, int]:
        """How often each rule was counted, by its name."""

    def evidence(self) -> Sequence[tuple[str, int, int | None, int | None]]:
        """The first rows in which each rule was found: rule, row, line, message."""


class Encoder(Protocol):
    """Made once per process from a recipe; makes an encoder for each shard."""

    def _inspect_bytes(self, data: bytes, *, path: str, own_keys: str) -> str:
        """The schema of an input that starts with these bytes of JSON.

        ``own_keys`` are the recipe keys of this input alone, as JSON.
        """

    def _inspect_rows(self, rows: list[Any], *, path: str, own_keys: str) -> str:
        """The schema of an input that starts with these dicts."""

    def _inspect_batch(self, batch: pa.RecordBatch, *, path: str, own_keys: str) -> str:
        """The schema of an input that starts with this batch."""

    def _history_prices(self, path: str, own_keys: str) -> dict[str, Any] | None:
        """What each choice of ``history`` costs on the first rows of an inspected input."""

    def _open_shard(
        self,
        *,
        schema: str,
        path: str,
        array: bool,
        first_row: int,
        first_line: int,
        threads: int | None,
        chunk_rows: int | None = None,
        mixed: bool = False,
        own_keys: str = "{}",
    ) -> ShardEncoder:
        """An encoder for one shard; ``mixed`` outputs have the same columns for every schema."""

    def _facts(self) -> dict[str, Any]:
        """Tokenizer, template and stop set in use, for the run record and for serving."""
