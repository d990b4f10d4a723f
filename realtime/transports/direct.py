"""What the wires that write to a web server's own transport have in common."""

from __future__ import annotations

import asyncio
from typing import Any

from ..connection import Connection
from ..frames import Frames
from .asgi import CLOSE_EVENT, Take, WebsocketWire


class Inlet:
    """Stands in for the queue that a web server puts websocket events into.

    A message goes straight to the connection, without waking a task, while the connection takes
    messages and its reader waits with nothing in hand. Everything else goes to the real queue.
    """

    __slots__ = ("_connection", "_queue", "_take", "direct")

    def __init__(self, connection: Connection, queue: asyncio.Queue[Any], take: Take) -> None:
        self._connection = connection
        self._queue = queue
        self._take = take
        self.direct = True

    def put_nowait(self, event: dict[str, Any]) -> None:
        connection = self._connection
        if event["type"] == "websocket.receive" and self.direct and not connection.paused:
            text = event.get("text")
            self._take(connection, text if text is not None else event["bytes"])
            return
        # From here on the reader has to catch up first, or messages would overtake each other.
        self.direct = False
        self._queue.put_nowait(event)

    async def get(self) -> Any:
        return await self._queue.get()

    def empty(self) -> bool:
        return self._queue.empty()


class DirectWire(WebsocketWire):
    """Queues framed bytes, which all connections of a broadcast share."""

    __slots__ = ("_inlet",)

    def __init__(self, connection: Connection, send: Any) -> None:
        super().__init__(connection, send)
        self._inlet: Inlet | None = None

    def send(self, frames: Frames, volatile: bool = False) -> bool:
        if self.busy or self._queue is not None:
            return self._send_later(frames, volatile)
        return self.put(frames.websocket or frames.frame())

    def enqueue(self, frames: Frames) -> None:
        data = frames.frame()
        self._push(data, len(frames.packets), len(data))

    def _say_goodbye(self) -> None:
        # The known servers only write the close frame: no task is needed for it.
        if not self._said_goodbye:
            self._said_goodbye = True
            self.advance(self._asgi_send(CLOSE_EVENT))
