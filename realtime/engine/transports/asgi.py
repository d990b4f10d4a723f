"""Websockets through the plain ASGI `send`: public API only, so it works under any server."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Hashable
from types import coroutine as awaitable_generator
from typing import Any

from ...logs import connection_facts
from ...protocol.frames import Frames
from ..connection import Connection
from ..wheel import Handle
from ..wire import Wire
from .http import Receive

logger = logging.getLogger("realtime.engine")

Send = Callable[[dict[str, Any]], Coroutine[Any, Any, None]]

Take = Callable[[Connection, "str | bytes"], None]

CLOSE_EVENT = {"type": "websocket.close"}


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

    __slots__ = (
        "_asgi_send",
        "_closer",
        "_closing",
        "_finisher",
        "_queue",
        "_said_goodbye",
        "busy",
    )
    name = "websocket"

    def __init__(self, connection: Connection, send: Send) -> None:
        super().__init__(connection)
        self._asgi_send = send
        # Items for the server with their numbers of packets and bytes, and with what makes them out
        # of date. None while there are none: an empty deque takes more memory than all the rest.
        self._queue: deque[tuple[Any, int, int, Hashable | None]] | None = None
        #: Whether the server takes nothing more for now.
        self.busy = False
        self._finisher: asyncio.Task[None] | None = None
        self._closing = self._said_goodbye = False
        self._closer: Handle | None = None

    # Out

    def send(self, frames: Frames, volatile: bool = False) -> bool:
        if self.busy or self._queue is not None:
            return self._send_later(frames, volatile)
        for event in frames.events:
            self._put_or_push(event)
        return True

    def _send_later(self, frames: Frames, volatile: bool) -> bool:
        if frames.supersedes is not None:
            self._drop_superseded(frames)
        if not self.admits(frames, volatile):
            return False
        self.enqueue(frames)
        return True

    def _put_or_push(self, event: dict[str, Any]) -> None:
        if self.busy:
            self._push(event, 1, _size(event))
        else:
            self.put(event)

    def enqueue(self, frames: Frames) -> None:
        # A packet with attachments may be half sent.
        supersedes = frames.supersedes if len(frames.events) == 1 else None
        for event in frames.events:
            self._push(event, 1, _size(event), supersedes)

    def put(self, item: Any) -> bool:
        """Hand one item of the queue to the server, which is not busy; False if it is too late."""
        self.step(item)
        return True

    def _push(self, item: Any, packets: int, size: int, supersedes: Hashable | None = None) -> None:
        if self._queue is None:
            self._queue = deque()
        self._queue.append((item, packets, size, supersedes))
        self.queued_messages += packets
        self.queued_bytes += size

    def _drop_superseded(self, by: Frames) -> None:
        for number, (_, packets, size, supersedes) in enumerate(self._queue or ()):
            if supersedes is not None and supersedes == by.supersedes:
                assert self._queue is not None  # it has items
                del self._queue[number]
                self.dropped_superseded(packets, size)
                break

    def flush(self) -> None:
        """Hand over what is queued, as far as the server takes it."""
        while self._queue and not self.busy:
            item, packets, size, _ = self._queue.popleft()
            self.queued_messages -= packets
            self.queued_bytes -= size
            self.put(item)
        if not self._queue:
            self._queue = None
            if self._closing and not self.busy:
                self._say_goodbye()

    def step(self, event: dict[str, Any]) -> None:
        """Send one ASGI message without waiting; `busy` until the server is done with it."""
        sending = self._asgi_send(event)
        if asyncio.current_task() is None:
            # Servers may use asyncio.timeout() in `send`, which works in tasks only.
            self.finish_later(sending)
        else:
            self.advance(sending)

    def advance(self, sending: Coroutine[Any, Any, None]) -> None:
        """Step a coroutine of `send` once; a task finishes it if it suspends."""
        try:
            yielded = sending.send(None)
        except StopIteration:
            return
        except Exception as error:
            self._broken(error)
            return
        self.finish_later(_finish(sending, yielded))

    def finish_later(self, work: Coroutine[Any, Any, Any]) -> None:
        """Be busy until the work is done."""
        self.busy = True
        self._finisher = asyncio.get_running_loop().create_task(self._complete(work))
        # A task that is cancelled before its first step would leave the work unawaited.
        self._finisher.add_done_callback(lambda _: work.close())

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
            logger.warning(
                "the web server did not accept a message for %r: %r",
                self.connection,
                error,
                extra=connection_facts(self.connection),
            )

    # In

    def listen(self, take: Take, receive: Receive) -> Receive:
        """The reader is about to wait: messages may be passed to `take` without waking it.

        Returns what the reader is to wait at, for all that is not passed on so.
        """
        return receive

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
        if not self._said_goodbye:
            self._said_goodbye = True
            # Servers may wait for the client's close frame, with a timeout.
            self.finish_later(self._asgi_send(CLOSE_EVENT))

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


class TextOnly(WebsocketWire):
    """For clients that ask for "b64": binary messages go as base64 text, as while polling."""

    __slots__ = ()

    def send(self, frames: Frames, volatile: bool = False) -> bool:
        return super().send(frames.as_text(), volatile)
