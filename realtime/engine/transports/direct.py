"""What the wires that write to a web server's own transport have in common."""

from __future__ import annotations

import asyncio
from typing import Any

from ...metrics import counters as metrics
from ...protocol.frames import MESSAGE, Frames, text_frame
from ..connection import Connection
from .asgi import CLOSE_EVENT, Take, WebsocketWire


class Inlet:
    """Stands in for the queue that a web server puts websocket events into.

    A message goes straight to the connection, without waking a task, while the connection takes
    messages and its reader waits with nothing in hand. Everything else is queued for the reader.
    """

    __slots__ = ("_connection", "_events", "_kept", "_take", "_waiter", "direct")

    def __init__(self, connection: Connection, take: Take) -> None:
        self._connection = connection
        self._take = take
        # In place of an asyncio.Queue, whose four deques take 3 kB for each idle websocket.
        self._events: list[dict[str, Any]] = []
        self._kept = 0
        self._waiter: asyncio.Future[None] | None = None
        self.direct = True

    def put_nowait(self, event: dict[str, Any]) -> None:
        connection = self._connection
        if event["type"] == "websocket.receive" and self.direct and not connection.paused:
            text = event.get("text")
            self._take(connection, text if text is not None else event["bytes"])
            return
        if event["type"] == "websocket.disconnect" and connection.paused:
            # The reader waits for the end of the pause, and this is it.
            connection.leave("transport close")
        # From here on the reader has to catch up first, or messages would overtake each other.
        self.direct = False
        self._keep(event)

    def _keep(self, event: dict[str, Any]) -> None:
        size = _size(event)
        self._kept += size
        limits = self._connection.sessions.limits
        if size and self._kept > limits.inbox_bytes + limits.max_payload:
            self._overflow()
            return
        self._events.append(event)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _overflow(self) -> None:
        """Web servers inflate all that they have read, even after they were told to stop reading:
        what came as a quarter of a megabyte may be hundreds.
        """
        connection = self._connection
        if not connection.closed:
            metrics.report("closed.inbox", address=connection.address)
            connection.fail(
                "transport error", "it sent more than it may while it was not read from"
            )
            # Without a goodbye: uvicorn would read on, and inflate, until the client has said its.
            asyncio.get_running_loop().call_soon(self._abort)

    def unread(self, size: int) -> None:
        """The client does not read the server's answers to its pings, which nothing else bounds."""
        connection = self._connection
        if not connection.closed:
            metrics.report("closed.outbox", address=connection.address)
            connection.fail(
                "transport error",
                f"its outbox is full: {size} bytes with the answers to its pings (see"
                " OUTBOX_BYTES); the client does not read",
            )
        # Also one that is being closed, which has CLOSE_TIMEOUT: it may ping on.
        asyncio.get_running_loop().call_soon(self._abort)

    def _abort(self) -> None:
        wire = self._connection.wire
        if isinstance(wire, WebsocketWire):
            wire.abort()

    async def get(self) -> dict[str, Any]:
        while not self._events:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        event = self._events.pop(0)
        self._kept -= _size(event)
        return event

    def empty(self) -> bool:
        return not self._events


def _size(event: dict[str, Any]) -> int:
    return len(event.get("text") or event.get("bytes") or "")


class QueueInlet(Inlet):
    """An inlet whose reader waits at the server's own queue."""

    __slots__ = ("_queue",)

    def __init__(self, connection: Connection, take: Take, queue: asyncio.Queue[Any]) -> None:
        super().__init__(connection, take)
        self._queue = queue

    def _keep(self, event: dict[str, Any]) -> None:
        self._queue.put_nowait(event)

    def empty(self) -> bool:
        return self._queue.empty()


class DirectWire(WebsocketWire):
    """Queues framed bytes, which all connections of a broadcast share."""

    __slots__ = ("_behind", "_inlet")

    def __init__(self, connection: Connection, send: Any) -> None:
        super().__init__(connection, send)
        self._inlet: Inlet | None = None
        # Whether the network is to be read again as soon as the reader has caught up.
        self._behind = False

    def send(self, frames: Frames, volatile: bool = False) -> bool:
        if self.busy or self._queue is not None:
            return self._send_later(frames, volatile)
        return self.put(frames.websocket or frames.frame())

    def send_message(self, message: str | bytes) -> bool:
        if self.busy or self._queue is not None or type(message) is not str:
            return self.send(Frames((message,)))
        return self.put(text_frame(MESSAGE + message))

    def enqueue(self, frames: Frames) -> None:
        data = frames.frame()
        self._push(data, len(frames.packets), len(data), frames.supersedes)

    def read_network(self) -> None:
        """Let the web server read from its transport again."""
        raise NotImplementedError

    def resume_reading(self) -> None:
        # What had been read before the pause comes first. A client that is paused again and again
        # would have a read of the network's waiting for each message that is handled otherwise.
        self._behind = self._inlet is not None and not self._inlet.empty()
        if not self._behind:
            self.read_network()

    def caught_up(self) -> None:
        """The reader has nothing in hand: messages go straight to the connection again."""
        if self._inlet is not None:
            self._inlet.direct = True
        if self._behind and not self.connection.paused:
            self._behind = False
            self.read_network()

    def _say_goodbye(self) -> None:
        # The known servers only write the close frame: no task is needed for it.
        if not self._said_goodbye:
            self._said_goodbye = True
            self.advance(self._asgi_send(CLOSE_EVENT))
