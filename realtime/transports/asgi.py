"""Websockets through the plain ASGI `send`: public API only, so it works under any server."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from types import coroutine as awaitable_generator
from typing import Any

from realtime.connection import Connection, Wire
from realtime.frames import Frames
from realtime.timers import Handle

logger = logging.getLogger("realtime.engine")

Send = Callable[[dict[str, Any]], Coroutine[Any, Any, None]]

Take = Callable[[Connection, "str | bytes"], None]

_CLOSE = {"type": "websocket.close"}


def _size(event: dict[str, Any]) -> int:
    return len(event["bytes"] if "bytes" in event else event["text"].encode())


@awaitable_generator
def _finish(step: Coroutine[Any, Any, None], yielded: Any) -> Generator[Any, Any, None]:
    """Carry on a coroutine that was stepped once and suspended, from what it yielded."""
    while True:
        try:
            try:
                value = yield yielded
            except BaseException as error:
                yielded = step.throw(error)
            else:
                yielded = step.send(value)
        except StopIteration:
            return


class WebsocketWire(Wire):
    """Steps the coroutine of `send` once, which costs no task where the server buffers by itself.

    If `send` suspends, the server has enough for now: one task finishes it, and what follows
    waits here.
    """

    __slots__ = ("_asgi_send", "_closer", "_closing", "_finisher", "_queue", "busy")
    name = "websocket"

    def __init__(self, connection: Connection, send: Send) -> None:
        super().__init__(connection)
        self._asgi_send = send
        # Items for the server with their numbers of packets and bytes. None while there are none:
        # an empty deque takes more memory than all the rest.
        self._queue: deque[tuple[Any, int, int]] | None = None
        #: Whether the server takes nothing more for now.
        self.busy = False
        self._finisher: asyncio.Task[None] | None = None
        self._closing = False
        self._closer: Handle | None = None

    # Out

    def send(self, frames: Frames, volatile: bool = False) -> bool:
        if self.busy or self._queue is not None:
            if not self.admits(frames, volatile):
                return False
            self.enqueue(frames)
            return True
        for event in frames.events:
            # Without a queue the order still holds: a server that is busy now got the first ones.
            if self.busy:
                self._push(event, 1, _size(event))
            else:
                self.put(event)
        return True

    def enqueue(self, frames: Frames) -> None:
        for event in frames.events:
            self._push(event, 1, _size(event))

    def put(self, item: Any) -> bool:
        """Hand one item of the queue to the server, which is not busy; False if it is too late."""
        self.step(item)
        return True

    def _push(self, item: Any, packets: int, size: int) -> None:
        if self._queue is None:
            self._queue = deque()
        self._queue.append((item, packets, size))
        self.queued_messages += packets
        self.queued_bytes += size

    def flush(self) -> None:
        """Hand over what is queued, as far as the server takes it."""
        while self._queue and not self.busy:
            item, packets, size = self._queue.popleft()
            self.queued_messages -= packets
            self.queued_bytes -= size
            self.put(item)
        if not self._queue:
            self._queue = None
            if self._closing and not self.busy:
                self._say_goodbye()

    def step(self, event: dict[str, Any]) -> None:
        """Send one ASGI message without waiting; `busy` until the server is done with it."""
        step = self._asgi_send(event)
        try:
            yielded = step.send(None)
        except StopIteration:
            return
        except Exception as error:
            self._broken(error)
            return
        self.finish_later(_finish(step, yielded))

    def finish_later(self, work: Coroutine[Any, Any, Any]) -> None:
        """Be busy until the work is done."""
        self.busy = True
        self._finisher = asyncio.get_running_loop().create_task(self._complete(work))

    async def _complete(self, work: Coroutine[Any, Any, Any]) -> None:
        try:
            await work
        except Exception as error:
            self._broken(error)
        self._finisher = None
        self.busy = False
        self.flush()

    def _broken(self, error: Exception) -> None:
        # OSError is how ASGI servers say that the client has left (specification, "send" after a
        # disconnect); its websocket.disconnect is on the way.
        if not isinstance(error, OSError) and not self._closing:
            logger.warning("the server did not take a message for %r: %r", self.connection, error)

    # In

    def listen(self, take: Take) -> None:
        """The reader is about to wait: messages may be passed to `take` without waking it."""

    # The end

    def close(self, discard: bool) -> None:
        if self._closing:
            return
        self._closing = True
        if discard:
            self._discard()
        sessions = self.connection.sessions
        self._closer = sessions.wheel.after(sessions.limits.close_timeout, self.abort)
        self.flush()

    def _discard(self) -> None:
        self._queue = None
        self.queued_bytes = self.queued_messages = 0

    def _say_goodbye(self) -> None:
        self.step(_CLOSE)

    def abort(self) -> None:
        """Give up a client that does not take what is left for it."""
        self._discard()
        self._stop()

    def gone(self) -> None:
        """The websocket is over."""
        self._closing = True
        self._discard()
        if self._closer is not None:
            self._closer.cancel()
        self._stop()

    def _stop(self) -> None:
        if self._finisher is not None:
            self._finisher.cancel()
