"""Websockets under uvicorn, on asyncio's transport.

uvicorn frames a message again for each recipient; here the frame is built once and written to the
protocol's transport. uvicorn's flow control says when the client does not read.

Known are the implementations on wsproto and on websockets' sans-I/O core (`--ws auto`, `wsproto`,
`websockets-sansio`). The deprecated one on websockets' legacy API has a writer lock of its own and
keeps the plain ASGI `send`.

tests/conformance/test_engine_guards.py fails if a release moves one of the names used here.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from typing import Any

from ..connection import Connection
from .asgi import Take, WebsocketWire
from .direct import DirectWire, Inlet
from .http import Receive, header
from .reader import FrameReader

#: Bytes that are read at a time; of a client that may have deflated them, and of others. asyncio
#: would make room for a quarter of a megabyte, for which glibc may map and unmap memory each time.
READ_DEFLATED, READ_AT_A_TIME = 16_384, 65_536
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


class UvicornReader(FrameReader, asyncio.Protocol):
    """What the transport calls in place of uvicorn's protocol, which hears of all but some frames.

    uvicorn's own keepalive listens to pongs alone, and these go to the protocol.
    """

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        if self._protocol.close_sent:
            self.hand_on(data)
        else:
            self.feed(data)

    def pass_on(self, data: bytes) -> None:
        self._protocol.data_received(data)

    def is_open(self) -> bool:
        return not self._protocol.close_sent

    def eof_received(self) -> bool | None:
        passed_on: bool | None = self._protocol.eof_received()
        return passed_on

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.connection_lost(exc)


class WebsocketsReader(UvicornReader):
    """Before websockets' sans-I/O core, whose parser is a generator."""

    __slots__ = ()

    def is_between_messages(self) -> bool:
        core = self._protocol.conn
        if core.state.name != "OPEN" or core.current_size is not None:
            return False
        step = core.parser
        while step.gi_yieldfrom is not None:
            step = step.gi_yieldfrom
        # It waits there for a frame's first byte, with nothing left of what it was given.
        return bool(step.__name__ == "at_eof")

    def is_watched(self) -> bool:
        # With its logger at DEBUG it logs each frame.
        return bool(self._protocol.conn.debug)


class WsprotoReader(UvicornReader):
    """Before wsproto."""

    __slots__ = ()

    def is_between_messages(self) -> bool:
        connection = self._protocol.conn.connection
        frames = connection._proto._frame_decoder
        return (
            connection.state.name == "OPEN"
            and frames.header is None
            and len(frames.buffer) == 0
            and connection._proto._message_decoder.opcode is None
        )

    def is_watched(self) -> bool:
        return False


_READERS: dict[str, type[UvicornReader]] = {
    "WSProtocol": WsprotoReader,
    "WebSocketsSansIOProtocol": WebsocketsReader,
}


class UvicornWire(DirectWire):
    __slots__ = ("_protocol", "_transport")

    def __init__(self, connection: Connection, send: Any, protocol: Any) -> None:
        super().__init__(connection, send)
        self._protocol = protocol
        self._transport = protocol.transport
        with contextlib.suppress(AttributeError):
            # An empty deque takes 600 bytes of each idle websocket; a list does what is needed.
            protocol.writable._waiters = list(protocol.writable._waiters)
            # Of the handshake websockets' core keeps 4 kB, and has no use for them any more.
            protocol.request.headers.clear()
            protocol.response.headers.clear()
        agrees = connection.sessions.limits.websocket_compression
        if agrees and "permessage-deflate" in (header(connection.scope, EXTENSIONS) or ""):
            # Both inflate all of what was read before they do anything else: up to 260 MB.
            size = READ_DEFLATED
        else:
            size = READ_AT_A_TIME
        with contextlib.suppress(AttributeError):  # other loops have no such attribute
            self._transport.max_size = size

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

    def listen(self, take: Take, receive: Receive) -> Receive:
        # uvicorn puts messages into `queue`, and pauses the transport after each one until the
        # application takes it: two system calls and a task's turn for every message.
        protocol = self._protocol
        if self._inlet is None and protocol.queue.empty():
            protocol.queue = self._inlet = Inlet(self.connection, take)
            self._read_frames(self._inlet, take)
        elif self._inlet is None or not self._inlet.empty():
            return receive
        self.caught_up()
        # "Paused already": what the connection takes at once needs no pause.
        protocol.read_paused = True
        return receive

    def _read_frames(self, inlet: Inlet, take: Take) -> None:
        protocol = self._protocol
        limit = self.connection.sessions.limits.max_payload
        if protocol.config.ws_max_size is not None:
            limit = min(limit, protocol.config.ws_max_size)
        reader_class = _READERS[type(protocol).__name__]
        reader = reader_class.find(self.connection, protocol, inlet, take, limit)
        if reader is not None:
            self._transport.set_protocol(reader)

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def read_network(self) -> None:
        self._transport.resume_reading()

    # The end

    def abort(self) -> None:
        super().abort()
        self._transport.abort()
