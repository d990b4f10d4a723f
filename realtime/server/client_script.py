"""The stock JavaScript client, served at the address that every Socket.IO tutorial uses."""

import functools
import hashlib
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "static" / "realtime"
#: What the npm package socket.io-client ships; copied here at set-up and into the wheel.
NAMES = frozenset(
    name + suffix
    for name in (
        "socket.io.js",
        "socket.io.min.js",
        "socket.io.esm.min.js",
        "socket.io.msgpack.min.js",
    )
    for suffix in ("", ".map")
)


@functools.cache
def _file(name: str) -> tuple[bytes, bytes]:
    content = (FOLDER / name).read_bytes()
    return content, b'"' + hashlib.sha1(content, usedforsecurity=False).hexdigest().encode() + b'"'


async def serve(name: str, scope: dict[str, Any], send: Any) -> None:
    """Answer an HTTP request for one of the script's files."""
    if name not in NAMES:
        await _respond(send, 404, b"not found")
    elif not (FOLDER / name).exists():
        await _respond(
            send,
            404,
            b"the Socket.IO client is missing from this installation; see `manage.py check`",
        )
    elif scope["method"] not in ("GET", "HEAD"):
        await _respond(send, 405, b"method not allowed")
    else:
        content, tag = _file(name)
        kind = b"application/json" if name.endswith(".map") else b"text/javascript; charset=utf-8"
        headers = [(b"etag", tag), (b"cache-control", b"public, max-age=0")]
        if (b"if-none-match", tag) in scope["headers"]:
            await _respond(send, 304, b"", headers)
        else:
            body = b"" if scope["method"] == "HEAD" else content
            await _respond(send, 200, body, [*headers, (b"content-type", kind)])


async def _respond(
    send: Any, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    if headers is None:
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
