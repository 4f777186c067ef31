"""Serves a view to this machine alone: on the loopback, behind a token, read-only."""

from __future__ import annotations

import http.server
import secrets
import threading
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from turnmill.errors import TurnmillError
from turnmill.view.listing import Filter
from turnmill.view.pages import Pages

HOST = "127.0.0.1"
_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "form-action 'self'; frame-ancestors 'self'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class View:
    """A view that is being served, until it is closed.

    It answers in a thread of its own; use it as a context, or call :meth:`close`.
    """

    def __init__(self, server: _Server, base: str) -> None:
        self._server = server
        self.url = f"http://{HOST}:{server.server_port}{base}/"
        """The address. Whoever knows it, on this machine, can look."""
        self._thread = threading.Thread(
            target=server.serve_forever, name="turnmill-view", daemon=True
        )
        self._thread.start()

    def wait(self) -> None:
        """Waits until it is closed, or the user interrupts."""
        while self._thread.is_alive():
            self._thread.join(0.5)

    def close(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"View({self.url!r})"


def new_base() -> str:
    """The start of the addresses of one view: nobody can guess it."""
    return f"/{secrets.token_urlsafe(16)}"


def serve(pages: Pages, base: str, port: int) -> View:
    """Begins to serve pages.

    Args:
        pages: The pages.
        base: What `new_base` gave.
        port: The port; 0 takes a free one.

    Raises:
        OSError: The port is taken.
    """
    try:
        return View(_Server(pages, base, port), base)
    except OSError as error:
        error.add_note("hint: give another port, or none to take a free one")
        raise


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, pages: Pages, base: str, port: int) -> None:
        super().__init__((HOST, port), _Handler)
        self.pages = pages
        self.base = base
        self.lock = threading.Lock()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    server_version = "turnmill"
    sys_version = ""

    def do_GET(self) -> None:
        """Answers with a page."""
        status, page = self._answer()
        content = page.encode("utf-8", "backslashreplace")
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def do_HEAD(self) -> None:
        """Answers with the head of the page."""
        self.do_GET()

    def _answer(self) -> tuple[HTTPStatus, str]:
        if not self._is_allowed():
            return HTTPStatus.FORBIDDEN, "forbidden\n"
        address = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(address.query).items()}
        pages = self.server.pages
        try:
            with self.server.lock:  # listings remember what was read last
                return HTTPStatus.OK, self._page(address.path, query)
        except (IndexError, ValueError):
            return HTTPStatus.NOT_FOUND, pages.wrong()
        except (TurnmillError, OSError) as error:
            return HTTPStatus.INTERNAL_SERVER_ERROR, pages.failed(str(error))

    def _is_allowed(self) -> bool:
        """Whether the address holds the token, and was not reached by a name of somebody's own."""
        host = (self.headers.get("Host") or "").rpartition(":")[0]
        token = self.path.split("?")[0].split("/")[1] if "/" in self.path else ""
        known = self.server.base[1:]
        right = secrets.compare_digest(token.encode(), known.encode())
        return right and host in {HOST, "localhost"}

    def _page(self, path: str, query: dict[str, str]) -> str:
        match path.removeprefix(self.server.base).strip("/").split("/"):
            case [""]:
                return self.server.pages.list(_filter(query), _number(query, "at") or 0)
            case ["row", number] if number.isdecimal():
                return self.server.pages.row(int(number), _number(query, "token") or 0)
        raise IndexError(path)

    def log_message(self, *_: Any) -> None:
        """Says nothing: the address holds the token."""


def _filter(query: dict[str, str]) -> Filter:
    return Filter(
        query.get("source", ""),
        query.get("rule", ""),
        _number(query, "least"),
        _number(query, "most"),
        query.get("text", ""),
    )


def _number(query: dict[str, str], name: str) -> int | None:
    """A number of a query.

    Raises:
        ValueError: It is something else.
    """
    text = query.get(name, "")
    if not text:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise ValueError(text)
    return int(text)
