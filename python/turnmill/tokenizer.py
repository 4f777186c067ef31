"""Text to ids, exactly as Hugging Face `tokenizers` gives them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from turnmill import _core
from turnmill._arguments import thread_count
from turnmill._locate import locate_tokenizer
from turnmill.errors import TokenizerError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Tokenizer"]


class Tokenizer:
    """A tokenizer directory: `tokenizer.json` and the files beside it.

    Truncation and padding settings of the file are ignored: nothing is ever cut or padded here.
    Tokenizers pickle as their path with a hash that is checked again where they are loaded.

    >>> from importlib.resources import files
    >>> tokenizer = Tokenizer(files("turnmill") / "demo" / "tokenizer")
    >>> ids, offsets = tokenizer.encode_batch(["to be", "not to be"])
    >>> offsets.tolist() == [0, len(tokenizer.encode("to be")), len(ids)]
    True

    Args:
        path: A directory with `tokenizer.json`, that file, or a model id in a local cache.

    Raises:
        TokenizerError: The files are missing, broken or of another kind.
    """

    __slots__ = ("_core",)

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._core = _core.Tokenizer(str(locate_tokenizer(path)))

    @classmethod
    def _of(cls, core: _core.Tokenizer) -> Self:
        """A tokenizer that is already loaded."""
        tokenizer = cls.__new__(cls)
        tokenizer._core = core
        return tokenizer

    def encode(self, text: str, *, add_special_tokens: bool = False) -> npt.NDArray[np.uint32]:
        """Encodes one text.

        Args:
            text: Any text; the text of control tokens in it is read as control tokens.
            add_special_tokens: Adds what the tokenizer's post-processor adds, such as a BOS.
                Rendered chat text already has it.

        Returns:
            Ids, uint32[n].

        Raises:
            DataError: The text holds half of a surrogate pair, or has 2 GiB or more.
        """
        import numpy as np

        return np.asarray(self._core.encode(text, add_special_tokens), dtype=np.uint32)

    @overload
    def encode_batch(
        self,
        texts: Iterable[str] | Any,
        *,
        add_special_tokens: bool = False,
        threads: int | None = None,
        offsets: Literal[False] = False,
    ) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]: ...

    @overload
    def encode_batch(
        self,
        texts: Iterable[str] | Any,
        *,
        add_special_tokens: bool = False,
        threads: int | None = None,
        offsets: Literal[True],
    ) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64], npt.NDArray[np.int32]]: ...

    def encode_batch(
        self,
        texts: Iterable[str] | Any,
        *,
        add_special_tokens: bool = False,
        threads: int | None = None,
        offsets: bool = False,
    ) -> tuple[Any, ...]:
        """Encodes many texts on all cores.

        The ids of text ``i`` are ``ids[row_offsets[i]:row_offsets[i + 1]]``.

        Args:
            texts: Strings, or an Arrow array of strings (`string`, `large_string` or
                `string_view`, chunked or not, of any library), which is read without a copy.
            add_special_tokens: As in `encode`.
            threads: Number of threads; all cores if not given. The result never depends on it.
            offsets: Also give the place of each id in its text.

        Returns:
            ``(ids, row_offsets)``: uint32[N] and int64[rows + 1], writable. With ``offsets`` also
            the start and end of each id, int32[N, 2], in code points of its text, as the
            `tokenizers` wheel gives them.

        Raises:
            DataError: A text is an Arrow null, holds half of a surrogate pair, or has 2 GiB or
                more; `.row` says which.
            TypeError: Anything but strings, such as None in a list.
        """
        import numpy as np

        count = thread_count(threads)
        if offsets:
            ids, spans, rows = self._core.encode_batch_with_offsets(
                texts, add_special_tokens, count
            )
            places = np.asarray(spans, dtype=np.int32).reshape(-1, 2)
            return np.asarray(ids, dtype=np.uint32), np.asarray(rows, dtype=np.int64), places
        ids, rows = self._core.encode_batch(texts, add_special_tokens, count)
        return np.asarray(ids, dtype=np.uint32), np.asarray(rows, dtype=np.int64)

    def token_to_id(self, token: str) -> int | None:
        """The id of a token by its text as the vocabulary spells it; None if there is none."""
        return self._core.token_to_id(token)

    @property
    def path(self) -> str:
        """Where it was loaded from."""
        return self._core.path

    def __fspath__(self) -> str:
        """The path, so that a tokenizer may stand wherever its directory may."""
        return self.path

    @property
    def backend(self) -> str:
        """The encoder in use.

        ``bpe``, ``unigram`` and ``wordpiece`` are turnmill's own, ``reference`` is the
        tokenizers crate.
        """
        return self._core.backend

    @property
    def backend_reason(self) -> str:
        """Why that encoder."""
        return self._core.backend_reason

    @property
    def vocab_size(self) -> int:
        """One more than the largest id."""
        return self._core.vocab_size

    @property
    def special_tokens(self) -> dict[str, str]:
        """The named special tokens, such as ``{"eos_token": "</s>"}``, as templates see them."""
        return dict(self._core.special_tokens())

    def _token_bytes(self, ids: Iterable[int]) -> list[bytes]:
        """The bytes each id stands for: an added token's text, else its decoded bytes."""
        return self._core.token_bytes([int(id_) for id_ in ids])

    def __repr__(self) -> str:
        return f"Tokenizer({self.path!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (str(Path(self.path).resolve()), self._core.fingerprint)


def _restore(path: str, fingerprint: str) -> Tokenizer:
    """Loads a pickled tokenizer, which must be the one that was pickled."""
    tokenizer = Tokenizer(path)
    if tokenizer._core.fingerprint != fingerprint:
        raise TokenizerError(
            "the tokenizer is not the one that was pickled: its files have changed",
            code="tokenizer-changed",
            path=path,
            hint="use the same files on every machine and for the whole run",
        )
    return tokenizer
