"""What a consumer receives, in order; only the client's answers to our calls overtake."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from ..conf import settings
from ..exceptions import CallError, CallTimeout
from ..node.inboxes import ASGIMessage

Receive = Callable[[], Awaitable[ASGIMessage]]


class Queue(Protocol):
    """Messages received before their turn. A server may give one that counts what waits in it."""

    def __len__(self) -> int: ...
    def append(self, message: ASGIMessage, /) -> None: ...
    def popleft(self) -> ASGIMessage: ...


#: The type of most messages.
CLIENT_EVENT = "socketio.event"

#: Why a call has no answer, unless it timed out.
_LOST = "the client left before it answered, or its answer could not be read"


class Mailbox:
    """Reads an ASGI `receive` for one consumer.

    Usually the consumer's own loop reads, with no task in between. While a handler waits for an
    answer, that loop is busy: then a task, the pump, reads on, hands out the answers, and keeps the
    rest in order.
    """

    def __init__(self, receive: Receive, ahead: Queue | None = None) -> None:
        self._receive = receive
        self._backlog: Queue = deque() if ahead is None else ahead
        self._calls: dict[int, asyncio.Future[list[Any] | None]] = {}
        self._last_call = 0
        #: Whether the consumer's loop waits for the next message.
        self.is_read = False
        #: Whether nothing waits here, and nobody for an answer: what comes is the next message.
        self.is_quiet = True
        self._pump: asyncio.Task[None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._gone = False

    async def next(self) -> ASGIMessage:
        """The next message while it is not quiet; the caller asks `keeps` about it."""
        while not self._backlog:
            if self._pump is None:
                self.is_quiet = not self._calls
                return await self._receive()
            self.is_read = False
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
            self.is_read = True
        return self._backlog.popleft()

    def keeps(self, message: ASGIMessage) -> bool:
        """Whether the message was an answer to a call, which the consumer does not get."""
        if message["type"] != CLIENT_EVENT and self._overtakes(message):
            return True
        if self._calls:
            self._start_pump()
        return False

    def expect(self) -> tuple[int, asyncio.Future[list[Any] | None]]:
        """A new id for a call, and the future of its answer."""
        if self._gone:
            raise CallError("the client has left")
        self._last_call += 1
        answer: asyncio.Future[list[Any] | None] = asyncio.get_running_loop().create_future()
        self._calls[self._last_call] = answer
        self.is_quiet = False
        if not self.is_read:
            self._start_pump()
        return self._last_call, answer

    async def answer(
        self,
        ack_id: int,
        answer: asyncio.Future[list[Any] | None],
        timeout: float | None,
        ask: Awaitable[None],
    ) -> list[Any]:
        """Ask, and wait for the answer. Raises CallTimeout, or CallError when the client leaves."""
        try:
            await ask
            async with asyncio.timeout(timeout):
                values = await answer
        except TimeoutError:
            raise CallTimeout(f"no answer from the client within {timeout} s") from None
        finally:
            self._calls.pop(ack_id, None)
        if values is None:
            raise CallError(_LOST)
        return values

    def close(self) -> None:
        """The consumer ends: nobody reads on, and nobody waits on."""
        self._fail_calls()
        if self._pump is not None:
            self._pump.cancel()

    def _overtakes(self, message: ASGIMessage) -> bool:
        if message["type"] == "socketio.ack":
            answer = self._calls.pop(message["ack_id"], None)
            if answer is not None and not answer.done():
                answer.set_result(message["args"])
            return True
        if message["type"] == "socketio.disconnect":
            self._fail_calls()
        return False

    def _fail_calls(self) -> None:
        self._gone = True
        for answer in self._calls.values():
            if not answer.done():
                # Not an exception: a future that keeps one holds the frames that wait for it, and
                # these hold the future.
                answer.set_result(None)

    def _start_pump(self) -> None:
        if self._pump is None and not self._gone:
            self._pump = asyncio.ensure_future(self._read_on())

    async def _read_on(self) -> None:
        try:
            while self._calls and not self._gone:
                if len(self._backlog) >= settings.INBOX_EVENTS:
                    # What else the client sends stays in the server's inbox, which is bounded.
                    break
                message = await self._receive()
                if not self._overtakes(message):
                    self._put(message)
        finally:
            self._pump = None
            self._wake()

    def _put(self, message: ASGIMessage) -> None:
        self._backlog.append(message)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
