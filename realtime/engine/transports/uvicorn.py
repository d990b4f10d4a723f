"""Websockets under uvicorn, on asyncio's transport.

uvicorn frames a message again for each recipient; here the frame is built once and written to the
protocol's transport. uvicorn's flow control says when the client does not read.

Known are the implementations on wsproto and on websockets' sans-I/O core (`--ws auto`, `wsproto`,
`websockets-sansio`). The deprecated one on websockets' legacy API has a writer lock of its own and
keeps the plain ASGI `send`.

tests/conformance/test_engine_guards.py fails if a release moves one of the names used here.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from typing import Any

from ..connection import Connection
from .asgi import Take, WebsocketWire
from .direct import DirectWire, Inlet
from .http import header

#: Bytes that are read at a time of a client that may have deflated them.
READ_AT_A_TIME = 16_384
EXTENSIONS = b"sec-websocket-extensions"
#: Module and class of each protocol whose attributes are known.
IMPLEMENTATIONS = (
    ("uvicorn.protocols.websockets.wsproto_impl", "WSProtocol"),
    ("uvicorn.protocols.websockets.websockets_sansio_impl", "WebSocketsSansIOProtocol"),
)


def find_protocol(send: Any) -> Any:
    """The protocol object whose `send` method this is; None for any other callable."""
    owner: Any = getattr(send, "__self__", None)
    for module_name, class_name in IMPLEMENTATIONS:
        known: Any = getattr(sys.modules.get(module_name), class_name, None)
        if known is not None and type(owner) is known and send.__func__ is known.send:
            return owner
    return None


class RequestLimit:
    """uvicorn's own end after so many requests (`--limit-max-requests`), in our hands.

    At its limit uvicorn closes all websockets in one instant, and no hook comes before. So the
    limit is taken out of its configuration, and it is told to exit when all is quiet. gunicorn's
    `--max-requests` is the same, with uvicorn's worker.
    """

    def __init__(self, server: Any, requests: int) -> None:
        self._server = server
        self.requests = requests
        # 0.34 asks the configuration at each tick; later ones keep an answer with some jitter.
        server.config.limit_max_requests = None
        vars(server).pop("limit_max_requests", None)

    @classmethod
    def take(cls) -> RequestLimit | None:
        """That of the server which handles this process's signals; None if there is none."""
        # uvicorn's handler of SIGTERM is a method of its server; nothing else leads to it.
        server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
        known: Any = getattr(sys.modules.get("uvicorn.server"), "Server", None)
        if known is None or not isinstance(server, known):
            return None
        requests = getattr(server, "limit_max_requests", server.config.limit_max_requests)
        # gunicorn's worker says so for none.
        return None if requests in (None, sys.maxsize) else cls(server, requests)

    @property
    def reached(self) -> bool:
        return bool(self._server.server_state.total_requests >= self.requests)

    def end(self) -> None:
        """Let the server end now."""
        self._server.should_exit = True


class UvicornWire(DirectWire):
    __slots__ = ("_protocol", "_transport")

    def __init__(self, connection: Connection, send: Any, protocol: Any) -> None:
        super().__init__(connection, send)
        self._protocol = protocol
        self._transport = protocol.transport
        if "permessage-deflate" in (header(connection.scope, EXTENSIONS) or ""):
            # Both inflate all of what was read before they do anything else, and asyncio reads
            # 256 kB at a time: up to 260 MB. Other loops have no such attribute.
            with contextlib.suppress(AttributeError):
                self._transport.max_size = READ_AT_A_TIME

    @classmethod
    def find(cls, connection: Connection, send: Any) -> WebsocketWire | None:
        protocol = find_protocol(send)
        if protocol is None or not protocol.handshake_complete:
            return None
        return cls(connection, send, protocol)

    # Out

    def put(self, item: bytes) -> bool:
        protocol = self._protocol
        # No frame may follow the close frame, and uvicorn closes the transport after the client's.
        if protocol.close_sent or self._transport.is_closing():
            return False
        self._transport.write(item)
        # `pause_writing` clears the event when the transport holds more than its high-water mark.
        if not protocol.writable.is_set():
            self.finish_later(protocol.writable.wait())
        return True

    @property
    def buffered_bytes(self) -> int:
        held: int = self._transport.get_write_buffer_size()
        return self.queued_bytes + held

    # In

    def listen(self, take: Take) -> None:
        # uvicorn puts messages into `queue`, and pauses the transport after each one until the
        # application takes it: two system calls and a task's turn for every message.
        protocol = self._protocol
        if self._inlet is None and protocol.queue.empty():
            protocol.queue = self._inlet = Inlet(self.connection, take)
        elif self._inlet is None or not self._inlet.empty():
            return
        self.caught_up()
        # "Paused already": what the connection takes at once needs no pause.
        protocol.read_paused = True

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def read_network(self) -> None:
        self._transport.resume_reading()

    # The end

    def abort(self) -> None:
        super().abort()
        self._transport.abort()
