"""Chat templates: a conversation becomes the text that a model sees, with its turns located."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from turnmill import _core, _markup
from turnmill._arguments import path_text
from turnmill.errors import TemplateError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Rendered", "Template"]


class Rendered:
    """A rendered conversation.

    >>> rendered = Template("chatml").render([{"role": "assistant", "content": "Hi"}])
    >>> start, end = rendered.spans[0]
    >>> rendered.text[start:end]
    'Hi<|im_end|>'
    """

    __slots__ = ("_refusal", "_spans", "_turns", "text")

    def __init__(
        self,
        text: str,
        spans: npt.NDArray[np.int64],
        turns: npt.NDArray[np.int32],
        refusal: TemplateError | None = None,
    ) -> None:
        self.text = text
        """The text, character for character what transformers renders."""
        self._spans = spans
        self._turns = turns
        self._refusal = refusal

    @property
    def spans(self) -> npt.NDArray[np.int64]:
        """Start and end of each piece of text that an assistant writes, int64[n, 2], code points.

        One turn may own several spans; they cover every assistant message, before any policy.

        Raises:
            TemplateError: The turns of this template cannot be located.
        """
        if self._refusal is not None:
            raise self._refusal.with_traceback(None)
        return self._spans

    @property
    def turns(self) -> npt.NDArray[np.int32]:
        """The message that each span belongs to, int32[n] from 0.

        Raises:
            TemplateError: As for `spans`.
        """
        if self._refusal is not None:
            raise self._refusal.with_traceback(None)
        return self._turns

    def __repr__(self) -> str:
        return f"Rendered({self.text!r}, {len(self._spans)} spans)"

    def _repr_html_(self) -> str:
        pieces, at = [], 0
        for start, end in self._spans.tolist():
            pieces += [("masked", self.text[at:start]), ("trained", self.text[start:end])]
            at = end
        return _markup.marked([*pieces, ("masked", self.text[at:])])


class Template:
    """A compiled chat template, rendered as transformers' `apply_chat_template` renders it.

    >>> template = Template("{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %}")
    >>> template.render([{"role": "user", "content": "Hi"}]).text
    '[user] Hi'

    Args:
        x: A tokenizer directory (its own template and special tokens), a ``.jinja`` file, the name
            of a built-in template such as ``chatml``, or Jinja source (text with ``{{`` or
            ``{%``). JSON that holds a template, such as ``chat_template.json``, is taken apart.
        name: Chooses among the templates of a directory. Without it the default is used, or the
            directory's template for tools if tools are given.
        special_tokens: Variables such as ``{"bos_token": "<s>"}``; they win over the directory's.
        now: The date and time that the template sees, local; an ISO 8601 string or a `datetime`.
            The moment the template is made, if not given.

    Raises:
        TemplateError: There is no such template, it has a syntax error, or `name` is unknown.
    """

    __slots__ = ("_arguments", "_core")

    def __init__(
        self,
        x: str | os.PathLike[str],
        *,
        name: str | None = None,
        special_tokens: Mapping[str, str | None] | None = None,
        now: str | dt.date | None = None,
    ) -> None:
        tokens = [(key, text) for key, text in (special_tokens or {}).items() if text is not None]
        moment = _moment(now)
        given = path_text(x, "a template")
        self._core = _core.Template(given, name, tokens, moment)
        self._arguments = (given, name, tokens, moment)

    def render(
        self,
        messages: Sequence[Any],
        *,
        tools: Sequence[Any] | None = None,
        documents: Sequence[Any] | None = None,
        add_generation_prompt: bool = False,
        continue_final_message: bool | str = False,
        **variables: Any,
    ) -> Rendered:
        """Renders one conversation.

        Args:
            messages: Dicts, dataclasses or pydantic models with `role` and `content`; keys that
                are None are left out.
            tools: JSON schemas of tools.
            documents: Documents for retrieval templates.
            add_generation_prompt: Adds the start of an answer.
            continue_final_message: Ends the text with the last message's content, or with its field
                named here, for the assistant to continue it.
            **variables: Other variables of the template; they win over special tokens.

        Raises:
            TemplateError: Wherever transformers raises, with `.message_index` and, in `.line`, the
                line of the template.
            DataError: A string holds half of a surrogate pair.
        """
        import numpy as np

        if continue_final_message and add_generation_prompt:
            raise TemplateError(
                "continue_final_message and add_generation_prompt exclude each other",
                code="template-error",
            )
        field = "content" if continue_final_message is True else continue_final_message or None
        text, spans, turns = self._core.render(
            messages, tools, documents, add_generation_prompt, field, variables
        )
        return Rendered(
            text,
            np.asarray(spans, dtype=np.int64).reshape(-1, 2),
            np.asarray(turns, dtype=np.int32),
            _refusal(self._core, with_tools=tools is not None),
        )

    def study(self, *, with_tools: bool = False) -> dict[str, Any]:
        r"""What the template does, learned by rendering small conversations.

        >>> study = Template("chatml").study()
        >>> study["terminator"], study["generation_prompts"]["user"]
        ('<|im_end|>\n', '<|im_start|>assistant\n')

        Args:
            with_tools: Studies the template that a directory has for conversations with tools.

        Returns:
            `roles` (a list of `role`, `accepted`, `refusal`, `header`, `footer`),
            `part_roles` (roles whose text is printed only where the content is a list of parts),
            `generation_prompts` and `role_markers` (text by the role before and after),
            `terminator` and `final_terminator` (text after the content of a turn that another
            message follows, and of the last one), `reasoning_markers`, `spans_refused` (why turns
            cannot be located, or None), and answers: `reads_tools`, `reads_reasoning`,
            `reads_date`, `rewrites_history`, `has_generation_tags`, `next_role_ends_turn`.
        """
        import json

        study: dict[str, Any] = json.loads(self._core.study(with_tools))
        return study

    @property
    def name(self) -> str:
        """A path, the name of a built-in template, or ``inline``."""
        return self._core.name

    @property
    def source(self) -> str:
        """The Jinja source."""
        return self._core.source

    def __repr__(self) -> str:
        return f"Template({self.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        given, *others = self._arguments
        if given == self.name:
            given = str(Path(given).resolve()) if Path(given).exists() else given
        return _restore, (self.source, given, *others)


def _moment(now: str | dt.date | None) -> tuple[int, int, int, int, int, int, int]:
    if isinstance(now, str):
        now = dt.datetime.fromisoformat(now)
    if now is None:
        now = dt.datetime.now()  # noqa: DTZ005 (templates see local time, as in transformers)
    if not isinstance(now, dt.datetime):
        now = dt.datetime.combine(now, dt.time())
    return (now.year, now.month, now.day, now.hour, now.minute, now.second, now.microsecond)


def _refusal(core: _core.Template, *, with_tools: bool) -> TemplateError | None:
    try:
        core.require_spans(with_tools)
    except TemplateError as error:
        return error
    return None


def _restore(source: str, given: str, name: str | None, tokens: Any, moment: Any) -> Template:
    """Makes a pickled template again, which must be the one that was pickled."""
    now = dt.datetime(*moment)  # noqa: DTZ001
    template = Template(given, name=name, special_tokens=dict(tokens), now=now)
    if template.source != source:
        raise TemplateError(
            "the template is not the one that was pickled: its file has changed",
            code="template-changed",
            path=given,
            hint="use the same files on every machine and for the whole run",
        )
    return template
