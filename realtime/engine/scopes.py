"""The scopes of requests. That of a handshake is kept for as long as its session lives."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

#: Headers whose values many clients have in common, and none of which is a secret.
_COMMON = frozenset(
    b"accept accept-encoding accept-language cache-control connection host origin pragma"
    b" sec-fetch-dest sec-fetch-mode sec-fetch-site sec-websocket-extensions sec-websocket-version"
    b" upgrade user-agent".split()
)
#: Bytes of a value that is worth remembering; all of them take a megabyte at most.
_LONGEST = 200


@lru_cache(maxsize=4_096)
def _shared(value: bytes) -> bytes:
    return value


def share_headers(scope: dict[str, Any]) -> None:
    """Let equal headers of different clients be the same objects: a browser's take 2 kB."""
    headers = scope["headers"]
    if isinstance(headers, list):
        # In place: the web server keeps this list as well.
        headers[:] = [
            (_shared(name), _shared(value) if len(value) <= _LONGEST else value)
            if name in _COMMON
            else (name, value)
            for name, value in headers
        ]


def address_of(scope: Mapping[str, Any]) -> str | None:
    """The IP address that a request came from, where the web server knows it."""
    client = scope.get("client")
    return str(client[0]) if client else None
