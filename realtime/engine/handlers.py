"""engineio's own way to be told of events: `on("connect" | "message" | "disconnect")`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from engineio.packet import Packet

from .connection import Connection

Trigger = Callable[..., Awaitable[Any]]


class _Inbox:
    """What is left to run for one connection, and how its connect handler answered."""

    def __init__(self) -> None:
        self.events: deque[tuple[str, Any]] = deque()
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()


class HandlerSink:
    """Runs the registered handlers: one at a time and in order for each connection."""

    def __init__(self, trigger: Trigger) -> None:
        self._trigger = trigger
        # The loop itself keeps only weak references to tasks.
        self._tasks: set[asyncio.Task[None]] = set()

    def opened(self, connection: Connection) -> None:
        connection.client = _Inbox()
        self._queue(connection, "connect", connection.environ)

    def received(self, connection: Connection, message: str | bytes) -> None:
        encoded = "4" + message if isinstance(message, str) else message
        # engineio gives its handlers JSON values decoded.
        self._queue(connection, "message", Packet(encoded_packet=encoded).data)

    def closed(self, connection: Connection, reason: str) -> None:
        self._queue(connection, "disconnect", reason)

    async def refusal(self, connection: Connection) -> Any:
        """What the connect handler answered to refuse the client; None if it did not."""
        answer = await connection.client.answer
        return None if answer is None or answer is True else answer or "Unauthorized"

    def _queue(self, connection: Connection, event: str, argument: Any) -> None:
        inbox: _Inbox = connection.client
        inbox.events.append((event, argument))
        if len(inbox.events) == 1:
            task = asyncio.get_running_loop().create_task(self._work(connection, inbox))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self, connection: Connection, inbox: _Inbox) -> None:
        while inbox.events:
            event, argument = inbox.events[0]
            answer = await self._trigger(event, connection.id, argument, run_async=False)
            if event == "connect":
                inbox.answer.set_result(answer)
                if answer is not None and answer is not True:
                    # A client that was refused never was connected: no other handler hears of it.
                    connection.close("server disconnect", discard=True)
                    inbox.events.clear()
                    return
            inbox.events.popleft()
