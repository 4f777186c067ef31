"""Measures an output: its run record, its index and its samples become `Stats`."""

from __future__ import annotations

import os
from collections import Counter

import numpy as np
import pyarrow as pa

from turnmill.errors import TokenizerError
from turnmill.output.reader import Output
from turnmill.stats.histogram import Histogram, of_whole_numbers, percentiles
from turnmill.stats.index import SHARE_BINS, IndexCounts, count_index
from turnmill.stats.result import SourceStats, Stats
from turnmill.stats.tokens import TokenCounts, count_tokens
from turnmill.storage.local import read_table


def measure(
    output: Output, tokenizer: str | os.PathLike[str] | None = None, *, whole: bool = False
) -> Stats:
    """The numbers of an output.

    Args:
        output: The output.
        tokenizer: Where its tokenizer is now, if that is not where the run found it.
        whole: Whether every token is counted of an output of more than twenty million.

    Raises:
        TokenizerError: A tokenizer is named that is not the output's.
    """
    counts = count_index(output)
    return Stats(
        output=str(output.path),
        totals=output.record["totals"],
        sources=_sources(output, counts),
        lengths=of_whole_numbers(counts.lengths),
        length_percentiles=percentiles(counts.lengths),
        trained_share=_shares(counts),
        untrained=counts.untrained,
        turns={turns: int(n) for turns, n in enumerate(counts.turns) if n},
        duplicate_rows=counts.duplicate_rows,
        duplicate_conversations=counts.duplicate_conversations,
        tokens=_tokens(output, tokenizer, whole=whole),
    )


def _shares(counts: IndexCounts) -> Histogram:
    edges = [i / SHARE_BINS for i in range(SHARE_BINS + 1)]
    return Histogram(edges, counts.shares.tolist())


def _sources(output: Output, counts: IndexCounts) -> list[SourceStats]:
    rejected = rejected_by_source(output)
    return [
        SourceStats(
            source=name,
            schema=str(output.planned(name)["schema"]),
            rows=found.rows + rejected[name],
            rejected=rejected[name],
            samples=found.samples,
            tokens=found.tokens,
            trained=found.trained,
            turns=found.turns,
            lengths=percentiles(found.lengths),
        )
        for name, found in counts.sources.items()
    ]


def rejected_by_source(output: Output) -> Counter[str]:
    """How many rows of each input were left out."""
    names = read_table(output.path / "rejects.parquet", ["source"])["source"]
    found: Counter[str] = Counter()
    for chunk in names.chunks:
        words = chunk.dictionary_encode() if not pa.types.is_dictionary(chunk.type) else chunk
        numbers = np.bincount(np.from_dlpack(words.indices), minlength=len(words.dictionary))
        found.update(dict(zip(words.dictionary.to_pylist(), numbers.tolist(), strict=True)))
    return found


def _tokens(
    output: Output, tokenizer: str | os.PathLike[str] | None, *, whole: bool
) -> TokenCounts | None:
    try:
        loaded = output.load_tokenizer(tokenizer)
    except TokenizerError:
        if tokenizer is not None:
            raise
        return None
    return count_tokens(output, loaded, whole=whole)
