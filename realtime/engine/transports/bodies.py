"""A limit for request bodies under Daphne, which has none.

Daphne starts the application when it has the whole body, and then puts all of it into the
application's queue: a chunked POST of 200 MB fills the memory before any application sees a byte.
So the bodies of our paths are counted where Twisted hands them over, in three methods of
`twisted.web.http.Request` (`gotLength`, `handleContentChunk`, `requestReceived`).

They see every request of the site. A request whose path is not known there, of whatever protocol
Twisted learns to speak, is none of ours and goes its way.

tests/conformance/test_engine_guards.py fails if a release moves one of the names used here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from ..paths import decoded

#: Called with the URI of a request whose body was refused.
Refusal = Callable[[bytes], None]
#: Whether a path, and the root path of its request, are ours.
Serves = Callable[[str, str], bool]

#: What a refused client may still send until its answer has surely arrived: a connection that is
#: closed with data unread is reset, and the answer lost.
DRAIN = 10_000_000

_ANSWER = b"HTTP/1.1 413 Request Entity Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

_Limit = tuple[Serves, int, Refusal]
#: One for each application, and nothing that a request brings.
_limits: dict[int, _Limit] = {}


def limit_bodies(owner: object, serves: Serves, limit: int, refused: Refusal) -> None:
    """Answer bodies of more than `limit` bytes for our paths with 413, as soon as they pass it.

    Over HTTP/2 the answer comes at the body's end. Does nothing where Daphne does not run. Call it
    again for an owner to change its limit.
    """
    module = sys.modules.get("daphne.http_protocol")
    if module is None:
        return
    if not _limits:
        _install(module.WebRequest)
    _limits[id(owner)] = (serves, limit, refused)


class _Body:
    """What is known of the body of a request to one of our paths."""

    __slots__ = ("limit", "over", "refused", "size", "uri")

    def __init__(self, uri: bytes, limit: int, refused: Refusal) -> None:
        self.uri = uri
        self.limit = limit
        self.refused = refused
        self.size = 0
        self.over = False


def _uri(request: Any) -> bytes | None:
    """The URI before the body is complete, when only the channel has it."""
    channel = getattr(request, "channel", None)
    # HTTPChannel's, or that of the stream that stands in for it over HTTP/2.
    for name in ("_path", "path"):
        uri = getattr(channel, name, None)
        if isinstance(uri, bytes):
            return uri
    return None


def _body_of(request: Any) -> _Body | None:
    uri = _uri(request)
    if uri is None:
        return None
    path, root = decoded(uri), _root_path(request)
    for serves, limit, refused in _limits.values():
        if serves(path, root):
            return _Body(uri, limit, refused)
    return None


def _root_path(request: Any) -> str:
    """As Daphne has it in `process`: the header stands for its option --root-path."""
    headers = getattr(request, "requestHeaders", None)
    values = headers.getRawHeaders(b"daphne-root-path") if headers is not None else None
    if values:
        return decoded(values[-1])
    return getattr(getattr(request, "server", None), "root_path", None) or ""


def _install(request_class: Any) -> None:
    got_length = request_class.gotLength
    handle_chunk = request_class.handleContentChunk
    request_received = request_class.requestReceived

    def limited_length(self: Any, length: int | None) -> None:
        body = self._realtime_body = _body_of(self)
        if body is not None and length is not None and length > body.limit:
            # Nothing will be kept: the length only chooses between memory and a file.
            got_length(self, 0)
            _refuse(self, body)
        else:
            got_length(self, length)

    def limited_chunk(self: Any, data: bytes) -> None:
        body: _Body | None = self._realtime_body
        if body is None:
            handle_chunk(self, data)
            return
        body.size += len(data)
        if body.over:
            if body.size > body.limit + DRAIN:
                _abort(self)
        elif body.size > body.limit:
            _refuse(self, body)
        else:
            handle_chunk(self, data)

    def limited_received(self: Any, command: bytes, path: bytes, version: bytes) -> None:
        if self._realtime_body is None or not self._realtime_body.over:
            request_received(self, command, path, version)
        elif _is_stream(self):
            self.method, self.uri, self.clientproto = command, path, version
            self.setResponseCode(413)
            self.finish()
        else:
            self.channel.loseConnection()

    # Of the class: one that was made before the methods were replaced has it too.
    request_class._realtime_body = None
    request_class.gotLength = limited_length
    request_class.handleContentChunk = limited_chunk
    request_class.requestReceived = limited_received


def _is_stream(request: Any) -> bool:
    """Whether the request is one of several on an HTTP/2 connection."""
    return hasattr(request.channel, "streamID")


def _refuse(request: Any, body: _Body) -> None:
    body.over = True
    if not _is_stream(request):
        request.channel.transport.write(_ANSWER)
    body.refused(body.uri)


def _abort(request: Any) -> None:
    channel = request.channel
    (channel if _is_stream(request) else channel.transport).abortConnection()
