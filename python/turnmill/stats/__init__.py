"""What an output holds, in numbers.

Functions import what they need, so that `turnmill --help` is fast.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from turnmill.stats.result import Stats

__all__ = ["stats"]


def stats(
    output: str | os.PathLike[str],
    *,
    tokenizer: str | os.PathLike[str] | None = None,
    whole: bool = False,
) -> Stats:
    """Lengths, trained share, turns, sources, duplicates and control tokens of an output.

    All but the tokens come from the run record and one pass over the index.

    Args:
        output: A directory that :func:`turnmill.prepare` wrote.
        tokenizer: The directory of its tokenizer, if that was moved since.
        whole: Count the control tokens and roles of every sample. By default an output of more than
            twenty million tokens is sampled, evenly; ``Stats.tokens`` says how many were seen.

    Returns:
        The numbers; ``print`` draws them.

    Raises:
        DataError: The directory is not a finished output.
        TokenizerError: A tokenizer is named that is not the output's.
    """
    from turnmill.output.reader import open_output
    from turnmill.stats.measure import measure

    purpose = "statistics are taken of a written output: turnmill prepare INPUT... -o DIR"
    return measure(open_output(output, purpose), tokenizer, whole=whole)
