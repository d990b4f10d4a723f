"""HTTP over ASGI: reading a bounded body, answering, and the refusals of the protocol."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from ...metrics import counters as metrics

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]
#: Status, body and headers.
Answer = tuple[int, bytes, list[tuple[bytes, bytes]]]

TEXT = (b"content-type", b"text/plain; charset=UTF-8")
JSON = (b"content-type", b"application/json")
NO_STORE = (b"cache-control", b"no-store")

#: How the User-Agent of aiohttp goes, on which python-engineio's asyncio client stands.
_AIOHTTP = re.compile(r"Python/\S+ aiohttp/")

#: In the scope of a request that has to be answered within so many seconds. Our own key.
POLL_WITHIN = "poll_within"
#: The part of a web server's time for a request in which a poll is answered.
IN_TIME = 0.75

TRANSPORT_UNKNOWN, SESSION_UNKNOWN, BAD_METHOD, BAD_REQUEST, FORBIDDEN, BAD_VERSION = range(6)
_MESSAGES = (
    "Transport unknown",
    "Session ID unknown",
    "Bad handshake method",
    "Bad request",
    "Forbidden",
    "Unsupported protocol version",
)


class Refused(Exception):
    """The request is answered with one of the reference server's numeric errors."""

    def __init__(self, code: int, message: str = "", status: int = 0) -> None:
        super().__init__(message or _MESSAGES[code])
        self.code = code
        self.message = message or _MESSAGES[code]
        self.status = status or (403 if code == FORBIDDEN else 400)

    @property
    def body(self) -> bytes:
        return json.dumps({"code": self.code, "message": self.message}).encode()


class TooLarge(Exception):
    """The body is over the limit."""


class Gone(Exception):
    """The client left before its request was complete."""


@dataclass(frozen=True, slots=True)
class Compression:
    """Which answers are compressed: those of at least `threshold` bytes, if `enabled`."""

    enabled: bool = True
    threshold: int = 1024

    def apply(self, body: bytes, accepted: str) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        if not self.enabled or len(body) < self.threshold:
            return body, []
        for encoding in _encodings(accepted):
            if encoding == "gzip":
                return gzip.compress(body, compresslevel=6, mtime=0), [
                    (b"content-encoding", b"gzip")
                ]
            if encoding == "deflate":
                return zlib.compress(body), [(b"content-encoding", b"deflate")]
        return body, []


def _encodings(accepted: str) -> Iterable[str]:
    """The names in an Accept-Encoding header but for those that it refuses, with "q=0"."""
    for item in accepted.split(","):
        name, _, weight = item.partition(";")
        if re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", weight) is None:
            yield name.strip()


def query(scope: Mapping[str, Any]) -> dict[str, str]:
    """The first value of each parameter."""
    text = scope.get("query_string", b"").decode("latin-1")
    if "%" in text or "+" in text:
        return {key: values[0] for key, values in parse_qs(text, keep_blank_values=True).items()}
    # Nothing to decode, as in nearly all requests: a fifth of the time.
    found: dict[str, str] = {}
    for pair in text.split("&"):
        if pair:
            key, _, value = pair.partition("=")
            found.setdefault(key, value)
    return found


def header(scope: Mapping[str, Any], name: bytes) -> str | None:
    for key, value in scope["headers"]:
        if key.lower() == name:
            return str(value.decode("latin-1"))
    return None


def keeps_trying(scope: Mapping[str, Any]) -> bool:
    """Whether the client comes back after a refusal that has a body, however late that arrives.

    python-engineio's asyncio client closes its connection before it reads the body. If this was not
    there yet, a RuntimeError ends its reconnecting for good.
    """
    return _AIOHTTP.match(header(scope, b"user-agent") or "") is None


def cors(scope: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """Headers that let the page of an allowed origin read the answer, its cookies sent along."""
    origin = header(scope, b"origin")
    if origin is None:
        return []
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-credentials", b"true"),
        (b"vary", b"Origin"),
    ]


def preflight(scope: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """What an answer to OPTIONS has beside the headers of every answer."""
    headers = [(b"access-control-allow-methods", b"GET, POST, OPTIONS")]
    asked = header(scope, b"access-control-request-headers")
    if asked is not None:
        headers.append((b"access-control-allow-headers", asked.encode("latin-1")))
    return headers


async def read_body(scope: Mapping[str, Any], receive: Receive, limit: int) -> bytes:
    """The whole body. Raises `TooLarge` as soon as it is known to pass the limit, or `Gone`."""
    announced = header(scope, b"content-length")
    if announced is not None and announced.isdigit() and int(announced[:20]) > limit:
        raise TooLarge
    body = bytearray()
    while True:
        event = await receive()
        if event["type"] != "http.request":
            raise Gone
        body += event.get("body", b"")
        if len(body) > limit:
            raise TooLarge
        if not event.get("more_body", False):
            return bytes(body)


def discard(receive: Receive) -> None:
    """Drop what has arrived of a body that nobody will read.

    Daphne puts the whole of it into a queue, which lives until the garbage collector's next full
    pass finds the request: the body of each POST that is refused would be held for so long.
    """
    queue = getattr(receive, "__self__", None)
    if isinstance(queue, asyncio.Queue):
        while not queue.empty():
            queue.get_nowait()


async def respond(send: Send, status: int, body: bytes, headers: Headers) -> None:
    all_headers = [(b"content-length", str(len(body)).encode()), *headers]
    try:
        await send({"type": "http.response.start", "status": status, "headers": all_headers})
        await send({"type": "http.response.body", "body": body})
    except OSError:
        # The client has left; ASGI servers may say so (specification, "send" after a disconnect).
        metrics.count("responses.unsent")


async def watch(receive: Receive) -> None:
    """Return when the client has left."""
    event = await receive()
    while event["type"] != "http.disconnect":
        event = await receive()
