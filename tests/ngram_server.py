"""A tiny language model of counts, and a server that speaks the protocols of real ones around it.

It stands in for the servers that need a GPU: llama.cpp's `POST /completion` and
OpenAI's `POST /v1/completions`, with the additions of vLLM if they are wanted. What a real
llama.cpp server answers is compared in `tests/servers`.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from turnmill import Tokenizer


class Ngrams:
    """Predicts what most often followed the longest known end of a context."""

    def __init__(self, rows: Iterable[Sequence[int]], longest: int = 12) -> None:
        self._longest = longest
        self._counts: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for row in rows:
            for place, id_ in enumerate(row):
                for size in range(min(longest, place) + 1):
                    self._counts[tuple(row[place - size : place])][id_] += 1

    def next(self, context: Sequence[int]) -> int:
        """The likeliest next id; the smaller one of two."""
        size = min(self._longest, len(context))
        while tuple(context[len(context) - size :]) not in self._counts:
            size -= 1
        known = self._counts[tuple(context[len(context) - size :])]
        return min(known, key=lambda id_: (-known[id_], id_))

    def generate(self, prompt: Sequence[int], room: int, stops: frozenset[int]) -> list[int]:
        """The greedy answer, with the token that ended it."""
        answer: list[int] = []
        while len(answer) < room and (not answer or answer[-1] not in stops):
            answer.append(self.next([*prompt, *answer]))
        return answer


@dataclass
class Kind:
    """What a server speaks."""

    llama_cpp: bool = False
    vllm: bool = False
    """Whether it knows what vLLM adds; OpenAI's own endpoint refuses it."""
    stops: frozenset[int] = frozenset()
    """What it stops on."""
    key: str | None = None
    seen: list[dict[str, Any]] = field(default_factory=list)
    """The bodies that it was sent."""


@contextlib.contextmanager
def serve(model: Ngrams, tokenizer: Tokenizer, kind: Kind) -> Iterator[str]:
    """A server on a free port of this machine; its address without a path."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def answer(self, status: int, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def refused(self) -> bool:
            if kind.key is None or self.headers.get("Authorization") == f"Bearer {kind.key}":
                return False
            self.answer(401, {"error": "a key is needed"})
            return True

        def do_GET(self) -> None:
            if self.refused():
                return
            if self.path == "/props" and kind.llama_cpp:
                self.answer(200, {"default_generation_settings": {}, "total_slots": 1})
            elif self.path == "/v1/models":
                self.answer(200, {"object": "list", "data": [{"id": "ngrams"}]})
            else:
                self.answer(404, {"error": "not found"})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            kind.seen.append(body)
            if self.refused():
                return
            if self.path == "/completion" and kind.llama_cpp:
                ids = model.generate(body["prompt"], body["n_predict"], kind.stops)
                ended = ids[-1] in kind.stops
                self.answer(200, {"tokens": ids, "stop_type": "eos" if ended else "limit"})
            elif self.path == "/v1/completions":
                self.complete(body)
            else:
                self.answer(404, {"error": "not found"})

        def complete(self, body: dict[str, Any]) -> None:
            more = set(body) - {"model", "prompt", "max_tokens", "temperature"}
            if more and not kind.vllm:
                self.answer(400, {"error": f"unknown: {sorted(more)}"})
                return
            ids = model.generate(body["prompt"], body["max_tokens"], kind.stops)
            ended = ids[-1] in kind.stops
            said = tokenizer._token_bytes(ids[:-1] if ended else ids)
            choice = {
                "text": b"".join(said).decode("utf-8", "replace"),
                "finish_reason": "stop" if ended else "length",
                **({"token_ids": ids} if body.get("return_token_ids") else {}),
            }
            self.answer(200, {"object": "text_completion", "choices": [choice]})

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
