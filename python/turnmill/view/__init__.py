"""A page on this machine that pages through all rows of any data.

Functions import what they need, so that `turnmill --help` is fast.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Unpack

from turnmill._arguments import whole_number
from turnmill._recipe_argument import recipe_of, refuse_keys, takes_keys
from turnmill._recipe_keys import EncodingKeys
from turnmill.recipe import Recipe

if TYPE_CHECKING:
    from turnmill.view.listing import Listing
    from turnmill.view.server import View

__all__ = ["view"]

_MOST_PORT = 65_535
_RAW = "name the conversations instead of the output to see what another recipe makes of them"


@takes_keys(EncodingKeys)
def view(
    data: Any,
    recipe: Recipe | None = None,
    *,
    tokenizer: str | os.PathLike[str] | None = None,
    port: int = 0,
    text: bool = True,
    language: str | None = None,
    **keys: Unpack[EncodingKeys],
) -> View:
    """Serves a page that pages through all rows, filtered by rule, input, length or text.

    Only this machine reaches it (127.0.0.1), and only with the token in its address; it changes
    nothing and loads nothing from elsewhere. A token under the pointer shows its id, its label and
    its characters.

    Args:
        data: What :func:`turnmill.show` takes: an output, raw conversations, or tokenized rows.
        recipe: How raw conversations are encoded.
        tokenizer: The tokenizer, as in a recipe; an output knows its own.
        port: The port; a free one if not given.
        text: Whether texts of the data are shown.
        language: The language of the page, ``en`` or ``zh``; that of the locale if not given.
        **keys: Recipe keys; they win over the recipe.

    Returns:
        The view: ``url`` is its address, ``wait()`` waits, ``close()`` ends it.

    Raises:
        DataError: The data cannot be read.
        TokenizerError: The tokenizer is missing, or not the output's.
        OSError: The port is taken.
    """
    from turnmill.report.texts import Texts
    from turnmill.view.pages import Pages
    from turnmill.view.server import new_base, serve

    whole_number(port, "port", 0, _MOST_PORT)
    texts = Texts(language)
    listing = _listing(data, recipe, tokenizer, keys)
    base = new_base()
    return serve(Pages(listing, texts, base, with_text=text), base, port)


def _listing(
    data: Any,
    recipe: Recipe | None,
    tokenizer: str | os.PathLike[str] | None,
    keys: EncodingKeys,
) -> Listing:
    from turnmill.output.reader import Output, is_output
    from turnmill.show.select import is_refused
    from turnmill.view.given import GivenListing
    from turnmill.view.refused import RefusedListing
    from turnmill.view.written import WrittenListing

    if isinstance(data, str | os.PathLike) and is_refused(data):
        return RefusedListing(data)
    if isinstance(data, str | os.PathLike) and is_output(data):
        refuse_keys(keys, "the rows of an output are shown as they were written", _RAW)
        output = Output.open(data)
        return WrittenListing(output, output.load_tokenizer(tokenizer))
    return GivenListing(data, recipe_of(recipe, tokenizer, keys))
