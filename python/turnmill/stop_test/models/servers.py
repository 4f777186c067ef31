"""Servers: llama.cpp's own protocol, and OpenAI's completions as vLLM and others speak it.

The stop set is never sent along. Whether the server ends where the data ends is what is tested.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from turnmill.errors import TurnmillError
from turnmill.stop_test.generation import Generate, Generation
from turnmill.stop_test.models.http import RefusedError, get, post
from turnmill.tokenizer import Tokenizer

_Ask = Callable[[list[int], int], Generation]

_BEYOND_OPENAI: dict[str, Any] = {
    "return_token_ids": True,
    "skip_special_tokens": False,
    "spaces_between_special_tokens": False,
}
"""What vLLM takes beyond OpenAI's protocol: ids, and text in which control tokens show."""


def server(url: str, tokenizer: Tokenizer | None, name: str | None) -> Generate:
    """A generator that asks a server; a batch is asked for at once.

    Raises:
        TurnmillError: It does not answer.
    """
    base = url.rstrip("/")
    if not base.endswith("/v1"):
        if _is_llama_cpp(base):
            return _at_once(_llama_cpp(base))
        base += "/v1"
    return _at_once(_openai(base, name or _only_model(base), tokenizer))


def _at_once(ask: _Ask) -> Generate:
    from concurrent.futures import ThreadPoolExecutor

    def generate(prompts: list[list[int]], rooms: list[int]) -> list[Generation]:
        with ThreadPoolExecutor(len(prompts)) as threads:
            return list(threads.map(ask, prompts, rooms))

    return generate


def _is_llama_cpp(base: str) -> bool:
    try:
        return "default_generation_settings" in get(f"{base}/props")
    except RefusedError:
        return False


def _llama_cpp(base: str) -> _Ask:
    """``POST /completion``, as the README of llama.cpp's server describes it."""

    def ask(prompt: list[int], room: int) -> Generation:
        body = {"prompt": prompt, "n_predict": room, "temperature": 0, "return_tokens": True}
        answer = post(f"{base}/completion", body)
        ids = _part(answer, "tokens", base)
        return Generation(ids, ended=_part(answer, "stop_type", base) in {"eos", "word"})

    return ask


def _only_model(base: str) -> str:
    """The first model that an endpoint lists."""
    models = _part(get(f"{base}/models"), "data", base)
    if models and isinstance(models[0], dict) and "id" in models[0]:
        return str(models[0]["id"])
    message = "the server lists no model"
    raise TurnmillError(message, code="no-model", path=base, hint="name it with --model-name")


def _openai(base: str, name: str, tokenizer: Tokenizer | None) -> _Ask:
    """``POST /completions`` with a prompt of ids; ids come back from vLLM, else text."""
    refuses_more: list[bool] = []

    def ask(prompt: list[int], room: int) -> Generation:
        body = {"model": name, "prompt": prompt, "max_tokens": room, "temperature": 0}
        if not refuses_more:
            try:
                return _completion(post(f"{base}/completions", {**body, **_BEYOND_OPENAI}))
            except RefusedError as error:
                if error.status not in {400, 422}:
                    raise
        # OpenAI itself refuses what it does not know. If this fails too, the error is about this.
        answer = _completion(post(f"{base}/completions", body))
        refuses_more.append(True)
        return answer

    def _completion(answer: Any) -> Generation:
        choice = (_part(answer, "choices", base) or [{}])[0]
        ended = _part(choice, "finish_reason", base) == "stop"
        if choice.get("token_ids") is not None:
            return Generation(choice["token_ids"], ended)
        if tokenizer is None:
            message = "the server gives text and no ids, and no tokenizer is named"
            hint = "add --tokenizer with the directory of the model's tokenizer"
            raise TurnmillError(message, code="no-tokenizer", path=base, hint=hint)
        text = _part(choice, "text", base)
        return Generation(tokenizer.encode(text).tolist(), ended, exact=False)

    return ask


def _part(answer: Any, key: str, url: str) -> Any:
    if isinstance(answer, dict) and key in answer:
        return answer[key]
    message = f"the server's answer has no `{key}`"
    hint = "it may be of another kind or an old version: docs/stop-test.md says what is asked"
    raise TurnmillError(message, code="odd-answer", path=url, hint=hint)
