"""For tests of consumers: a client that speaks the `socketio` protocol type with one, in process.

communicator = SocketIOCommunicator(ChatConsumer, "/chat/ada", user=ada)
await communicator.connect()
assert await communicator.call("message", "lobby", "hello") == {"id": 1}
assert await communicator.receive_event() == ("message", "hello")
await communicator.disconnect()
"""

import itertools
from collections import deque
from typing import Any

from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.routing import URLRouter
from django.urls import path

from ..consumers.consumer import SocketIOConsumer
from ..exceptions import ConnectionRefused
from ..node import rooms
from .encoding import Encoded
from .transactions import keep_open
from .values import over_the_wire


class SocketIOCommunicator(ApplicationCommunicator):
    """A client of one consumer without a server, for async tests.

    - `namespace` is the path that the client connects to, and `route` the consumer's `@namespace`
      route if it has converters.
    - `user` is the user of the client. Without it, the authentication classes are asked, with
      `auth`, `headers` and `query`.

    Rooms and emits are recorded and not carried out: what the consumer emits to this client is
    received as an event, and everything that it emits is in `emitted`. Values are encoded and
    decoded as on the wire, so what can't be sent raises an error in the consumer.

    Use asgiref's `send_input`, `receive_output` and `receive_nothing` to exchange messages of the
    `socketio` protocol; realtime/server/applications.py lists them.
    """

    def __init__(
        self,
        consumer: type[SocketIOConsumer],
        namespace: str = "/",
        *,
        route: str | None = None,
        auth: dict[str, Any] | None = None,
        user: Any = None,
        headers: list[tuple[bytes, bytes]] | None = None,
        query: str = "",
    ) -> None:
        #: Every `socketio.emit` message so far, in order.
        self.emitted: list[dict[str, Any]] = []
        self._events: deque[dict[str, Any]] = deque()
        self._acks: dict[int, list[Any]] = {}
        self._ack_ids = itertools.count(1)
        self.sid = rooms.new_sid(rooms.new_node_id())
        scope: dict[str, Any] = {
            "type": "socketio",
            "path": namespace,
            "sid": self.sid,
            "auth": auth,
            "headers": headers or [],
            "query_string": query.encode(),
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8000),
            "scheme": "http",
            "transport": "websocket",
            "rooms": set(),
            "data": {},
        }
        if user is not None:
            scope["user"] = user
        router = URLRouter([path((route or namespace).lstrip("/"), consumer.as_asgi())])
        super().__init__(Encoded(router, self._tell), scope)

    @property
    def rooms(self) -> set[str]:
        """The rooms that the consumer has joined."""
        joined: set[str] = self.scope["rooms"]
        return joined

    async def connect(self, timeout: float = 5) -> None:
        """Join the namespace. Raises ConnectionRefused if the consumer refuses."""
        await sync_to_async(keep_open)()
        await self.send_input({"type": "socketio.connect"})
        while True:
            message = await self.receive_output(timeout)
            if message["type"] == "socketio.accept":
                return
            if message["type"] == "socketio.refuse":
                await self.wait(timeout)
                raise ConnectionRefused(message["message"], message["data"])
            self._keep(message)

    async def emit(self, event: str, *args: Any) -> None:
        """Send an event without asking for an ack."""
        await self._send(event, args, None)

    async def send(self, event: str, *args: Any) -> int:
        """Send an event that asks for an ack, without waiting for it. Returns the id of the ack."""
        ack_id = next(self._ack_ids)
        await self._send(event, args, ack_id)
        return ack_id

    async def receive_ack(self, timeout: float = 5) -> tuple[Any, ...]:
        """Return the next ack of an event that was sent with `send`: its id and its values."""
        while not self._acks:
            self._keep(await self.receive_output(timeout))
        ack_id = next(iter(self._acks))
        return (ack_id, *self._acks.pop(ack_id))

    async def call(self, event: str, *args: Any, timeout: float = 5) -> Any:
        """Send an event and return its answer; a tuple if it has several values."""
        ack_id = await self.send(event, *args)
        while ack_id not in self._acks:
            self._keep(await self.receive_output(timeout))
        values = self._acks.pop(ack_id)
        return values[0] if len(values) == 1 else tuple(values)

    async def receive_event(self, timeout: float = 5) -> tuple[Any, ...]:
        """Return the next event for this client: its name and its arguments."""
        message = await self._next_event(timeout)
        return (message["event"], *message["args"])

    async def answer(self, *args: Any, timeout: float = 5) -> tuple[Any, ...]:
        """Receive the next event as `receive_event` does, and answer it with `args`."""
        message = await self._next_event(timeout)
        await self.send_input(
            {"type": "socketio.ack", "ack_id": message["ack_id"], "args": over_the_wire(args)}
        )
        return (message["event"], *message["args"])

    async def receive_close(self, timeout: float = 5) -> bool:
        """Wait until the consumer closes this socket.

        Returns True if it closes the whole connection.
        """
        while True:
            message = await self.receive_output(timeout)
            if message["type"] == "socketio.close":
                return bool(message.get("connection", False))
            self._keep(message)

    async def disconnect(self, reason: str = "transport close", timeout: float = 5) -> None:
        """Leave, and wait until the consumer is done."""
        await self.send_input({"type": "socketio.disconnect", "reason": reason})
        await self.wait(timeout)

    async def receive_output(self, timeout: float = 1) -> dict[str, Any]:
        """Return the next message from the consumer, as it is."""
        message: dict[str, Any] = await super().receive_output(timeout)
        if message["type"] == "socketio.emit":
            self.emitted.append(message)
        return message

    async def _send(self, event: str, args: tuple[Any, ...], ack_id: int | None) -> None:
        await self.send_input(
            {
                "type": "socketio.event",
                "event": event,
                "args": over_the_wire(args),
                "ack_id": ack_id,
            }
        )

    async def _next_event(self, timeout: float) -> dict[str, Any]:
        while not self._events:
            self._keep(await self.receive_output(timeout))
        return self._events.popleft()

    def _tell(self, message: dict[str, Any]) -> None:
        self.input_queue.put_nowait(message)

    def _keep(self, message: dict[str, Any]) -> None:
        if message["type"] == "socketio.emit":
            to = message["to"]
            mine = {self.sid, *self.rooms}
            if (to is None or mine.intersection(to)) and self.sid not in message["skip"]:
                self._events.append(message)
        elif message["type"] == "socketio.ack":
            self._acks[message["ack_id"]] = message["args"]
