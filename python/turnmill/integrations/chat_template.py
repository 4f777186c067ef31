"""`apply_chat_template` of transformers for a batch: the same arguments, the same results."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from turnmill.integrations.encodings import FAST_KEYS, Texts, batch_encoding
from turnmill.integrations.tokenizers import tokenizer_of
from turnmill.template import Template

__all__ = ["apply_chat_template"]

_TAG = re.compile(r"\{%-?\s*generation\s*-?%\}")
_CLOCK = "strftime_now"
_BOTH = "continue_final_message and add_generation_prompt are not compatible"


def apply_chat_template(
    tokenizer: Any,
    conversation: Any,
    tools: Sequence[Mapping[str, Any] | Callable[..., Any]] | None = None,
    documents: Sequence[Mapping[str, Any]] | None = None,
    chat_template: str | None = None,
    add_generation_prompt: bool = False,
    continue_final_message: bool | str = False,
    tokenize: bool = True,
    sanitize_control_tokens: bool = False,
    padding: Any = False,
    truncation: Any = False,
    max_length: int | None = None,
    return_tensors: Any = None,
    return_dict: bool = True,
    return_assistant_tokens_mask: bool = False,
    tokenizer_kwargs: dict[str, Any] | None = None,
    *,
    infer_assistant_mask: bool = True,
    threads: int | None = None,
    **kwargs: Any,
) -> Any:
    """What ``tokenizer.apply_chat_template(conversation, ...)`` gives in transformers 5.24.

    Made for batches: a list of conversations is rendered by turnmill's engine and tokenized on all
    cores. What turnmill has no fast way for (`sanitize_control_tokens`, overflowing tokens, pairs)
    is left to the tokenizer itself.

    Args:
        tokenizer: A tokenizer of transformers, with the tokens and the template it has now.
        conversation: One conversation, or a list of them: dicts, dataclasses or pydantic models.
        tools: As in transformers: JSON schemas, or functions.
        documents: As in transformers.
        chat_template: As in transformers: source, or the name of one of several.
        add_generation_prompt: As in transformers.
        continue_final_message: As in transformers.
        tokenize: As in transformers.
        sanitize_control_tokens: As in transformers, whose work it then is.
        padding: As in transformers.
        truncation: As in transformers.
        max_length: As in transformers.
        return_tensors: As in transformers: ``"np"`` or ``"pt"``.
        return_dict: As in transformers.
        return_assistant_tokens_mask: As in transformers, with the spans of turnmill, which are
            right where a tag stands inside a macro, a block that is set, a filter or another tag.
        tokenizer_kwargs: As in transformers.
        infer_assistant_mask: What to do if the template has no ``{% generation %}`` tags. By
            default the turns are inferred; false gives a mask of zeros, as in transformers.
        threads: Number of threads; all cores by default.
        **kwargs: Variables of the template.

    Returns:
        A text, ids, or a `BatchEncoding`, or a list of the first two for a list of conversations.
        Its ``encodings`` are None, and so are the methods that need them.

    Raises:
        ValueError: Arguments that exclude each other.
        TemplateError: Where the template refuses the conversation, or its turns cannot be found.
    """
    given = dict(locals())
    options = tokenizer_kwargs or {}
    if not tokenize:
        return_dict = False
    _refuse_together(given, return_dict and tokenize)
    source = tokenizer.get_chat_template(chat_template, tools)
    masked = return_assistant_tokens_mask
    is_quick = options.keys() <= FAST_KEYS and not getattr(tokenizer, "split_special_tokens", False)
    if sanitize_control_tokens or not _is_template(source) or (masked and not is_quick):
        return _theirs(given)
    chats, is_batch = _conversations(conversation)
    variables = {**tokenizer.special_tokens_map, **kwargs}
    shared = (_schemas(tools), documents, add_generation_prompt, continue_final_message)
    render = _Render(source, tokenizer.special_tokens_map, *shared)
    texts, spans = render.all(chats, variables, inferred=infer_assistant_mask if masked else None)
    if not tokenize:
        return texts if is_batch else texts[0]
    work = Texts(texts, spans if masked else None, is_batch=is_batch)
    settings = {**options, "padding": padding, "truncation": truncation, "max_length": max_length}
    if is_quick:
        out = batch_encoding(
            tokenizer, tokenizer_of(tokenizer), work, settings, return_tensors, threads
        )
    else:
        out = tokenizer(
            texts if is_batch else texts[0],
            add_special_tokens=False,
            return_tensors=return_tensors,
            **settings,
        )
    return out if return_dict else out["input_ids"]


def _is_template(source: str) -> bool:
    """Plain text is a template too, for transformers."""
    return "{{" in source or "{%" in source


def _theirs(given: dict[str, Any]) -> Any:
    """What the tokenizer itself makes of the call."""
    own = {"tokenizer", "kwargs", "infer_assistant_mask", "threads"}
    passed = {name: value for name, value in given.items() if name not in own}
    return given["tokenizer"].apply_chat_template(**passed, **given["kwargs"])


def _refuse_together(given: dict[str, Any], has_dict: bool) -> None:
    if given["return_assistant_tokens_mask"] and not has_dict:
        raise ValueError("`return_assistant_tokens_mask` needs `return_dict` and `tokenize`")
    if given["continue_final_message"]:
        if given["add_generation_prompt"]:
            raise ValueError(_BOTH)
        if given["return_assistant_tokens_mask"]:
            raise ValueError(
                "continue_final_message is not compatible with return_assistant_tokens_mask"
            )


def _conversations(given: Any) -> tuple[list[Any], bool]:
    """The conversations, and whether several were given."""
    if isinstance(given, list | tuple) and not given:
        raise ValueError("the conversation is empty: give one message at least")
    first = given[0] if isinstance(given, list | tuple) else None
    is_batch = isinstance(first, list | tuple) or hasattr(first, "messages")
    chats = list(given) if is_batch else [given]
    return [getattr(chat, "messages", chat) for chat in chats], is_batch


class _Render:
    """A template with the arguments that all conversations of a call share."""

    def __init__(
        self,
        source: str,
        special: Mapping[str, Any],
        tools: list[Any] | None,
        documents: Any,
        prompted: bool,
        continued: bool | str,
    ) -> None:
        self._has_tags = bool(_TAG.search(source))
        now = dt.datetime.now().isoformat() if _CLOCK in source else None  # noqa: DTZ005
        named = tuple((name, text) for name, text in special.items() if isinstance(text, str))
        self._template = _compiled(source, named, now)
        field = "content" if continued is True else continued or None
        self._options = (tools, documents, prompted, field)
        self._with_tools = tools is not None

    def all(
        self, chats: list[Any], variables: dict[str, Any], *, inferred: bool | None
    ) -> tuple[list[str], list[Any]]:
        """The texts, and the spans of each that an assistant writes; `inferred` None: no spans."""
        import numpy as np

        if inferred and not self._has_tags:
            self._template._core.require_spans(self._with_tools)
        texts, spans = [], []
        for chat in chats:
            text, found, _ = self._template._core.render(chat, *self._options, variables)
            texts.append(text)
            if inferred is not None:
                wanted = self._has_tags or inferred
                spans.append(np.asarray(found).reshape(-1, 2) if wanted else np.empty((0, 2), int))
        return texts, spans


@lru_cache(maxsize=16)
def _compiled(source: str, special: tuple[tuple[str, str], ...], now: str | None) -> Template:
    return Template(source, special_tokens=dict(special), now=now)


def _schemas(tools: Any) -> list[Any] | None:
    """Tools as JSON schemas; functions become them, as in transformers."""
    if tools is None:
        return None
    from transformers.utils import get_json_schema

    def schema(tool: Any) -> Any:
        if isinstance(tool, Mapping):
            return tool
        if callable(tool):
            return get_json_schema(tool)
        raise ValueError("a tool is a JSON schema, or a function with type hints and a docstring")

    return [schema(tool) for tool in tools]
