"""A report on an output: one page of HTML that needs nothing else.

Functions import what they need, so that `turnmill --help` is fast.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from turnmill._arguments import whole_number

if TYPE_CHECKING:
    from turnmill.output.reader import Output
    from turnmill.stats.result import Stats
    from turnmill.stop_test.result import StopTest

__all__ = ["Report", "report"]

FILE = "report.html"
"""The name of a report in its output."""
_MOST_SAMPLES = 100


@dataclass(frozen=True)
class Report:
    """A report that was written; in a notebook it shows itself."""

    path: str
    """The file."""
    html: str
    """The page."""
    stats: Stats
    """The numbers that it shows."""

    def __repr__(self) -> str:
        return f"Report({self.path!r})"

    def _repr_html_(self) -> str:
        from html import escape

        # A page in a page: its style must not reach the notebook.
        return (
            f'<iframe title="turnmill report" sandbox srcdoc="{escape(self.html)}" '
            'style="width: 100%; height: 40rem; border: 1px solid gray"></iframe>'
        )


def report(
    output: str | os.PathLike[str],
    path: str | os.PathLike[str] | None = None,
    *,
    tokenizer: str | os.PathLike[str] | None = None,
    samples: int = 6,
    seed: int = 0,
    text: bool = True,
    language: str | None = None,
    stop_test: StopTest | str | os.PathLike[str] | None = None,
) -> Report:
    """Writes a report on an output: what went in, what came out, and what it looks like.

    One file of HTML without scripts that loads nothing: rows in and out and why rows were left out,
    findings, lengths, trained tokens, packing, samples with their trained tokens marked, recipe,
    hashes. It takes one pass over the index, and a few samples.

    Args:
        output: A directory that :func:`turnmill.prepare` wrote.
        path: The file; ``report.html`` in the output if not given.
        tokenizer: The directory of its tokenizer, if that was moved since.
        samples: How many samples are drawn at random, at most 100. The longest, the shortest, and
            one for each rule are shown too.
        seed: Another seed draws other samples.
        text: Whether texts of the data are shown. Without, the report has numbers, names of files
            and rules, and the form of each sample.
        language: The language of the report, ``en`` or ``zh``; that of the locale if not given.
        stop_test: What :func:`turnmill.stop_test` gave of a model, or its JSON file.

    Returns:
        The report.

    Raises:
        ArgumentError: An argument has a value that it cannot have.
        DataError: The directory is not a finished output.
        TokenizerError: A tokenizer is named that is not the output's.
        OSError: A file cannot be read or written.
    """
    from turnmill.output.reader import open_output
    from turnmill.report.contents import gather
    from turnmill.report.page import report_page
    from turnmill.report.texts import Texts
    from turnmill.stop_test.result import StopTest
    from turnmill.storage.local import write_text
    from turnmill.storage.remote import output_path

    texts = Texts(language)
    whole_number(samples, "samples", 0, _MOST_SAMPLES)
    whole_number(seed, "seed", 0, 2**63)
    source = open_output(output, "a report is on an output: turnmill prepare INPUT... -o DIR")
    place = source.path / FILE if path is None else output_path(path)
    if place.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(place))
    contents = gather(source, tokenizer, samples=samples, seed=seed)
    model = StopTest.load(stop_test) if isinstance(stop_test, str | os.PathLike) else stop_test
    page = report_page(_name(source), contents, texts, with_text=text, model=model)
    write_text(place, page)
    return Report(str(place), page, contents.stats)


def _name(output: Output) -> str:
    """What an output is called: the last part of its path."""
    return output.path.absolute().name if hasattr(output.path, "absolute") else output.path.name
