"""Websockets under Daphne, on Twisted's transport.

Daphne's `send` costs four times the frame's write, never waits, and so has no bound; Twisted's
`write` only buffers until the reactor's next turn. Frames go straight to the socket while nothing
is buffered. What a client does not read makes Twisted pause this wire, which then holds the rest.

tests/conformance/test_engine_guards.py fails if a release moves one of the names used here.
"""

from __future__ import annotations

import contextlib
import sys
from functools import partial
from typing import Any

from ..connection import Connection
from .asgi import Take, WebsocketWire
from .autobahn import AutobahnReader, format_log_lazily
from .direct import DirectWire, Inlet, QueueInlet
from .http import Receive


def find_protocol(send: Any) -> Any:
    """The websocket protocol object behind Daphne's `send`; None for any other callable.

    `daphne.server.Server.create_application` passes `partial(self.handle_reply, protocol)`. It
    offers no other way to the connection.
    """
    module = sys.modules.get("daphne.ws_protocol")
    if module is None or not isinstance(send, partial) or len(send.args) != 1:
        return None
    protocol = send.args[0]
    return protocol if isinstance(protocol, module.WebSocketProtocol) else None


def request_timeout(send: Any) -> float | None:
    """Seconds after which Daphne answers a request in the application's place (`daphne -t`).

    `send` is bound to the server, see `find_protocol`; None for any other callable.
    """
    module = sys.modules.get("daphne.server")
    if module is None or not isinstance(send, partial):
        return None
    server = getattr(send.func, "__self__", None)
    seconds = getattr(server, "http_timeout", None) if isinstance(server, module.Server) else None
    return float(seconds) if isinstance(seconds, int | float) and seconds > 0 else None


def with_scheme(scope: dict[str, Any], send: Any) -> dict[str, Any]:
    """The scope of a websocket with its scheme, which Daphne leaves out; without it a page loaded
    over http would be let in on a secure site.
    """
    if "scheme" in scope or (protocol := find_protocol(send)) is None:
        return scope
    format_log_lazily()
    from twisted.internet.interfaces import ISSLTransport

    is_secure = ISSLTransport.providedBy(protocol.transport)
    # In place: a copy would be kept beside it for as long as the websocket lives.
    scope["scheme"] = "wss" if is_secure else "ws"
    return scope


def stop_listening() -> bool:
    """Close the ports of the Twisted reactor that runs in this process; False if none does."""
    reactor: Any = sys.modules.get("twisted.internet.reactor")
    if reactor is None or not reactor.running:
        return False
    from twisted.internet.interfaces import IListeningPort

    for reader in reactor.getReaders():
        if IListeningPort.providedBy(reader):
            reader.stopListening()
    return True


#: What Autobahn and Daphne keep and read no more once a websocket is open.
HANDSHAKE_ONLY = (
    "http_request_data",
    "http_response_data",
    "http_request_uri",
    "http_status_line",
    "_wskey",
    "_transport_details",
    "application_deferred",
)


