"""How much of one message a web server keeps before it has the whole.

uvicorn takes 16 MiB of each websocket by default, whatever MAX_PAYLOAD says, and Daphne a mebibyte,
which may be less than the handshake says may come. Both look at a frame's head before they take
what follows.

tests/conformance/test_engine_guards.py fails if a release moves one of the names used here.
"""

from __future__ import annotations

import contextlib
import copy
import functools
from typing import Any

from . import daphne, uvicorn


def limit(send: Any, size: int) -> None:
    """Have the websocket behind `send` end at a message of more than `size` bytes, or sooner where
    uvicorn's own limit is lower.
    """
    with contextlib.suppress(AttributeError):  # a name has moved: the server's own limit holds
        protocol = daphne.find_protocol(send)
        if protocol is not None:
            protocol.maxFramePayloadSize = protocol.maxMessagePayloadSize = size
            return
        protocol = uvicorn.find_protocol(send)
        if protocol is None or (protocol.config.ws_max_size or size) < size:
            return
        if hasattr(protocol, "buffer"):  # of wsproto
            protocol.buffer.max_length = size
            protocol.config = _with_max_size(protocol.config, size)  # which the client is told
        else:
            protocol.conn.max_message_size = size


def is_exceeded(send: Any, size: int) -> bool:
    """Whether the websocket behind `send` ended because a message passed the limit that was set."""
    with contextlib.suppress(AttributeError):
        protocol = daphne.find_protocol(send)
        if protocol is not None:
            return bool(
                protocol.wasMaxMessagePayloadSizeExceeded or protocol.wasMaxFramePayloadSizeExceeded
            )
        protocol = uvicorn.find_protocol(send)
        if protocol is None:
            return False
        if hasattr(protocol, "buffer"):
            return bool(protocol.buffer.length > protocol.buffer.max_length == size)
        is_too_big = type(protocol.conn.parser_exc).__name__ == "PayloadTooBig"
        return is_too_big and protocol.conn.max_message_size == size
    return False


@functools.lru_cache(maxsize=4)
def _with_max_size(config: Any, size: int) -> Any:
    """A copy, since all connections of the process share the configuration, ours or not."""
    other = copy.copy(config)
    other.ws_max_size = size
    return other
