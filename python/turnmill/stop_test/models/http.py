"""JSON over HTTP, with the standard library."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from turnmill._environment import api_key
from turnmill.errors import TurnmillError

_PATIENCE = 600.0
"""Seconds that a server may take for one answer."""
_SHOWN = 300
"""Characters of a server's own words in an error."""

_KEY = "set TURNMILL_API_KEY to the server's key"
_CHECK = (
    "is the server running there? --model takes the address of a llama.cpp server, such as "
    "http://localhost:8080, or that of an OpenAI-compatible endpoint, such as "
    "http://localhost:8000/v1"
)


class RefusedError(TurnmillError):
    """The server answered with an error; `status` is its number."""

    def __init__(self, url: str, status: int, said: str) -> None:
        hint = _KEY if status in {401, 403} else _CHECK if status == 404 else None
        message = f"the server answered with status {status}: {said[:_SHOWN].strip() or 'nothing'}"
        super().__init__(message, code="server-refused", path=url, hint=hint)
        self.status = status


def get(url: str) -> Any:
    """What a server says at a URL.

    Raises:
        TurnmillError: It cannot be reached, or answers with something else than JSON.
    """
    return _ask(urllib.request.Request(url, headers=_headers()))


def post(url: str, body: dict[str, Any]) -> Any:
    """What a server answers to a JSON body.

    Raises:
        TurnmillError: As `get`.
    """
    data = json.dumps(body).encode()
    return _ask(urllib.request.Request(url, data, _headers(), method="POST"))


def _headers() -> dict[str, str]:
    key = api_key()
    given = {"Authorization": f"Bearer {key}"} if key else {}
    return {"Content-Type": "application/json", **given}


def _ask(request: urllib.request.Request) -> Any:
    url = request.full_url
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            said = error.read().decode("utf-8", "replace")
        raise RefusedError(url, error.code, said) from None
    except ValueError:
        message = "the server answered with something else than JSON"
        raise TurnmillError(message, code="no-answer", path=url, hint=_CHECK) from None
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        message = f"the server cannot be reached: {getattr(reason, 'strerror', None) or reason}"
        raise TurnmillError(message, code="no-answer", path=url, hint=_CHECK) from None
