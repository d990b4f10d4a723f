"""Clients in namespaces: runs an ASGI application for each socket, and does what it asks.

**A Socket.IO namespace is an ASGI application of protocol type `socketio`.** Its scope:

    {"type": "socketio", "path": the namespace, "sid": ..., "auth": {...} or None,
     "headers", "query_string", "client", "server", "scheme": of the opening request,
     "transport": "websocket" or "polling" at that time, "rooms": a set, "data": a dict,
     "busy": a set, in which the application keeps what it has in progress while it receives on}

It receives `socketio.connect`, `socketio.event` (event, args, ack_id or None), `socketio.ack`
(ack_id, args), `socketio.disconnect` (reason); and sends `socketio.accept`, `socketio.refuse`
(message, data), `socketio.ack` (ack_id, args), `socketio.emit` (event, args, to, skip, volatile,
ack_id), `socketio.join` (room, presence) and `socketio.leave` (room), `socketio.close` (connection:
True for all namespaces of the client). An acceptance may say who the client is, for presence and
lists of sockets: `user` is {"model": a label such as "auth.user", "pk": text, "name": text}, or
None; `marks` are digests by which its session is known again (see marks.py). In an emit `to` is a
list of rooms and sids, or None for the whole namespace. Emits before the acceptance follow it.
"""

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Any

from . import (
    emissions,
    inspection,
    instruments,
    rooms,
    server_events,
    steering,
    user_inspection,
)
from .bus import Message
from .cluster import Cluster
from .conf import settings
from .emissions import Emission
from .engine import Connection
from .exceptions import ProtocolError, RoomError
from .frames import Frames
from .logs import facts
from .mailbox import ASGIMessage
from .manager import Manager
from .marks import is_revoked
from .metrics import announce, count, counts, report
from .packets import Packet, PacketType, Parser
from .presence_tracker import Presence
from .signals import messages_lost
from .sockets import Client, Socket, State
from .threads import is_being_cancelled
from .timers import TimerWheel

logger = logging.getLogger("realtime.server")

