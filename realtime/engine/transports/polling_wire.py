"""The wire of a session that polls: a queue, from which the answers to its GETs are made."""

from __future__ import annotations

import asyncio
import logging

from ...logs import connection_facts
from ...protocol.frames import CLOSE, NOOP, PING_FRAMES, SEPARATOR, Frames
from ..connection import Connection
from ..wire import Wire
from .http import BAD_REQUEST, Receive, Refused, header, watch

logger = logging.getLogger("realtime.engine")

#: Seconds that a poll waits for its noop while a websocket probes. The reference server answers in
#: the next tick of such an interval, and the JavaScript client's own tests count on the delay.
NOOP_DELAY = 0.1
#: Packets that python-engineio's client takes in one answer (`Payload.max_decode_packets`); it ends
#: its session over one more. The others have no limit, and with one they would poll more often.
MOST_FOR_PYTHON = 16
#: How the User-Agent of the HTTP libraries begins that python-engineio's two clients use.
_PYTHON = ("Python/", "python-requests/")


class PollingWire(Wire):
    """Queues frames until a poll fetches them.

    While a websocket probes, the wire is held: a poll that would wait is answered with a noop soon,
    so that the client can complete the upgrade. What is queued goes with the answer of a poll all
    the same, as in the reference server: a client with `retries` sends again what an ack was late
    for. Only what no poll has fetched goes over the websocket.
    """

    __slots__ = ("_abandoned", "_final", "_held", "_most", "_noop", "_poll", "_queue", "posting")
    name = "polling"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._queue: list[Frames] = []
        agent = header(connection.scope, b"user-agent") or ""
        # Packets in an answer; None for any number.
        self._most = MOST_FOR_PYTHON if agent.startswith(_PYTHON) else None
        # The poll that waits, if one does.
        self._poll: asyncio.Future[None] | None = None
        self._held = False
        # Whether the client broke off its last poll, while the wire was held.
        self._abandoned = False
        self._noop: asyncio.TimerHandle | None = None
        # The last packet once the wire is over: polls get it instead of waiting.
        self._final = ""
        #: Reads the body of the one POST that may be in progress.
        self.posting: asyncio.Task[bytes] | None = None

    # Out

    @property
    def sends_together(self) -> bool:
        # The poll that waits gets all of it, or the next one. While a websocket probes there may be
        # no next one.
        return self._most is None and not (self._held and self._poll is None)

    def send(self, frames: Frames, volatile: bool = False) -> bool:
        if frames.supersedes is not None:
            self._drop_superseded(frames)
        if not self.admits(frames, volatile):
            return False
        self._queue.append(frames)
        self.queued_messages += len(frames.packets)
        self.queued_bytes += frames.size
        self.wake()
        return True

    def _drop_superseded(self, by: Frames) -> None:
        for frames in self._queue:
            if frames.supersedes == by.supersedes:
                self._queue.remove(frames)
                self.dropped_superseded(len(frames.packets), frames.size)
                break

    def wake(self) -> None:
        """Answer the poll that waits."""
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(None)

    def drain(self) -> list[Frames]:
        """Take all that is queued."""
        queue, self._queue = self._queue, []
        self.queued_bytes = self.queued_messages = 0
        return queue

    def take(self) -> bytes:
        """The body of a poll's answer."""
        queue = self._take_some()
        if PING_FRAMES in queue:
            self.connection.ping_delivered = True
        pieces = [frames.piece for frames in queue]
        if not pieces or (self._final and not self._queue):
            pieces.append((self._final or NOOP).encode())
        return SEPARATOR.join(pieces)

    def _take_some(self) -> list[Frames]:
        """Take what fits into one answer."""
        number = self._fitting
        if number == len(self._queue):
            return self.drain()
        taken, self._queue = self._queue[:number], self._queue[number:]
        self.queued_messages -= sum(len(frames.packets) for frames in taken)
        self.queued_bytes -= sum(frames.size for frames in taken)
        return taken

    @property
    def _fitting(self) -> int:
        """How many of the queue fit into one answer: an event and its attachments stay together."""
        if self._most is None:
            return len(self._queue)
        room = self._most - 1  # one is left for the close packet
        for number, frames in enumerate(self._queue):
            room -= len(frames.packets)
            if room < 0 and number:
                return number
        return len(self._queue)

    @property
    def is_empty(self) -> bool:
        return not self._queue

    async def poll(self, receive: Receive, seconds: float | None) -> bytes:
        """Wait until there is something to answer, or for so many seconds."""
        if self._poll is not None:
            about = connection_facts(self.connection)
            logger.warning("closing %r: it sent two polls at once", self.connection, extra=about)
            self.connection.close("transport error", discard=True)
            raise Refused(BAD_REQUEST)
        self._abandoned = False
        upgrading = self.connection.upgrade is not None
        if not self._final and not self._queue:
            await self._wait(receive, seconds)
        if upgrading and self.connection.wire is not self:
            # It crossed the packet that completed the upgrade: polling is over. A poll from
            # before the websocket opened gets its noop.
            raise Refused(BAD_REQUEST)
        # Nobody is there to read the answer of a poll that was broken off.
        return NOOP.encode() if self._abandoned else self.take()

    async def _wait(self, receive: Receive, seconds: float | None) -> None:
        self._poll = asyncio.get_running_loop().create_future()
        wheel = self.connection.sessions.wheel
        timer = None if seconds is None else wheel.after(seconds, self.wake)
        watcher = asyncio.create_task(self._watch(receive))
        if self._held:
            self._answer_soon()
        try:
            await self._poll
        finally:
            self._poll = None
            watcher.cancel()
            if timer is not None:
                timer.cancel()

    async def _watch(self, receive: Receive) -> None:
        await watch(receive)
        # Nothing that was queued is lost: it was not taken yet. The reference server closes the
        # session too, and the official suite demands it.
        if self._held:
            self._abandoned = True  # see release()
        elif not self._final:
            self.connection.leave("transport error")
        self.wake()

    # Upgrade

    def hold(self) -> None:
        self._held = True
        if self._poll is not None:
            self._answer_soon()

    def _answer_soon(self) -> None:
        if self._noop is not None:
            self._noop.cancel()
        self._noop = asyncio.get_running_loop().call_later(NOOP_DELAY, self.wake)

    def release(self) -> None:
        """The upgrade was given up: go on polling."""
        self._held = False
        if self._noop is not None:
            self._noop.cancel()
        if self._abandoned:
            # First the poll, now the websocket: a page that was closed in mid-upgrade.
            self.connection.leave("transport error")
        elif self._queue:
            self.wake()

    # The end

    def close(self, discard: bool) -> None:
        if self._final:
            return
        if discard:
            self.drain()
        self._finish(CLOSE)
        if not discard and self._outlives_poll:
            self.connection.sessions.linger(self.connection, self)

    def retire(self) -> None:
        # Not with a close packet: python-engineio's client takes that as its dismissal and stays
        # away. To a noop it polls again, and what it is told then, "Session ID unknown", is a
        # broken transport to every client.
        if self._final:
            return
        self._finish(NOOP)
        if self._queue and self._outlives_poll:
            self.connection.sessions.linger(self.connection, self)

    @property
    def _outlives_poll(self) -> bool:
        """Whether there is something left to fetch after the poll that waits, if one does."""
        return self._poll is None or self._fitting < len(self._queue)

    def left(self) -> None:
        self.gone()

    def gone(self) -> None:
        self.drain()
        self._finish(NOOP)

    def _finish(self, packet: str) -> None:
        self._held = False
        self._final = packet
        if self.posting is not None:
            self.posting.cancel()
        if self._noop is not None:
            self._noop.cancel()
        self.wake()