class DaphneWire(DirectWire):
    """A Twisted producer (`IPushProducer`) beside a wire."""

    __slots__ = ("_protocol", "_socket", "_transport")

    def __init__(self, connection: Connection, send: Any, protocol: Any) -> None:
        super().__init__(connection, send)
        self._protocol = protocol
        self._transport = protocol.transport
        self._socket = _plain_socket(protocol.transport)
        with contextlib.suppress(AttributeError):
            # Of the handshake Autobahn keeps 4 kB, and has no use for them any more. In place: its
            # ConnectionRequest, whose path Daphne logs at the end, has the same objects.
            protocol.http_headers.clear()
            protocol.http_request_params.clear()
            protocol.websocket_extensions.clear()
            for name in HANDSHAKE_ONLY:
                setattr(protocol, name, None)
        # The HTTP channel that read the upgrade request is still registered. It would pause
        # reading along with writing, so that a slow reader's pongs were never seen.
        self._transport.unregisterProducer()
        self._transport.registerProducer(self, True)

    @classmethod
    def find(cls, connection: Connection, send: Any) -> WebsocketWire | None:
        protocol = find_protocol(send)
        if protocol is None or protocol.state != protocol.STATE_OPEN:
            return None
        return cls(connection, send, protocol)

    # Out

    def put(self, item: bytes) -> bool:
        if self._protocol.state != self._protocol.STATE_OPEN:
            return False
        transport = self._transport
        # dataBuffer and _tempDataBuffer are the two halves of Twisted's write buffer: bytes may
        # pass the transport only while both are empty.
        if self._socket is None or transport.dataBuffer or transport._tempDataBuffer:
            transport.write(item)
            return True
        try:
            sent = self._socket.send(item)
        except OSError:
            # Would block, or broken: either is for the transport to deal with.
            sent = 0
        if sent != len(item):
            transport.write(item[sent:])
        return True

    @property
    def buffered_bytes(self) -> int:
        return self.queued_bytes + held_by(self._transport)

    # IPushProducer

    def pauseProducing(self) -> None:  # noqa: N802
        self.busy = True

    def resumeProducing(self) -> None:  # noqa: N802
        self.busy = False
        if self._protocol.state != self._protocol.STATE_OPEN:
            # Twisted closes a drained connection only once no producer is registered.
            self._transport.unregisterProducer()
            return
        self.flush()

    def stopProducing(self) -> None:  # noqa: N802
        self.busy = False

    # In

    def listen(self, take: Take, receive: Receive) -> Receive:
        # Daphne's inbound queue has no bound, and waking a task for each message costs more than
        # to handle it: `WebSocketProtocol.onMessage` puts into this attribute.
        queue = self._protocol.application_queue
        if self._inlet is not None:
            if self._inlet.empty():
                self.caught_up()
        elif queue.empty():
            if receive == getattr(queue, "get", None):
                self._inlet = Inlet(self.connection, take)
                receive = self._inlet.get
                # Nobody puts into the queue any more or waits at it, and its four deques take 3 kB
                # for each idle websocket.
                vars(queue).clear()
            else:
                # A middleware waits at the queue, and may want to see the end.
                self._inlet = QueueInlet(self.connection, take, queue)
            self._protocol.application_queue = self._inlet
            self._read_frames(self._inlet, take)
        return receive

    def _read_frames(self, inlet: Inlet, take: Take) -> None:
        protocol = self._protocol
        limit = self.connection.sessions.limits.max_payload
        reader = AutobahnReader.find(self.connection, protocol, inlet, take, limit)
        if reader is not None:
            protocol.dataReceived = reader.read

    def pause_reading(self) -> None:
        self._transport.pauseProducing()

    def read_network(self) -> None:
        self._transport.resumeProducing()

    # The end

    def _say_goodbye(self) -> None:
        super()._say_goodbye()
        # Twisted closes a drained connection only once no producer is registered.
        self._transport.unregisterProducer()

    def abort(self) -> None:
        super().abort()
        self._transport.abortConnection()

    def gone(self) -> None:
        super().gone()
        # Or it and its reader would hold each other until the garbage collector finds them.
        vars(self._protocol).pop("dataReceived", None)


def held_by(transport: Any) -> int:
    """Bytes in the write buffer of a Twisted transport; 0 where it is not known."""
    # Under TLS they are encrypted, and in that of the transport below.
    try:
        plain: Any = transport if hasattr(transport, "dataBuffer") else transport.transport
        held: int = len(plain.dataBuffer) - plain.offset + plain._tempDataLen
    except AttributeError:
        return 0
    return held


def _plain_socket(transport: Any) -> Any:
    """The socket of a plain TCP connection; None under TLS and for what is not known."""
    from twisted.internet import tcp

    if type(transport) is tcp.Server and not transport.TLS:
        return transport.getHandle()
    return None
