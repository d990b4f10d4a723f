"""Clients in namespaces: one socket for each, from its connect to the end of its application."""

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from ..cluster.cluster import Cluster
from ..conf import settings
from ..consumers.mailbox import ASGIMessage
from ..engine.server import Connection
from ..engine.wheel import TimerWheel
from ..exceptions import ProtocolError, RoomError
from ..logs import facts
from ..metrics import instruments
from ..metrics.counters import count, counts, report
from ..node import rooms
from ..node.emissions import Emission
from ..node.members import Manager
from ..node.sockets import Client, Socket, State
from ..node.threads import is_being_cancelled
from ..operations import inspection, server_events, steering, user_inspection
from ..presences.tracker import Presence
from ..protocol.frames import Frames
from ..protocol.packets import Packet, PacketType, Parser
from ..revocation.notices import Notices
from . import applications
from .applications import Application

logger = logging.getLogger("realtime.server")

#: Namespaces that one connection may be in at a time, and remember to have left.
MAX_NAMESPACES = 100
INVALID_NAMESPACE = {"message": "Invalid namespace"}


class Namespaces:
    """The sockets of one server, from the connect to the end of their applications."""

    def __init__(self, node_id: str, parser: Parser, wheel: TimerWheel) -> None:
        self.node_id = node_id
        self.local = Manager()
        self.cluster = Cluster(node_id, self.local.deliver)
        self.presence = Presence(self.cluster, wheel)
        #: Every socket by sid, also those that are not accepted yet.
        self.sockets: dict[str, Socket] = {}
        self.parser = parser
        self._wheel = wheel
        self._tasks: set[asyncio.Task[Any]] = set()
        Notices(self.local).hear(self.cluster)
        for answers in (
            inspection.answers(self.local),
            user_inspection.answers(self.local),
            steering.answers(self),
            server_events.answers(),
        ):
            self.cluster.requests.answers.update(answers)

    async def broadcast(self, emission: Emission) -> None:
        """Deliver an emission here and in every other process. Raises ChannelLayerError."""
        count("emits")
        if instruments.tracing is None:
            self.local.deliver(emission)
            await self.cluster.publish(emission)
        else:
            with instruments.tracing.emitting(emission) as traced:
                self.local.deliver(traced)
                await self.cluster.publish(traced)

    def is_busy(self, connection: Connection) -> bool:
        """Whether an application has an event of this connection's client in hand."""
        return not all(socket.is_idle for socket in connection.client.sockets.values())

    async def finished(self, seconds: float) -> None:
        """Wait for the applications to end, and end those that take longer."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=min(seconds, settings.CLOSE_TIMEOUT))
        for task in self._tasks:
            task.cancel()

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Hold a task until it is done; the event loop itself holds tasks only weakly."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def connect(self, client: Client, packet: Packet, application: Application | None) -> None:
        """A client asks for a namespace, for which `application` answers; None if nothing does."""
        namespace = packet.namespace
        if namespace in client.sockets:
            raise ProtocolError(f"a second connect to {namespace!r}")
        if application is None:
            self._send(client.connection, PacketType.CONNECT_ERROR, namespace, INVALID_NAMESPACE)
            return
        if len(client.sockets) >= MAX_NAMESPACES:
            raise ProtocolError(f"more than {MAX_NAMESPACES} namespaces over one connection")
        socket = Socket(rooms.new_sid(self.node_id), namespace, client)
        client.sockets[namespace] = self.sockets[socket.sid] = socket
        socket.put({"type": "socketio.connect"})
        socket.task = asyncio.get_running_loop().create_task(
            self._run(application, socket, packet.data)
        )
        self.keep(socket.task)

    async def _run(
        self, application: Application, socket: Socket, auth: dict[str, Any] | None
    ) -> None:
        send = functools.partial(applications.perform, self, socket)
        error = {"message": "Connection refused"}
        try:
            await application(applications.scope_of(socket, auth), socket.receive, send)
        except (Exception, asyncio.CancelledError) as failure:
            # Whatever it was, the client is told and the log has it.
            if is_being_cancelled():
                raise
            if _is_unrouted(failure) and socket.state is State.CONNECTING:
                error = INVALID_NAMESPACE
            else:
                logger.exception(
                    "the application of %s failed, for %s",
                    socket.namespace,
                    socket.sid,
                    extra=facts(sid=socket.sid, namespace=socket.namespace),
                )
                error = {"message": "Internal error"}
        if socket.state is State.CONNECTING:
            self.refuse(socket, error)
        elif socket.state is State.CONNECTED:
            self._send_away(socket)

    def refuse(self, socket: Socket, error: dict[str, Any]) -> None:
        """A client that is connecting may not; `error` is what its connect_error event carries."""
        # First what may raise: data that can't be sent is the application's failure, and answered.
        packet = Packet(PacketType.CONNECT_ERROR, socket.namespace, error)
        frames = Frames(self.parser.encode(packet))
        socket.state = State.CLOSED
        count("connects.refused")
        self.presence.refused(socket)
        del socket.client.sockets[socket.namespace], self.sockets[socket.sid]
        socket.connection.send(frames)

    def _send_away(self, socket: Socket) -> None:
        self._send(socket.connection, PacketType.DISCONNECT, socket.namespace)
        self.leave(socket, "server namespace disconnect")

    def leave(self, socket: Socket, reason: str) -> None:
        """A socket is out: its application is told, and has CLOSE_TIMEOUT to end."""
        was_connected = socket.state is State.CONNECTED
        socket.state = State.CLOSED
        client = socket.client
        del client.sockets[socket.namespace], self.sockets[socket.sid]
        client.release(socket)
        if len(client.left) < MAX_NAMESPACES:
            client.left.add(socket.namespace)
        if was_connected:
            count(f"left.{reason}")
            self.local.remove(socket)
            self.presence.removed(socket)
            self.cluster.memberships.unsubscribe(_groups(socket))
        else:
            self.presence.refused(socket)
        socket.left()
        socket.put({"type": "socketio.disconnect", "reason": reason})
        task = socket.task
        if task is not None:
            timer = self._wheel.after(settings.CLOSE_TIMEOUT, task.cancel)
            task.add_done_callback(lambda _: timer.cancel())

    # What the applications want

    async def accept(self, socket: Socket, message: ASGIMessage) -> None:
        """The application accepts the client; `user` and `marks` of its message say who it is."""
        groups = _groups(socket)
        await self.cluster.memberships.subscribe(groups)
        if socket.state is not State.CONNECTING:  # the client left meanwhile
            self.cluster.memberships.unsubscribe(groups)
            return
        socket.state = State.CONNECTED
        socket.user = message.get("user")
        socket.marks = message.get("marks", {})
        socket.since = time.time()
        count("connects.accepted")
        client = socket.client
        client.timer.cancel()
        self.local.add(socket)
        self._send(client.connection, PacketType.CONNECT, socket.namespace, {"sid": socket.sid})
        held, socket.held = socket.held, []
        self.presence.accepted(socket)
        for emit in held:
            await applications.emit(self, socket, emit)

    def send_to_one(self, socket: Socket, emission: Emission) -> None:
        """Deliver an emission to one socket of this process, which it is for."""
        count("emits")
        if instruments.tracing is None:
            counts["events.out"] += socket.send(emission.messages, emission.volatile)
        else:
            with instruments.tracing.emitting(emission):
                counts["events.out"] += socket.send(emission.messages, emission.volatile)

    def ask(
        self,
        socket: Socket,
        event: str,
        args: Iterable[Any],
        answered: Callable[..., Any],
        lost: Callable[[], Any] | None = None,
    ) -> int:
        """Emit to one socket of this process; `answered` is called with what its client answers.

        `lost` is called if the client leaves first. Returns the id with which `socket.answered`
        ends the wait.
        """
        ack_id = socket.expect_ack(answered, lost)
        packet = Packet(PacketType.EVENT, socket.namespace, [event, *args], ack_id)
        try:
            counts["events.out"] += socket.send(self.parser.encode(packet))
        except (TypeError, ValueError):
            socket.answered(ack_id)
            raise
        return ack_id

    async def enter_room(self, socket: Socket, room: str) -> None:
        """Put a socket of this process into a room. Raises RoomError at `REALTIME["MAX_ROOMS"]`."""
        if room in socket.rooms or room == socket.sid or socket.state is State.CLOSED:
            return
        if len(socket.rooms) >= settings.MAX_ROOMS:
            report("refused.rooms", address=socket.connection.address)
            raise RoomError(f"a socket may be in {settings.MAX_ROOMS} rooms (REALTIME MAX_ROOMS)")
        if socket.state is State.CONNECTING:  # the acceptance makes it a member
            socket.rooms.add(room)
            return
        self.local.join(socket, room)
        await self.cluster.memberships.subscribe([(socket.namespace, room)])

    def leave_room(self, socket: Socket, room: str) -> None:
        """Take a socket of this process out of a room."""
        if room not in socket.rooms:
            return
        self.presence.leave(socket, room)
        if socket.state is State.CONNECTED:
            self.local.leave(socket, room)
            self.cluster.memberships.unsubscribe([(socket.namespace, room)])
        else:
            socket.rooms.discard(room)

    def close_connection(self, client: Client) -> None:
        """Send a client of this process away from all its namespaces, and close its connection."""
        for socket in list(client.sockets.values()):
            self.close(socket)
        client.connection.close("forced server close")

    def close(self, socket: Socket) -> None:
        """Send a socket of this process away from its namespace."""
        if socket.state is State.CONNECTING:
            self.refuse(socket, {"message": "Connection refused"})
        elif socket.state is State.CONNECTED:
            self._send_away(socket)

    def _send(
        self, connection: Connection, type: PacketType, namespace: str, data: Any = None
    ) -> None:
        connection.send(Frames(self.parser.encode(Packet(type, namespace, data))))


def _groups(socket: Socket) -> list[rooms.Group]:
    """The channel layer's groups that this process needs for a socket."""
    namespace = socket.namespace
    return [(namespace, None), *((namespace, room) for room in socket.rooms)]


def _is_unrouted(failure: BaseException) -> bool:
    # Channels' URLRouter says so with a bare ValueError; guarded by tests/test_guards.py.
    return isinstance(failure, ValueError) and str(failure).startswith("No route found for path")
