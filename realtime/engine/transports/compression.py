"""permessage-deflate, which is not agreed to.

Every browser offers it, and uvicorn agrees by default. We never compress what we write; all that
the agreement brings is two zlib streams, 32 kB for each connection that is idle, and frames of the
client that only the server's own parser can read.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import sys
from typing import Any

from .uvicorn import find_protocol


def decline(send: Any) -> None:
    """Have the websocket behind `send` accepted without it, under a server that would agree.

    To be called before `websocket.accept` is sent.
    """
    with contextlib.suppress(AttributeError):  # a name has moved: it may agree
        _decline(find_protocol(send), send)


def _decline(protocol: Any, send: Any) -> None:
    if protocol is None:
        _decline_in_legacy(send)
    elif not protocol.config.ws_per_message_deflate:
        return
    elif hasattr(protocol, "response"):
        # websockets' core has agreed at the request; nobody has been told yet.
        protocol.response.headers.pop("Sec-WebSocket-Extensions", None)
        protocol.conn.extensions = []
    else:
        # wsproto looks when it accepts.
        protocol.config = _without_deflate(protocol.config)


@functools.lru_cache(maxsize=4)
def _without_deflate(config: Any) -> Any:
    """A copy, since all connections of the process share the configuration, ours or not."""
    other = copy.copy(config)
    other.ws_per_message_deflate = False
    return other


def _decline_in_legacy(send: Any) -> None:
    module: Any = sys.modules.get("uvicorn.protocols.websockets.websockets_impl")
    known = getattr(module, "WebSocketProtocol", None)
    owner: Any = getattr(send, "__self__", None)
    if known is not None and type(owner) is known and send.__func__ is known.asgi_send:
        # A list of this connection alone, which is looked at after the application has accepted.
        owner.available_extensions.clear()
