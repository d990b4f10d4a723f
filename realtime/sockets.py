"""What the server keeps for each Engine.IO connection, and for each namespace that it joined."""

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Any

from .engine import Connection
from .frames import Frames
from .mailbox import ASGIMessage
from .packets import Decoder


class State(Enum):
    CONNECTING = "connecting"
    CONNECTED = "connected"
    CLOSED = "closed"


class Client:
    """The Socket.IO side of one Engine.IO connection: its namespaces share it."""

    __slots__ = ("connection", "decoder", "left", "sockets", "timer")

    def __init__(self, connection: Connection, decoder: Decoder) -> None:
        self.connection = connection
        self.decoder = decoder
        #: One socket for each namespace that was joined, or is being joined.
        self.sockets: dict[str, Socket] = {}
        #: Namespaces that the client was in; what it sent before it knew of the end is ignored.
        self.left: set[str] = set()
        #: Closes a connection that joins no namespace; None from the first join on.
        self.timer: Any = None


class Inbox:
    """The ASGI messages that a socket's application has not received yet."""

    __slots__ = ("_messages", "_waiter")

    def __init__(self) -> None:
        self._messages: list[ASGIMessage] = []
        self._waiter: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._messages)

    def put(self, message: ASGIMessage) -> None:
        self._messages.append(message)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def get(self) -> ASGIMessage:
        while not self._messages:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._messages.pop(0)


class Socket:
    """One client in one namespace."""

    __slots__ = (
        "_acks",
        "_last_ack",
        "client",
        "connection",
        "data",
        "held",
        "inbox",
        "namespace",
        "rooms",
        "sid",
        "state",
        "task",
    )

    def __init__(self, sid: str, namespace: str, client: Client) -> None:
        self.sid = sid
        self.namespace = namespace
        self.client = client
        self.connection = client.connection
        self.state = State.CONNECTING
        self.inbox = Inbox()
        self.rooms: set[str] = set()
        self.data: dict[str, Any] = {}
        #: Emits made before the client was accepted; they follow the acceptance.
        self.held: list[ASGIMessage] = []
        self.task: asyncio.Task[None] | None = None
        self._acks: dict[int, Callable[..., Any]] = {}
        self._last_ack = 0

    def send(self, messages: tuple[str | bytes, ...], volatile: bool = False) -> bool:
        """Send one packet to this client alone; False if it was dropped."""
        return self.connection.send(Frames(messages), volatile)

    def expect_ack(self, answered: Callable[..., Any]) -> int:
        """An id for an event that wants an answer; `answered` gets the client's values."""
        self._last_ack += 1
        self._acks[self._last_ack] = answered
        return self._last_ack

    def answered(self, ack_id: int) -> Callable[..., Any] | None:
        """Who waits for this answer: nobody, if it was never awaited or comes a second time."""
        return self._acks.pop(ack_id, None)
