"""The Socket.IO server: the packets of Engine.IO connections go to the sockets they are for."""

import asyncio
import logging
import time
from collections.abc import Callable
from sys import getsizeof

from django.conf import settings as django_settings

from ..conf import settings
from ..engine.connection import Connection
from ..engine.limits import TokenBucket
from ..engine.server import EngineServer
from ..exceptions import EventError, ProtocolError, UnreadableData
from ..logs import facts
from ..metrics.counters import counts, report
from ..node import emissions, rooms
from ..node.current import announce, withdraw
from ..node.inboxes import EVENT, LONG, weight
from ..node.node import ServingNode
from ..node.sockets import Client, Socket
from ..protocol.packets import Packet, PacketType
from ..relay.relay import Relay
from . import collector
from .applications import Application
from .connects import expect_connect
from .drain import Drain
from .namespaces import Namespaces
from .readings import Readings
from .refusals import refuse_unreadable
from .unserved import Unserved

logger = logging.getLogger("realtime.server")

# On Python 3.11 to look a member of an enum up takes longer than to compare it.
_EVENT = int(PacketType.EVENT)


class Server:
    """Socket.IO over one engine, from its start to its shutdown.

    `application_of(namespace)` gives the application that answers for a namespace, or None.
    """

    def __init__(
        self, engine: EngineServer, application_of: Callable[[str], Application | None]
    ) -> None:
        self.engine = engine
        self.node = ServingNode(engine.wheel)
        self.unserved = Unserved(lambda name: self._application_of(name) is not None)
        self.namespaces = Namespaces(self.node, self.unserved)
        self.relay = Relay(engine, self.node.cluster)
        self.drain = Drain(engine, self.namespaces)
        self._find_application = application_of
        self._parser = emissions.parser()
        self._readings = Readings(self.node, engine)
        self._stopping: asyncio.Task[None] | None = None
        engine.sink = self
        engine.node_id = self.node.id

    def start(self) -> None:
        """Begin to serve in the running event loop; the first request does it, others nothing.

        Nor does it anything once the server has been shut down: requests may still come in.
        """
        if self.node.loop is None and self._stopping is None:
            collector.settle()
            self.node.start()
            if django_settings.DEBUG:
                self.node.members.unheard = self.unserved.notice
            self.relay.start()
            self._readings.start()
            announce(self.node)

    async def shutdown(self, *, delay: float = 0.0) -> None:
        """Close every connection, gradually and with its handlers finished, and stop for good.

        Applications hear the reason "server shutting down". See `drain` for the delay, in seconds,
        and the bounds in time.
        """
        if self._stopping is None:
            self._stopping = asyncio.get_running_loop().create_task(self._stop(delay))
        await asyncio.shield(self._stopping)

    async def _stop(self, delay: float) -> None:
        await self.drain.begin(delay=delay)
        for follower in self.node.followers:
            await self.drain.bounded(follower.stop())
        await self.drain.bounded(self.relay.stop())
        await self.drain.bounded(self.node.cluster.stop())
        await self.engine.shutdown()
        self._readings.stop()
        self.node.loop = None
        withdraw(self.node)

    def _application_of(self, namespace: str) -> Application | None:
        return self._find_application(namespace) if rooms.is_namespace(namespace) else None

    # The engine's sink

    def opened(self, connection: Connection) -> None:
        client = Client(connection, self._parser.decoder())
        connection.client = client
        expect_connect(client, self.node.wheel)

    def received(self, connection: Connection, message: str | bytes) -> None:
        client: Client = connection.client
        try:
            packet = client.decoder.feed(message)
        except UnreadableData as fault:
            client.arriving = 0
            refuse_unreadable(self._parser, client, fault)
            return
        size = getsizeof(message)
        if size > LONG:
            whole = None if client.arriving else packet  # else it has attachments
            size = weight(message, None if whole is None else whole.data)
        if packet is None:
            client.arriving += size
            return
        if client.arriving:
            size += client.arriving
            client.arriving = 0
        type, namespace = packet.type, packet.namespace
        socket = client.sockets.get(namespace)
        if type == _EVENT and socket is not None:
            # Also before the acceptance, which it then waits for; see Socket.receive.
            self._event(socket, packet, EVENT + size)
        elif type == PacketType.CONNECT:
            application = self._application_of(namespace)
            self.namespaces.connect(client, packet, application)
        elif socket is None:
            if namespace not in client.left:
                raise ProtocolError("a packet for a namespace that was not joined")
        elif type == PacketType.DISCONNECT:
            self.namespaces.leave(socket, "client namespace disconnect")
        else:
            self._answered(socket, packet)

    def closed(self, connection: Connection, reason: str) -> None:
        client: Client = connection.client
        client.timer.cancel()
        for socket in list(client.sockets.values()):
            self.namespaces.leave(socket, reason)

    def _event(self, socket: Socket, packet: Packet, size: int) -> None:
        client = socket.client
        bucket = client.events
        if bucket is not None and bucket.prepaid:
            bucket.prepaid -= 1
        elif not self._is_within_rate(socket):
            self._refuse_event(socket, packet)
            return
        data = packet.data
        counts["events.in"] += 1
        socket.put(
            {
                "type": "socketio.event",
                "event": data.pop(0),
                "args": data,
                "ack_id": packet.id,
                "size": size,
            }
        )
        if client.waiting_bytes > size or size >= LONG or settings.INBOX_EVENTS == 1:
            self._hold_if_full(socket)

    def _hold_if_full(self, socket: Socket) -> None:
        if socket.is_full and not socket.client.full:
            # Read on when half of it is handled; meanwhile the client's own buffers fill.
            report("paused.inbox", address=socket.connection.address)
            socket.client.hold()

    def _is_within_rate(self, socket: Socket) -> bool:
        rate = settings.EVENT_RATE
        if rate is None:
            return True
        now = time.monotonic()
        client = socket.client
        bucket = client.events
        if bucket is None:
            bucket = client.events = TokenBucket(rate, now)
        if bucket.take_some(now):
            return True
        if not bucket.overrun:
            bucket.overrun = True
            logger.warning(
                "the client of socket %s sends more than %s events a second (REALTIME EVENT_RATE);"
                " the events beyond that are refused",
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
        answered = None if packet.id is None else socket.answers.take(packet.id)
        if answered is not None:
            answered(*packet.data)
