"""Clients in namespaces: one socket for each, from its connect to the end of its application."""

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from ..aio.tasks import Tasks, is_being_cancelled
from ..conf import settings
from ..engine.connection import Connection
from ..exceptions import ProtocolError
from ..logs import brief, facts, failed
from ..metrics.counters import count, report
from ..node import emissions, rooms
from ..node.inboxes import ASGIMessage
from ..node.node import ServingNode
from ..node.sockets import Client, Socket, State
from ..protocol.frames import Frames
from ..protocol.packets import Packet, PacketType
from . import applications, connects
from .applications import Application, Recover
from .refusals import INVALID_NAMESPACE, say_refused
from .unserved import Unserved

logger = logging.getLogger("realtime.server")

TOO_MANY = {"message": "Too many namespaces"}


class Namespaces:
    """The sockets of one server, from the connect to the end of their applications."""

    def __init__(self, node: ServingNode, unserved: Unserved) -> None:
        self.node = node
        self._unserved = unserved
        #: Every socket by sid, also those that are not accepted yet.
        self.sockets: dict[str, Socket] = {}
        self._parser = emissions.parser()
        #: Applications, and what handlers of python-socketio's style left behind.
        self.tasks = Tasks()
        #: What an application may send; see applications.py.
        self._actions: dict[str, Callable[[Socket, ASGIMessage], Awaitable[None]]] = {
            "socketio.emit": functools.partial(applications.emit, node),
            "socketio.ack": functools.partial(applications.ack, node),
            "socketio.join": functools.partial(applications.join, node),
            "socketio.history": functools.partial(applications.history, node),
            "socketio.leave": functools.partial(applications.leave, node),
            "socketio.tell": functools.partial(applications.tell, node),
            "socketio.identify": self._identify,
            "socketio.accept": self._accept,
            "socketio.refuse": self._refuse,
            "socketio.close": self._close,
        }

    def is_busy(self, connection: Connection) -> bool:
        """Whether an application has an event of this connection's client in hand."""
        return not all(socket.is_idle for socket in connection.client.sockets.values())

    async def finished(self, seconds: float) -> None:
        """Wait for the applications to end, and end those that take longer."""
        await self.tasks.wait(min(seconds, settings.CLOSE_TIMEOUT))
        self.tasks.cancel()

    def connect(self, client: Client, packet: Packet, application: Application | None) -> None:
        """A client asks for a namespace, for which `application` answers; None if nothing does."""
        namespace = packet.namespace
        if namespace in client.sockets:
            raise ProtocolError(f"a second connect to {brief(repr(namespace))}")
        if application is None:
            self._unserved.refuse(client.connection, namespace)
            client.ignore(namespace)
            self._send(client.connection, PacketType.CONNECT_ERROR, namespace, INVALID_NAMESPACE)
            return
        if not connects.may_connect(client, self.node.wheel.time()):
            report("refused.namespaces", address=client.connection.address)
            self._send(client.connection, PacketType.CONNECT_ERROR, namespace, TOO_MANY)
            return
        auth, claim, home = packet.data, None, self.node.id
        keeper = self.node.keeper_of(namespace)
        if keeper is not None:
            auth, claim = keeper.read(auth)
            home = rooms.ROAMING
        socket = Socket(rooms.new_sid(home), namespace, client)
        client.sockets[namespace] = self.sockets[socket.sid] = socket
        recover = None
        if keeper is not None:
            recover = functools.partial(keeper.recover, socket, claim)
        begin = functools.partial(self._begin, application, socket, auth, recover)
        connects.in_turn(client, begin)

    def _begin(
        self,
        application: Application,
        socket: Socket,
        auth: dict[str, Any] | None,
        recover: Recover | None,
    ) -> None:
        if socket.state is State.CLOSED:  # it left before its turn came
            connects.ended(socket)
            return
        connects.began(socket)
        # Before the events that the client may have sent behind it.
        socket.inbox.insert(0, {"type": "socketio.connect"})
        task = socket.task = self.tasks.start(self._run(application, socket, auth, recover))
        task.add_done_callback(lambda _: connects.ended(socket))

    def rename(self, socket: Socket, sid: str) -> None:
        """A socket that is connecting gets another id, that of one that is gone."""
        del self.sockets[socket.sid]
        socket.sid = sid
        self.sockets[sid] = socket

    async def _run(
        self,
        application: Application,
        socket: Socket,
        auth: dict[str, Any] | None,
        recover: Recover | None,
    ) -> None:
        send = functools.partial(self._perform, socket)
        error = {"message": "Connection refused"}
        try:
            scope = applications.scope_of(socket, auth, recover)
            keeper = self.node.keeper_of(socket.namespace)
            receive = socket.receive if keeper is None else keeper.receive_of(socket)
            await application(scope, receive, send)
        except (Exception, asyncio.CancelledError) as failure:
            # Whatever it was, the client gets an error and the log the traceback.
            if is_being_cancelled():
                raise
            if _is_unrouted(failure) and socket.state is State.CONNECTING:
                self._unserved.refuse(socket.connection, socket.namespace)
                error = INVALID_NAMESPACE
            else:
                failed(
                    logger,
                    "the application of namespace %s failed, for socket %s",
                    socket.namespace,
                    socket.sid,
                    extra=facts(sid=socket.sid, namespace=socket.namespace),
                )
                error = {"message": "Internal error"}
        if socket.state is State.CONNECTING:
            self.refuse(socket, error)
        elif socket.state is State.CONNECTED:
            self.send_away(socket)

    def _perform(self, socket: Socket, message: ASGIMessage) -> Awaitable[None]:
        """Do what the application of a socket asks for; its ASGI `send`."""
        action = self._actions.get(message["type"])
        if action is None:
            raise ValueError(
                f"a socketio application can't send {message['type']!r}; it may send"
                f" {', '.join(self._actions)}"
            )
        return action(socket, message)

    async def _refuse(self, socket: Socket, message: ASGIMessage) -> None:
        if socket.state is State.CONNECTING:
            error = {"message": message["message"]}
            if message.get("data") is not None:
                error["data"] = message["data"]
            self.refuse(socket, error)
            say_refused(socket, error, message.get("by"))

    def refuse(self, socket: Socket, error: dict[str, Any]) -> None:
        """A client that is connecting may not; `error` is what its connect_error event carries."""
        # First what may raise: data that can't be sent is the application's failure, and answered.
        packet = Packet(PacketType.CONNECT_ERROR, socket.namespace, error)
        frames = Frames(emissions.messages_of(packet))
        socket.state = State.CLOSED
        count("connects.refused")
        self._forget_refused(socket)
        del socket.client.sockets[socket.namespace], self.sockets[socket.sid]
        socket.turn_away()
        socket.client.ignore(socket.namespace)
        socket.connection.send(frames)
        connects.decided(socket)

    def send_away(self, socket: Socket, reason: str = "server namespace disconnect") -> None:
        """Tell a connected client that it is out, for which its application hears `reason`."""
        self._send(socket.connection, PacketType.DISCONNECT, socket.namespace)
        self.leave(socket, reason)

    def leave(self, socket: Socket, reason: str) -> None:
        """A socket has left: its application is told, and has CLOSE_TIMEOUT to end."""
        was_connected = socket.state is State.CONNECTED
        socket.state, socket.reason = State.CLOSED, reason
        client = socket.client
        del client.sockets[socket.namespace], self.sockets[socket.sid]
        client.release()
        client.ignore(socket.namespace)
        if was_connected:
            if not client.connection.closed and not client.is_in_any:
                connects.expect_connect(client, self.node.wheel)
            count(f"left.{reason}")
            self.node.remove(socket)
        else:
            self._forget_refused(socket)
            socket.turn_away()
        socket.answers.lose_all()
        socket.put({"type": "socketio.disconnect", "reason": reason})
        task = socket.task
        if task is not None:
            timer = self.node.wheel.after(settings.CLOSE_TIMEOUT, task.cancel)
            task.add_done_callback(lambda _: timer.cancel())

    def _forget_refused(self, socket: Socket) -> None:
        for follower in self.node.followers:
            follower.refused(socket)

    async def _identify(self, socket: Socket, message: ASGIMessage) -> None:
        """The application knows who the client is: `user` and `login` of its message."""
        if socket.state is not State.CLOSED:
            self.node.identify(socket, message.get("user"), message.get("login"))
        if socket.state is State.CONNECTED:  # else the acceptance looks once more
            await self.node.confirm(socket)

    async def _accept(self, socket: Socket, message: ASGIMessage) -> None:
        """The application accepts the client; its message may say who it is, as `identify` does."""
        if "user" in message or "login" in message:
            await self._identify(socket, message)
        welcomed = False
        prepared = await self.node.prepare(socket)
        try:
            if socket.state is State.CONNECTING:
                await self.node.confirm(socket)
                prepared = await self.node.prepare(socket, prepared)
            answer = {"sid": socket.sid}
            keeper = self.node.keeper_of(socket.namespace)
            if keeper is not None and socket.state is State.CONNECTING:
                answer |= await keeper.catch_up(socket)
                if keeper.has_past_for(socket):
                    welcomed = self._welcome(socket, answer)
                    await keeper.tell_past(socket)
        except BaseException:
            self.node.forget(prepared)
            raise
        if socket.state is not State.CONNECTING:  # the client left meanwhile, or had to
            self.node.forget(prepared)
            return
        self.node.add(socket)
        if not welcomed:
            self._welcome(socket, answer)
        connects.decided(socket)
        held, socket.held = socket.held, []
        for follower in self.node.followers:
            follower.accepted(socket)
        if message.get("admission") is not None:
            self.node.admit(socket, None, message["admission"])
        for emission in held:
            await applications.deliver(self.node, socket, emission)

    def _welcome(self, socket: Socket, answer: dict[str, Any]) -> bool:
        socket.client.timer.cancel()
        self._send(socket.connection, PacketType.CONNECT, socket.namespace, answer)
        return True

    async def _close(self, socket: Socket, message: ASGIMessage) -> None:
        if message.get("connection", False):
            self.close_connection(socket.client)
        else:
            self.close(socket)

    def close_connection(self, client: Client) -> None:
        """Disconnect a client of this process from all its namespaces, and close its connection."""
        for socket in list(client.sockets.values()):
            self.close(socket)
        client.connection.close("forced server close")

    def close(self, socket: Socket) -> None:
        """Disconnect a socket of this process from its namespace."""
        if socket.state is State.CONNECTING:
            self.refuse(socket, {"message": "Connection refused"})
        elif socket.state is State.CONNECTED:
            self.send_away(socket)

    def _send(
        self, connection: Connection, type: PacketType, namespace: str, data: Any = None
    ) -> None:
        connection.send(Frames(self._parser.encode(Packet(type, namespace, data))))


def _is_unrouted(failure: BaseException) -> bool:
    # Channels' URLRouter says so with a bare ValueError; guarded by tests/test_guards.py.
    return isinstance(failure, ValueError) and str(failure).startswith("No route found for path")
