"""A store that speaks S3 on this machine: moto's server, whose credentials can expire."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

EXPIRED = (
    b"<?xml version='1.0'?><Error><Code>ExpiredToken</Code>"
    b"<Message>The provided token has expired.</Message></Error>"
)
SECRET = "wJalrXUtnFEMIsecretsecret"
TOKEN = "FwoGZXIvYXdzEtokentoken"


class Store:
    """The store, seen from the tests."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.puts_left: int | None = None
        """Writes after which the credentials expire; ``None``: they do not."""
        self.pause = 0.0
        """Seconds before each answer."""

    @property
    def environment(self) -> dict[str, str]:
        """What clients need."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "ASIATESTTESTTEST",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_SESSION_TOKEN": TOKEN,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self) -> Any:
        """A client that does not go through turnmill."""
        import boto3

        return boto3.client("s3")

    def objects(self, prefix: str) -> dict[str, bytes]:
        """Every object below a prefix but markers of directories, by the rest of its name."""
        client, found = self.client(), {}
        for page in client.get_paginator("list_objects_v2").paginate(
            Bucket="bucket", Prefix=prefix
        ):
            for entry in page.get("Contents", []):
                key = entry["Key"]
                if not key.endswith("/"):
                    content = client.get_object(Bucket="bucket", Key=key)["Body"].read()
                    found[key.removeprefix(prefix)] = content
        return found


@contextlib.contextmanager
def serving() -> Iterator[Store]:
    """The store, with one bucket called ``bucket`` once a client makes it."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    silent = type("Silent", (WSGIRequestHandler,), {"log_request": lambda *_: None})

    moto = DomainDispatcherApplication(create_backend_app)

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        time.sleep(store.pause)
        if environ["REQUEST_METHOD"] == "PUT" and store.puts_left:
            store.puts_left -= 1
        if store.puts_left == 0:
            start("403 Forbidden", [("Content-Type", "application/xml")])
            return [EXPIRED if environ["REQUEST_METHOD"] != "HEAD" else b""]
        result: Iterable[bytes] = moto(environ, start)
        return result

    server = make_server("127.0.0.1", 0, answer, threaded=True, request_handler=silent)
    store = Store(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
