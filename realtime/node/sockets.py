"""What the server keeps for each Engine.IO connection, and for each namespace that it joined."""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any

from ..aio.bells import Bell
from ..conf import settings
from ..engine.connection import Connection
from ..engine.limits import TokenBucket
from ..protocol.frames import Frames
from ..protocol.packets import Decoder
from . import rooms
from .answers import Answers
from .emissions import Emission
from .inboxes import Ahead, ASGIMessage

#: Namespaces that one connection is remembered to have left, or not to have been let into.
MAX_LEFT = 100


class State(Enum):
    CONNECTING = "connecting"
    CONNECTED = "connected"
    CLOSED = "closed"


# On Python 3.11 to look a member of an enum up takes longer than to compare it.
_CONNECTING = State.CONNECTING


class Client:
    """The Socket.IO side of one Engine.IO connection: its namespaces share it."""

    __slots__ = (
        "arriving",
        "connecting",
        "connection",
        "connects",
        "decoder",
        "events",
        "full",
        "left",
        "queue",
        "running",
        "sockets",
        "timer",
        "waiting_bytes",
    )

    def __init__(self, connection: Connection, decoder: Decoder) -> None:
        self.connection = connection
        self.decoder = decoder
        #: One socket for each namespace that was joined, or is being joined.
        self.sockets: dict[str, Socket] = {}
        #: Namespaces that the client left or may not join; what it sent before it knew is ignored.
        self.left: set[str] = set()
        #: Closes a connection that is in no namespace for too long.
        self.timer: Any = None
        #: The limits of events and of connects a second, over all namespaces; None where there is
        #: no limit, or none came yet.
        self.events: TokenBucket | None = None
        self.connects: TokenBucket | None = None
        #: What the messages of the packet that is arriving count so far; see `weight`.
        self.arriving = 0
        #: What the events that wait for their handlers count, in all namespaces.
        self.waiting_bytes = 0
        #: Whether the client is not read from because too much waits.
        self.full = False
        #: Applications of this client that have not ended; those of sockets that left count, too.
        self.running = 0
        #: Sockets whose applications decide now, and those whose turn comes then.
        self.connecting = 0
        self.queue: deque[Callable[[], None]] = deque()

    @property
    def is_in_any(self) -> bool:
        """Whether a namespace has accepted the client."""
        return any(socket.state is State.CONNECTED for socket in self.sockets.values())

    def hold(self) -> None:
        """Too much waits: read no more from the client, whose namespaces share the connection."""
        if not self.full:
            self.full = True
            self.connection.pause()

    def release(self) -> None:
        """Read again if half of what may wait is handled, in each of the namespaces."""
        if (
            self.full
            and self.waiting_bytes <= settings.INBOX_BYTES // 2
            and all(s.waiting <= settings.INBOX_EVENTS // 2 for s in self.sockets.values())
        ):
            self.full = False
            self.connection.resume()

    def ignore(self, namespace: str) -> None:
        """Ignore what the client still sends for a namespace that it is not, or no more, in."""
        if len(self.left) < MAX_LEFT and rooms.is_namespace(namespace):
            self.left.add(namespace)


class Socket:
    """One client in one namespace."""

    __slots__ = (
        "_bell",
        "ahead",
        "answers",
        "busy",
        "client",
        "connection",
        "data",
        "deciding",
        "held",
        "inbox",
        "login",
        "namespace",
        "reason",
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
        #: Those that it has received before their turn.
        self.ahead = Ahead(client)
        self.rooms: set[str] = set()
        self.data: dict[str, Any] = {}
        #: The user that the application told of: {"model", "pk", "name"}, all text.
        self.user: dict[str, str] | None = None
        #: As whom it is logged in, or None; a Login of revocation/login.py.
        self.login: Any = None
        #: When it was accepted, in seconds since the epoch.
        self.since = 0.0
        #: Why it left, once it has.
        self.reason = ""
        #: Whether its application runs and has neither accepted nor refused the client.
        self.deciding = False
        #: Emits made before the client was accepted; they follow the acceptance.
        self.held: list[Emission] = []
        self.task: asyncio.Task[None] | None = None
        #: What the application has in progress, whether it reads meanwhile or not.
        self.busy: set[Any] = set()
        self.answers = Answers()
        # Where the application waits for its next message.
        self._bell = Bell()

    @property
    def is_idle(self) -> bool:
        """Whether the application has nothing in hand, and waits for the next message."""
        is_waiting = self._bell.has_waiter and not self.inbox
        return is_waiting and not self.busy and self.state is not State.CONNECTING

    @property
    def waiting(self) -> int:
        """How many messages wait for their handlers."""
        return len(self.inbox) + len(self.ahead)

    @property
    def is_full(self) -> bool:
        """Whether as much waits as may."""
        if len(self.inbox) + len(self.ahead) >= settings.INBOX_EVENTS:
            return True
        return bool(self.client.waiting_bytes >= settings.INBOX_BYTES)

    def put(self, message: ASGIMessage) -> None:
        """Queue a message for the application. The caller minds the bounds."""
        self.inbox.append(message)
        if "size" in message:
            self.client.waiting_bytes += message["size"]
        self._bell.ring()

    async def receive(self) -> ASGIMessage:
        """The next message for the application; its ASGI `receive`.

        Clients may send events right behind their connect: those wait here for the acceptance.
        """
        while not self.inbox or (self.state is _CONNECTING and _is_event(self.inbox[0])):
            await self._bell.wait()
        message = self.inbox.pop(0)
        client = self.client
        if "size" in message:
            client.waiting_bytes -= message["size"]
        if client.full:
            client.release()
        return message

    def accepted(self) -> None:
        """The client is in: hand out what it sent meanwhile."""
        self.state = State.CONNECTED
        self._bell.ring()

    def turn_away(self) -> None:
        """The client was not let in: drop the events that it sent meanwhile."""
        events = [message for message in self.inbox if _is_event(message)]
        self.inbox = [message for message in self.inbox if not _is_event(message)]
        self.client.waiting_bytes -= sum(message.get("size", 0) for message in events)
        self.client.release()

    def ended(self) -> None:
        """The application has ended: nobody handles what still waits."""
        while self.ahead:
            self.ahead.popleft()
        inbox, self.inbox = self.inbox, []
        self.client.waiting_bytes -= sum(message.get("size", 0) for message in inbox)
        self.client.release()
        # The task knows the socket, and they are not to hold each other.
        self.task = None

    def send(self, messages: tuple[str | bytes, ...], volatile: bool = False) -> bool:
        """Send one packet to this client alone; False if it was dropped."""
        connection = self.connection
        if volatile or len(messages) > 1:
            return connection.send(Frames(messages), volatile)
        return False if connection.closed else connection.wire.send_message(messages[0])


def _is_event(message: ASGIMessage) -> bool:
    return bool(message["type"] == "socketio.event")
