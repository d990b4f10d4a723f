"""What the server keeps for each Engine.IO connection, and for each namespace that it joined."""

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Any

from ..conf import settings
from ..engine.connection import Connection
from ..engine.limits import TokenBucket
from ..protocol.frames import Frames
from ..protocol.packets import Decoder
from . import rooms
from .emissions import Emission

#: A message between a server and an application.
ASGIMessage = dict[str, Any]
#: Namespaces that one connection is remembered to have left, or not to have been let into.
MAX_LEFT = 100


class State(Enum):
    CONNECTING = "connecting"
    CONNECTED = "connected"
    CLOSED = "closed"


class Client:
    """The Socket.IO side of one Engine.IO connection: its namespaces share it."""

    __slots__ = ("_full", "connection", "decoder", "left", "sockets", "timer")

    def __init__(self, connection: Connection, decoder: Decoder) -> None:
        self.connection = connection
        self.decoder = decoder
        #: One socket for each namespace that was joined, or is being joined.
        self.sockets: dict[str, Socket] = {}
        #: Namespaces that the client left or may not join; what it sent before it knew is ignored.
        self.left: set[str] = set()
        #: Closes a connection that joins no namespace in time; cancelled by the first join.
        self.timer: Any = None
        # How many of the sockets have a full inbox. They share the connection: it is read again
        # when none has.
        self._full = 0

    def hold(self, socket: "Socket") -> None:
        """The inbox of a socket is full: stop reading from the client."""
        if not socket.full:
            socket.full = True
            self._full += 1
            self.connection.pause()

    def release(self, socket: "Socket") -> None:
        """A socket has room again, or is out."""
        if socket.full:
            socket.full = False
            self._full -= 1
            if not self._full:
                self.connection.resume()

    def ignore(self, namespace: str) -> None:
        """Ignore what the client still sends for a namespace that it is not, or no more, in."""
        if len(self.left) < MAX_LEFT and rooms.is_namespace(namespace):
            self.left.add(namespace)


class Socket:
    """One client in one namespace."""

    __slots__ = (
        "_acks",
        "_last_ack",
        "_loop",
        "_waiter",
        "bucket",
        "busy",
        "client",
        "connection",
        "data",
        "full",
        "held",
        "inbox",
        "marks",
        "namespace",
        "rooms",
        "sid",
        "since",
        "state",
        "task",
        "user",
    )

    def __init__(self, sid: str, namespace: str, client: Client) -> None:
        self.sid = sid
        self.namespace = namespace
        self.client = client
        self.connection = client.connection
        self.state = State.CONNECTING
        #: ASGI messages that the application has not received yet.
        self.inbox: list[ASGIMessage] = []
        #: Whether the client is held because of this inbox.
        self.full = False
        #: The limit of events a second; None where there is none, or none came yet.
        self.bucket: TokenBucket | None = None
        self.rooms: set[str] = set()
        self.data: dict[str, Any] = {}
        #: The user that the application told of: {"model", "pk", "name"}, all text.
        self.user: dict[str, str] | None = None
        #: Digests of the session that it joined with; see revocation/marks.py.
        self.marks: dict[str, str] = {}
        #: When it was accepted, in seconds since the epoch.
        self.since = 0.0
        #: Emits made before the client was accepted; they follow the acceptance.
        self.held: list[Emission] = []
        self.task: asyncio.Task[None] | None = None
        #: What the application has in progress, whether it reads meanwhile or not.
        self.busy: set[Any] = set()
        #: Who waits for an answer: called with its values, and what is called if the client leaves.
        self._acks: dict[int, tuple[Callable[..., Any], Callable[[], Any] | None]] = {}
        self._last_ack = 0
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether the application has nothing in hand, and waits for the next message."""
        is_waiting = self._waiter is not None and not self.inbox
        return is_waiting and not self.busy and self.state is not State.CONNECTING

    def put(self, message: ASGIMessage) -> None:
        """Queue a message for the application. The caller minds the bounds."""
        self.inbox.append(message)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def receive(self) -> ASGIMessage:
        """The next message for the application; its ASGI `receive`.

        Clients may send events right behind their connect: those wait here for the acceptance.
        """
        while not self.inbox or self._is_early(self.inbox[0]):
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        message = self.inbox.pop(0)
        if self.full and len(self.inbox) <= settings.INBOX_EVENTS // 2:
            self.client.release(self)
        return message

    def _is_early(self, message: ASGIMessage) -> bool:
        return self.state is State.CONNECTING and message["type"] == "socketio.event"

    def accepted(self) -> None:
        """The client is in: hand out what it sent meanwhile."""
        self.state = State.CONNECTED
        self._wake()

    def turn_away(self) -> None:
        """The client was not let in: drop the events that it sent meanwhile."""
        self.inbox = [message for message in self.inbox if message["type"] != "socketio.event"]
        self.client.release(self)

    def send(self, messages: tuple[str | bytes, ...], volatile: bool = False) -> bool:
        """Send one packet to this client alone; False if it was dropped."""
        return self.connection.send(Frames(messages), volatile)

    def expect_ack(
        self, answered: Callable[..., Any], lost: Callable[[], Any] | None = None
    ) -> int:
        """An id for an event that wants an answer; `answered` gets the client's values.

        `lost` is called if the client leaves first.
        """
        self._last_ack += 1
        self._acks[self._last_ack] = (answered, lost)
        return self._last_ack

    def answered(self, ack_id: int) -> Callable[..., Any] | None:
        """Who waits for this answer: nobody, if it was never awaited or comes a second time."""
        answered, _ = self._acks.pop(ack_id, (None, None))
        return answered

    def lose(self, ack_id: int) -> None:
        """An answer came that can't be read: there will be no other."""
        _, lost = self._acks.pop(ack_id, (None, None))
        if lost is not None:
            lost()

    def left(self) -> None:
        """The client is out: nobody will answer."""
        acks, self._acks = self._acks, {}
        for _, lost in acks.values():
            if lost is not None:
                lost()
