"""Finds a text in the tokens of many samples at once.

A thousand samples become one text, in which the search is as fast as memory; to make the text of
one sample after another takes a hundred times as long.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from turnmill.output.answers import answers, sequence
from turnmill.tokenizer import Tokenizer


class TokenText:
    """The texts of all tokens of a tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        texts = tokenizer._token_bytes(range(tokenizer.vocab_size))
        self._texts = pa.array([*texts, b""], pa.large_binary())

    def holding(self, samples: pa.RecordBatch | pa.Table, text: str) -> npt.NDArray[np.bool_]:
        """Which samples hold a text; of answers that are judged, in one of them."""
        sought = text.encode("utf-8", "surrogatepass")
        found = np.zeros(samples.num_rows, np.bool_)
        first = 0
        for batch in samples.to_batches() if isinstance(samples, pa.Table) else [samples]:
            here = found[first : first + batch.num_rows]
            judged = answers(batch.schema.names)
            sequences = [sequence(answer, batch) for answer in judged] if judged else [batch]
            for each in sequences:
                here |= self._in_lists(each.column("input_ids"), sought)
            first += batch.num_rows
        return found

    def _in_lists(self, lists: Any, sought: bytes) -> npt.NDArray[np.bool_]:
        offsets = np.from_dlpack(lists.offsets).astype(np.int64)
        ids = np.from_dlpack(lists.values)[offsets[0] : offsets[-1]]
        # An id that the tokenizer does not know has no text.
        known = np.minimum(ids, len(self._texts) - 1) if len(ids) else ids
        taken = self._texts.take(pa.array(known))
        bytes_before = np.frombuffer(taken.buffers()[1], np.int64)[: len(taken) + 1]
        text = (taken.buffers()[2] or pa.py_buffer(b"")).to_pybytes()
        return _holding(text, bytes_before[offsets - offsets[0]], sought)


def _holding(text: bytes, bounds: npt.NDArray[np.int64], sought: bytes) -> npt.NDArray[np.bool_]:
    """Which of the stretches between bounds of a text hold another one as a whole."""
    found = np.zeros(len(bounds) - 1, np.bool_)
    place = text.find(sought)
    while 0 <= place < len(text):
        sample = int(np.searchsorted(bounds, place, "right")) - 1
        found[sample] = place + len(sought) <= bounds[sample + 1]
        place = text.find(sought, int(bounds[sample + 1]) if found[sample] else place + 1)
    return found
