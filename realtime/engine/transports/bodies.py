"""A limit for request bodies under Daphne, which has none.

Daphne starts the application when it has the whole body, and then puts all of it into the
application's queue: a chunked POST of 200 MB fills the memory before any application sees a byte.
So the bodies of our paths are counted where Twisted hands them over, in three methods of
`twisted.web.http.Request` (`gotLength`, `handleContentChunk`, `requestReceived`).

tests/conformance/test_engine_guards.py fails if a release moves one of the names used here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

#: Called with the URI of a request whose body was refused.
Refusal = Callable[[bytes], None]

#: What a refused client may still send until its answer has surely arrived: a connection that is
#: closed with data unread is reset, and the answer lost.
DRAIN = 10_000_000

_ANSWER = b"HTTP/1.1 413 Request Entity Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

_limits: dict[bytes, tuple[int, Refusal]] = {}


def limit_bodies(path: str, limit: int, refused: Refusal) -> None:
    """Answer bodies of more than `limit` bytes for the path with 413, as soon as they pass it.

    Does nothing where Daphne does not run. Call it again for a path to change its limit.
    """
    module = sys.modules.get("daphne.http_protocol")
    if module is None:
        return
    if not _limits:
        _install(module.WebRequest)
    _limits[path.encode()] = (limit, refused)


def _install(request_class: Any) -> None:
    got_length = request_class.gotLength
    handle_chunk = request_class.handleContentChunk
    request_received = request_class.requestReceived

    def limited_length(self: Any, length: int | None) -> None:
        # The URI is known to the channel only, until the body is complete.
        uri = self.channel._path
        self._body_uri = uri
        self._body_limit = _limits.get(uri.partition(b"?")[0])
        self._body_size, self._body_refused = 0, False
        if self._body_limit is not None and length is not None and length > self._body_limit[0]:
            # Nothing will be kept: the length only chooses between memory and a file.
            got_length(self, 0)
            _refuse(self)
        else:
            got_length(self, length)

    def limited_chunk(self: Any, data: bytes) -> None:
        self._body_size += len(data)
        if self._body_refused:
            if self._body_size > self._body_limit[0] + DRAIN:
                self.channel.transport.abortConnection()
        elif self._body_limit is not None and self._body_size > self._body_limit[0]:
            _refuse(self)
        else:
            handle_chunk(self, data)

    def limited_received(self: Any, command: bytes, path: bytes, version: bytes) -> None:
        if self._body_refused:
            self.channel.loseConnection()
        else:
            request_received(self, command, path, version)

    request_class.gotLength = limited_length
    request_class.handleContentChunk = limited_chunk
    request_class.requestReceived = limited_received


def _refuse(request: Any) -> None:
    request._body_refused = True
    request.channel.transport.write(_ANSWER)
    request._body_limit[1](request._body_uri)
