"""The Socket.IO server: the packets of Engine.IO connections go to the sockets they are for."""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from typing import Any

import socketio

from ..cluster.bus import Bus
from ..cluster.requests import Requests
from ..conf import settings
from ..engine.limits import TokenBucket
from ..engine.server import Connection, EngineServer
from ..exceptions import EventError, ProtocolError
from ..logs import connection_facts, facts
from ..metrics.counters import counts, report
from ..node import emissions, rooms
from ..node.emissions import Emission
from ..node.sockets import Client, Socket, State
from ..operations.node_facts import describe
from ..protocol.packets import Packet, PacketType
from ..relay.relay import Relay
from ..server.applications import Application
from ..server.drain import Drain
from ..server.namespaces import Namespaces
from ..server.readings import Readings
from .client_manager import ClientManager
from .handlers import CallbackApplication

logger = logging.getLogger("realtime.server")


class SocketIOServer(socketio.AsyncServer):
    """python-socketio's server with another engine, and ASGI applications behind it.

    `application` answers the `socketio` protocol type (see applications.py), and
    `serves(namespace)` says which namespaces it knows; handlers and namespaces registered the
    python-socketio way come first. Other options are python-socketio's and python-engineio's; their
    defaults are the `REALTIME` setting.
    """

    def __init__(
        self,
        application: Application | None = None,
        serves: Callable[[str], bool] | None = None,
        **options: Any,
    ) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self._application = application
        self._serves = serves or (lambda namespace: application is not None)
        self._callbacks = CallbackApplication(self)
        self._parser = emissions.parser()
        super().__init__(
            client_manager=ClientManager(), logger=logger, **{**_engine_options(), **options}
        )
        self.namespaces = Namespaces(rooms.new_node_id(), self._parser, self.eio.wheel)
        self.eio.sink = self
        self.eio.node_id = self.namespaces.cluster.node_id
        self.relay = Relay(self.eio, self.namespaces.cluster)
        self.drain = Drain(self.eio, self.namespaces)
        self.requests.answers["drain"] = self.drain.answer
        self.requests.answers["node"] = self._describe
        self._stopping: asyncio.Task[None] | None = None
        self._readings = Readings(self)

    def _engineio_server_class(self) -> type[EngineServer]:
        # python-socketio's own hook for another engine; guarded by tests/test_guards.py.
        return EngineServer

    def start(self) -> None:
        """Begin to serve in the running event loop; the first request does it, others nothing.

        Nor does it anything once the server has been shut down: requests may still come in.
        """
        if self.loop is None and self._stopping is None:
            self.loop = asyncio.get_running_loop()
            self.namespaces.cluster.start()
            self.relay.start()
            self._readings.start()
            _servers.append(self)

    @property
    def running(self) -> bool:
        """Whether sockets can be connected to this server now."""
        return self.loop is not None and not self.loop.is_closed()

    async def shutdown(self) -> None:
        """Close every connection, in a stagger and with its handlers finished, and stop for good.

        Applications hear the reason "server shutting down". See `drain` for the bounds in time.
        """
        if self._stopping is None:
            self._stopping = asyncio.get_running_loop().create_task(self._stop())
        await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        await self.drain.begin()
        await self.drain.bounded(self.namespaces.presence.stop())
        await self.drain.bounded(self.relay.stop())
        await self.drain.bounded(self.namespaces.cluster.stop())
        await self.eio.shutdown()
        self._readings.stop()
        self.loop = None
        if self in _servers:
            _servers.remove(self)

    @property
    def bus(self) -> Bus:
        """The way to the other processes."""
        return self.namespaces.cluster.bus

    @property
    def requests(self) -> Requests:
        """Questions to all servers of the site."""
        return self.namespaces.cluster.requests

    def _describe(self, body: dict[str, Any]) -> dict[str, Any]:
        return describe(self.namespaces.cluster.nodes, self._readings.started_at)

    async def broadcast(self, emission: Emission) -> None:
        """Deliver an emission here and in every other process. Raises ChannelLayerError."""
        await self.namespaces.broadcast(emission)

    # The engine's sink

    def opened(self, connection: Connection) -> None:
        client = Client(connection, self._parser.decoder())
        connection.client = client
        client.timer = self.eio.wheel.after(
            settings.CONNECT_TIMEOUT, self._never_joined, connection
        )

    def received(self, connection: Connection, message: str | bytes) -> None:
        client: Client = connection.client
        packet = client.decoder.feed(message)
        if packet is None:
            return
        if packet.type == PacketType.CONNECT:
            self.namespaces.connect(client, packet, self._application_of(packet.namespace))
            return
        socket = client.sockets.get(packet.namespace)
        if socket is None:
            if packet.namespace not in client.left:
                raise ProtocolError("a packet for a namespace that was not joined")
        elif packet.type == PacketType.DISCONNECT:
            self.namespaces.leave(socket, "client namespace disconnect")
        elif socket.state is State.CONNECTING:
            raise ProtocolError(f"a packet for {packet.namespace!r} before it was joined")
        elif packet.type == PacketType.EVENT:
            self._event(socket, packet)
        else:
            self._answered(socket, packet)

    def closed(self, connection: Connection, reason: str) -> None:
        client: Client = connection.client
        client.timer.cancel()
        for socket in list(client.sockets.values()):
            self.namespaces.leave(socket, reason)

    def _never_joined(self, connection: Connection) -> None:
        report("refused.connect_timeout", address=connection.address)
        logger.info(
            "closed a connection that joined no namespace in time",
            extra=connection_facts(connection),
        )
        connection.close("forced close")

    def _application_of(self, namespace: str) -> Application | None:
        if not rooms.is_namespace(namespace):
            return None
        if self._callbacks.serves(namespace):
            return self._callbacks
        return self._application if self._serves(namespace) else None

    def _event(self, socket: Socket, packet: Packet) -> None:
        if not self._is_within_rate(socket):
            self._refuse_event(socket, packet)
            return
        counts["events.in"] += 1
        socket.put(
            {
                "type": "socketio.event",
                "event": packet.data[0],
                "args": packet.data[1:],
                "ack_id": packet.id,
            }
        )
        if len(socket.inbox) >= settings.INBOX_EVENTS:
            # Read on when half of them are handled; meanwhile the client's own buffers fill.
            report("paused.inbox", address=socket.connection.address)
            socket.client.hold(socket)

    def _is_within_rate(self, socket: Socket) -> bool:
        rate = settings.EVENT_RATE
        if rate is None:
            return True
        now = time.monotonic()
        bucket = socket.bucket
        if bucket is None:
            bucket = socket.bucket = TokenBucket(rate, now)
        if bucket.take(now):
            return True
        if not bucket.overrun:
            bucket.overrun = True
            logger.warning(
                "%s sent more than %s events a second (REALTIME EVENT_RATE); some are refused",
                socket.sid,
                rate,
                extra=facts(sid=socket.sid, namespace=socket.namespace),
            )
        return False

    def _refuse_event(self, socket: Socket, packet: Packet) -> None:
        report("refused.event_rate", address=socket.connection.address)
        if packet.id is not None:
            error = EventError("Too many events", code="rate_limited").as_dict()
            answer = Packet(PacketType.ACK, socket.namespace, [error], packet.id)
            socket.send(self._parser.encode(answer))

    def _answered(self, socket: Socket, packet: Packet) -> None:
        assert packet.id is not None  # the parser let no ack without its id through
        answered = socket.answered(packet.id)
        if answered is not None:
            answered(*packet.data)

    # python-socketio's public methods that would reach into what is replaced

    async def disconnect(
        self, sid: str, namespace: str | None = None, ignore_queue: bool = False
    ) -> None:
        """Disconnect a client from a namespace, in whichever process it is."""
        socket = self.namespaces.sockets.get(sid)
        if socket is None:
            await self.manager.disconnect_elsewhere(sid, namespace or "/")
        elif socket.namespace == (namespace or "/"):
            self.namespaces.close(socket)

    def get_environ(self, sid: str, namespace: str | None = None) -> dict[str, Any] | None:
        """The request that opened the connection, as a WSGI environment."""
        socket = self.namespaces.sockets.get(sid)
        return None if socket is None else socket.connection.environ

    def instrument(self, *args: Any, **kwargs: Any) -> Any:
        """Not here: it patches sockets that this server does not have."""
        raise NotImplementedError("python-socketio's instrument() does not fit this server")


_servers: list[SocketIOServer] = []


# A forked child holds none of its parent's sockets, and the parent's loop does not run there.
os.register_at_fork(after_in_child=_servers.clear)


def serving() -> SocketIOServer | None:
    """The server that holds the sockets of this process, if one has been started."""
    for server in reversed(_servers):
        if server.running:
            return server
    return None


def _engine_options() -> dict[str, Any]:
    return {
        "async_mode": "asgi",
        "engineio_logger": logging.getLogger("realtime.engine"),
        "transports": list(settings.TRANSPORTS),
        "ping_interval": settings.PING_INTERVAL,
        "ping_timeout": settings.PING_TIMEOUT,
        "max_http_buffer_size": settings.MAX_PAYLOAD,
        "upgrade_timeout": settings.UPGRADE_TIMEOUT,
        "outbox_messages": settings.OUTBOX_MESSAGES,
        "outbox_bytes": settings.OUTBOX_BYTES,
        "connection_rate": settings.CONNECTION_RATE,
    }
