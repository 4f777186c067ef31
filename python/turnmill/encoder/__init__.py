"""Rows to training samples, in memory and for the engines that run `prepare` elsewhere.

Methods import what they need, so that `turnmill --help` is fast.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from turnmill._arguments import thread_count
from turnmill._recipe_argument import recipe_of, takes_keys
from turnmill._recipe_keys import RecipeKeys
from turnmill.encoder.encoded import Encoded
from turnmill.errors import ArgumentError
from turnmill.recipe import Recipe

if TYPE_CHECKING:
    from turnmill.encoder.session import Session

__all__ = ["Encoded", "Encoder"]

_MAP = "give the encoder itself: data.map(encoder, batched=True)"


class Encoder:
    """A recipe that is ready to encode: tokenizer, template and stop set are loaded and checked.

    An encoder can be shared between threads. It pickles as the paths it was made from with a
    hash that is checked where it is loaded; with `embed` the pickle carries the files themselves.

    The first rows that it reads from a file or from Arrow data are encoded by the reference
    backend too, once per tokenizer and version. If the ids differ, the reference replaces the fast
    backend, with a warning and a note in the run record.

    >>> from importlib.resources import files
    >>> encoder = Encoder(tokenizer=files("turnmill") / "demo" / "tokenizer")
    >>> encoded = encoder.encode([{"text": "to be"}, {"text": None}])
    >>> encoded.table["row"].to_pylist(), encoded.rejects["code"].to_pylist()
    ([0], ['null-content'])

    Args:
        recipe: How to make samples from rows.
        tokenizer: The tokenizer, as in a recipe.
        embed: Pickle the tokenizer's files, for machines that cannot see the path.
        threads: Threads of every call; all cores by default. Engines whose workers are processes
            on one machine want 1.
        **keys: Recipe keys, such as ``max_length=4096``; they win over the recipe.

    Raises:
        RecipeError: The recipe needs a decision, such as which tokens to stop on.
        TokenizerError: The tokenizer is missing or broken.
        TemplateError: The template is missing, broken, or its turns cannot be located.
    """

    @takes_keys(RecipeKeys)
    def __init__(
        self,
        recipe: Recipe | None = None,
        *,
        tokenizer: str | os.PathLike[str] | None = None,
        embed: bool = False,
        threads: int | None = None,
        **keys: Unpack[RecipeKeys],
    ) -> None:
        from turnmill.encoder.session import Session

        count = thread_count(threads)
        self._take(Session(recipe_of(recipe, tokenizer, keys), embed=embed), count)

    def _take(self, session: Session, threads: int | None) -> None:
        self.recipe = session.recipe
        self._session = session
        self._threads = threads
        self._schemas: dict[tuple[str, ...], str] = {}

    def encode(self, rows: Any, *, threads: int | None = None) -> Encoded:
        """Encodes rows; one that cannot be used is listed among the rejects.

        Args:
            rows: A list or iterator of dicts, a pyarrow table or batch, a `datasets.Dataset`,
                anything with `__arrow_c_stream__`, or a path, glob, URI or list of these.
            threads: Number of threads; those of the encoder if not given. The result never depends
                on it.

        Raises:
            ArgumentError: It is what `datasets.map` gives a function.
            DataError: The rows have no schema, or several.
            RecipeError: The rows need a decision that the recipe does not make.
        """
        from turnmill.encoder.collect import encode

        if isinstance(rows, Mapping) and "Lazy" in type(rows).__name__:
            message = "datasets.map gives one row or a dict of columns; Encoder.encode takes rows"
            raise ArgumentError(message, code="single-row", hint=_MAP)
        return encode(self._session, rows, threads=thread_count(threads) or self._threads)

    def __call__(self, batch: Any) -> Any:
        """Encodes one batch for `datasets.map`, Ray, Spark and the like.

        `data.map(encoder, batched=True)` takes plain rows; as Arrow data,
        `data.with_format("arrow")`, they are encoded without a Python object for each token.

        Args:
            batch: A dict of columns, or anything Arrow.

        Returns:
            As many rows as came in: the recipe's columns and `reject`, a struct of `code`,
            `reason` and `message` that is null for a row that was encoded. A rejected row has null
            columns. A dict of lists for a dict, a record batch for a record batch, else a table.

        Raises:
            ArgumentError: It is one row, or no batch at all.
            RecipeError: The recipe makes several samples from one row.
        """
        from turnmill.encoder.map import encode_batch, is_single

        if is_single(batch):
            message = "an encoder is called with a batch of rows, not with one row"
            raise ArgumentError(message, code="single-row", hint=_MAP)
        return encode_batch(self._session, batch, self._schemas, self._threads)

    def __repr__(self) -> str:
        return f"Encoder({self.recipe!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self._session, self._threads)


def _restore(session: Session, threads: int | None) -> Encoder:
    """Makes a pickled encoder again."""
    encoder = Encoder.__new__(Encoder)
    encoder._take(session, threads)
    return encoder
