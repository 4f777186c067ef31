"""Credentials of stores: never in a URI, because URIs are written, and what to do if refused."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from turnmill.errors import DataError

_SECRET_KEYS = re.compile("secret|password|token|key|sig|credential", re.IGNORECASE)
_REFUSALS = re.compile(
    "ACCESS_DENIED|AccessDenied|ExpiredToken|InvalidAccessKeyId|INVALID_ACCESS_KEY_ID|"
    "SignatureDoesNotMatch|SIGNATURE_DOES_NOT_MATCH|InvalidToken|HTTP status 40[13]|"
    "UNAUTHENTICATED|PERMISSION_DENIED|AuthenticationFailed|AuthenticationException"
)
"""What file systems of pyarrow say where a store does not let them in."""
_RENEW = (
    "the store refuses these credentials: they are wrong, may not do this, or have expired. Renew "
    "them where the library of the store looks for them, and run the same command again: finished "
    "shards are kept"
)


def refuse_secrets(uri: str) -> None:
    """Refuses a URI that holds a secret: outputs, errors and progress would show it.

    Raises:
        DataError: It does. The error does not repeat it.
    """
    from urllib.parse import parse_qsl, urlsplit  # slow to import, and only needed here

    parts = urlsplit(uri)
    # A secret may hold `/`, at which the part before the path seems to end.
    cut = re.fullmatch(r"[^@/?]*:(?!\d*$)[^@?]*", parts.netloc) is not None and "@" in parts.path
    secret = cut or any(_SECRET_KEYS.search(name) for name, _ in parse_qsl(parts.query))
    if parts.password is None and not secret:
        return
    raise DataError(
        "the URI holds a secret, which the output would show to everybody",
        code="secret-in-uri",
        path=f"{parts.scheme}://…@{(parts.netloc + parts.path).rpartition('@')[2]}",
        hint="give credentials in the environment, such as AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, or in a file of the library of the store",
    )


def is_refusal(error: Exception) -> bool:
    """Whether a store refused the credentials."""
    return isinstance(error, OSError) and bool(_REFUSALS.search(str(error)))


@contextlib.contextmanager
def explaining_refusals() -> Iterator[None]:
    """Adds what to do to the error of a store that refuses the credentials."""
    try:
        yield
    except OSError as error:
        if is_refusal(error):
            error.add_note(f"hint: {_RENEW}")
        raise