Application = Callable[[Any, Any, Any], Awaitable[None]]

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
        self._parser = parser
        self._wheel = wheel
        self._tasks: set[asyncio.Task[Any]] = set()
        self.cluster.on_lost.append(self._lost)
        self.cluster.bus.on["revoke"] = self._revoke
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

    def _lost(self, groups: Collection[rooms.Group], count: int) -> None:
        """Messages of other processes were lost; tell the clients, where the settings say how."""
        rooms_hit = [(None, None) if isinstance(group, str) else group for group in groups]
        announce(messages_lost, rooms=rooms_hit, count=count)
        event = settings.RESYNC_EVENT
        if event is None:
            return
        for group in groups:
            if isinstance(group, str):  # what was meant for sids of ours: it may be any of them
                self._resync(event, [(name, None) for name in self.local.namespaces()])
            else:
                self._resync(event, [group])

    def _resync(self, event: str, groups: Iterable[tuple[str, str | None]]) -> None:
        for namespace, room in groups:
            to = None if room is None else (room,)
            self.local.deliver(emissions.encode(event, [room], namespace=namespace, to=to))

    def _revoke(self, message: Message) -> None:
        """Someone's rights may have changed: let those whom it concerns connect anew."""
        sockets = self.local.sockets.values()
        for client in {s.client for s in sockets if is_revoked(s.marks, s.rooms, message)}:
            count("closed.revoked")
            client.connection.close("forced close")

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
        send = functools.partial(self._perform, socket)
        error = {"message": "Connection refused"}
        try:
            await application(_scope(socket, auth), socket.receive, send)
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
            self._refuse(socket, error)
        elif socket.state is State.CONNECTED:
            self._send_away(socket)

    def _refuse(self, socket: Socket, error: dict[str, Any]) -> None:
        # First what may raise: data that can't be sent is the application's failure, and answered.
        packet = Packet(PacketType.CONNECT_ERROR, socket.namespace, error)
        frames = Frames(self._parser.encode(packet))
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

    # What applications send

    async def _perform(self, socket: Socket, message: ASGIMessage) -> None:
        verb = _VERBS.get(message["type"])
        if verb is None:
            raise ValueError(
                f"{message['type']!r} is no message of a socketio application; it may send"
                f" {', '.join(_VERBS)}"
            )
        await verb(self, socket, message)

    async def _accept(self, socket: Socket, message: ASGIMessage) -> None:
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
            await self._emit(socket, emit)

    async def _refuse_politely(self, socket: Socket, message: ASGIMessage) -> None:
        if socket.state is State.CONNECTING:
            error = {"message": message["message"]}
            if message.get("data") is not None:
                error["data"] = message["data"]
            self._refuse(socket, error)

    async def _ack(self, socket: Socket, message: ASGIMessage) -> None:
        packet = Packet(PacketType.ACK, socket.namespace, message["args"], message["ack_id"])
        messages = self._parser.encode(packet)
        if socket.state is State.CONNECTED:
            socket.send(messages)

    async def _emit(self, socket: Socket, message: ASGIMessage) -> None:
        if message.get("ack_id") is not None:
            self._ask(socket, message)
            return
        to = message["to"]
        emission = emissions.encode(
            message["event"],
            message["args"],
            namespace=socket.namespace,
            to=None if to is None else tuple(to),
            skip=message.get("skip", ()),
            volatile=message.get("volatile", False),
        )
        if socket.state is State.CONNECTING:
            socket.held.append(message)
        elif emission.to == (socket.sid,):
            if socket.state is State.CONNECTED and socket.sid not in emission.skip:
                self._send_to_one(socket, emission)
        else:
            await self.broadcast(emission)

    def _send_to_one(self, socket: Socket, emission: Emission) -> None:
        count("emits")
        if instruments.tracing is None:
            counts["events.out"] += socket.send(emission.messages, emission.volatile)
        else:
            with instruments.tracing.emitting(emission):
                counts["events.out"] += socket.send(emission.messages, emission.volatile)

    def _ask(self, socket: Socket, message: ASGIMessage) -> None:
        if tuple(message["to"] or ()) != (socket.sid,):
            raise ValueError("an emit with an ack_id is for the socket itself: to=[its sid]")
        if socket.state is State.CONNECTING:
            raise RuntimeError("a client can be asked only once it is accepted, not in connect")
        if socket.state is State.CLOSED:
            return

        def answered(*args: Any) -> None:
            socket.put({"type": "socketio.ack", "ack_id": message["ack_id"], "args": list(args)})

        self.ask(socket, message["event"], message["args"], answered)

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
            counts["events.out"] += socket.send(self._parser.encode(packet))
        except (TypeError, ValueError):
            socket.answered(ack_id)
            raise
        return ack_id

    async def _join(self, socket: Socket, message: ASGIMessage) -> None:
        await self.enter_room(socket, message["room"])
        if message.get("presence", False) and message["room"] in socket.rooms:
            self.presence.join(socket, message["room"])

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

    async def _leave_room(self, socket: Socket, message: ASGIMessage) -> None:
        self.leave_room(socket, message["room"])

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

    async def _close(self, socket: Socket, message: ASGIMessage) -> None:
        if message.get("connection", False):
            self.close_connection(socket.client)
        else:
            self.close(socket)

    def close_connection(self, client: Client) -> None:
        """Send a client of this process away from all its namespaces, and close its connection."""
        for socket in list(client.sockets.values()):
            self.close(socket)
        client.connection.close("forced server close")

    def close(self, socket: Socket) -> None:
        """Send a socket of this process away from its namespace."""
        if socket.state is State.CONNECTING:
            self._refuse(socket, {"message": "Connection refused"})
        elif socket.state is State.CONNECTED:
            self._send_away(socket)

    def _send(
        self, connection: Connection, type: PacketType, namespace: str, data: Any = None
    ) -> None:
        connection.send(Frames(self._parser.encode(Packet(type, namespace, data))))


_VERBS: dict[str, Callable[[Namespaces, Socket, ASGIMessage], Awaitable[None]]] = {
    "socketio.emit": Namespaces._emit,
    "socketio.ack": Namespaces._ack,
    "socketio.join": Namespaces._join,
    "socketio.leave": Namespaces._leave_room,
    "socketio.accept": Namespaces._accept,
    "socketio.refuse": Namespaces._refuse_politely,
    "socketio.close": Namespaces._close,
}


def _scope(socket: Socket, auth: dict[str, Any] | None) -> dict[str, Any]:
    request = socket.connection.scope
    return {
        "type": "socketio",
        "asgi": {"version": "3.0"},
        "path": socket.namespace,
        "sid": socket.sid,
        "auth": auth,
        "headers": request["headers"],
        "query_string": request["query_string"],
        "client": request.get("client"),
        "server": request.get("server"),
        "scheme": request.get("scheme", "http"),
        "transport": socket.connection.transport,
        "rooms": socket.rooms,
        "data": socket.data,
        "busy": socket.busy,
    }


def _groups(socket: Socket) -> list[rooms.Group]:
    """The channel layer's groups that this process needs for a socket."""
    namespace = socket.namespace
    return [(namespace, None), *((namespace, room) for room in socket.rooms)]


def _is_unrouted(failure: BaseException) -> bool:
    # Channels' URLRouter says so with a bare ValueError; guarded by tests/test_guards.py.
    return isinstance(failure, ValueError) and str(failure).startswith("No route found for path")
