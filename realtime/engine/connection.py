"""Engine.IO sessions: one `Connection` for each client, whatever wire carries it at the moment."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from ..exceptions import ProtocolError
from ..logs import brief, connection_facts, failed
from ..metrics import counters as metrics
from ..protocol.frames import CLOSE, MESSAGE, PING, PING_FRAMES, PONG, Frames
from .limits import TokenBucket

if TYPE_CHECKING:
    from .sessions import Sessions

logger = logging.getLogger("realtime.engine")

#: Packets after which a connection's rate is looked at: a look at each would cost more than most.
BILL = 100


class Wire:
    """What carries the packets of one connection, and holds those that it cannot hand over yet."""

    __slots__ = ("connection", "queued_bytes", "queued_messages")
    name: ClassVar[str]

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.queued_bytes = 0
        self.queued_messages = 0

    @property
    def buffered_bytes(self) -> int:
        """What waits here and, where it is known, in the web server's write buffer."""
        return self.queued_bytes

    def send(self, frames: Frames, volatile: bool = False) -> bool:
        """Hand over or queue the frames; False if they were dropped."""
        raise NotImplementedError

    def close(self, discard: bool) -> None:
        """Hand over what is queued unless it is to be discarded, then tell the client goodbye."""
        raise NotImplementedError

    def retire(self) -> None:
        """Hand over what is queued and end, in such a way that every client reconnects."""
        self.close(False)

    def left(self) -> None:
        """The client said goodbye with a packet."""

    def gone(self) -> None:
        """The client is no longer there: drop what is queued."""
        raise NotImplementedError

    def pause_reading(self) -> None:
        """Stop reading from the network where the web server allows it."""

    def resume_reading(self) -> None:
        """Read again."""

    def admits(self, frames: Frames, volatile: bool) -> bool:
        """Whether the frames may be queued.

        At the bound volatile frames are dropped, and others close the connection: the client
        reconnects and fetches what it missed. An empty outbox takes one message of any size.
        """
        limits = self.connection.sessions.limits
        messages = self.queued_messages + len(frames.packets)
        size = self.buffered_bytes + frames.size
        if messages <= limits.outbox_messages and size <= limits.outbox_bytes:
            return True
        if volatile:
            metrics.report("dropped.volatile", address=self.connection.address)
            return False
        if not self.queued_messages and not self.buffered_bytes:
            return True
        metrics.report("closed.outbox", address=self.connection.address)
        self.connection.fail(
            "transport error",
            f"its outbox is full: {messages} messages, {size} bytes (see OUTBOX_MESSAGES and"
            " OUTBOX_BYTES); the client reads too slowly",
        )
        return False


def address_of(scope: Mapping[str, Any]) -> str | None:
    """The IP address that a request came from, where the web server knows it."""
    client = scope.get("client")
    return str(client[0]) if client else None


class Connection:
    """One Engine.IO session."""

    __slots__ = (
        "__weakref__",
        "_awaiting_pong",
        "_beat",
        "_bucket",
        "_deadline",
        "_holds",
        "_resumed",
        "_unbilled",
        "client",
        "closed",
        "environ",
        "id",
        "ping_delivered",
        "rejected",
        "scope",
        "sessions",
        "upgrade",
        "user_session",
        "wire",
    )

    def __init__(
        self, sessions: Sessions, scope: dict[str, Any], wire: Callable[..., Wire]
    ) -> None:
        self.sessions = sessions
        #: The secret session id. Who knows it can take the session over.
        self.id = sessions.generate_id()
        #: The ASGI scope of the handshake request.
        self.scope = scope
        #: Belongs to the sink.
        self.client: Any = None
        #: The handshake request as a WSGI environ, once somebody has asked for it: see compat/.
        self.environ: dict[str, Any] | None = None
        self.user_session: dict[str, Any] = {}
        self.closed = False
        #: Whether it was closed because the client broke the protocol.
        self.rejected = False
        # True from the moment when a ping is on its way to the client until its pong.
        self.ping_delivered = False
        # The websocket that probes while the session still polls.
        self.upgrade: Wire | None = None
        self.wire = wire(self)
        self._resumed: asyncio.Future[None] | None = None
        # Why the client is not read from: so many calls of `pause` have not been taken back.
        self._holds = 0
        # The limit of packets a second, and those that it has not been told of.
        self._bucket: TokenBucket | None = None
        self._unbilled = 0
        self._schedule_ping()

    def __repr__(self) -> str:
        # Never the id: whoever reads it in a log could take the session over.
        return f"<Connection {self.transport} {self.address or '?'}>"

    @property
    def address(self) -> str | None:
        """The client's IP address, where the web server knows it."""
        return address_of(self.scope)

    @property
    def transport(self) -> str:
        return self.wire.name

    @property
    def buffered_messages(self) -> int:
        return self.wire.queued_messages

    @property
    def buffered_bytes(self) -> int:
        return self.wire.buffered_bytes

    # Packets

    def send(self, frames: Frames, volatile: bool = False) -> bool:
        """Send without waiting; False if the frames were dropped or the connection is closed.

        Calls no one back: where the outbox overflows, the sink hears of it in the loop's next turn.
        """
        if self.closed:
            return False
        return self.wire.send(frames, volatile)

    def receive(self, kind: str, data: str | bytes) -> None:
        """One packet of the client."""
        self._unbilled += 1
        if self._unbilled >= BILL:
            self._bill()
        if kind == MESSAGE:
            self._receive_message(data)
        elif kind == PONG:
            self._pong()
        elif kind == CLOSE:
            self.wire.left()
            self.close("transport close", discard=True)
        elif kind == PING:
            self.reject("clients may not send pings: in Engine.IO 4 the server does")
        # The others, open, upgrade and noop, mean nothing here; both reference servers ignore them.

    def _bill(self) -> None:
        """Read no more for a while from a client that sends more packets than it may."""
        rate, now = self.sessions.limits.packet_rate, self.sessions.wheel.time()
        packets, self._unbilled = self._unbilled, 0
        if rate is None:
            return
        if self._bucket is None:
            self._bucket = TokenBucket(rate, now)
        seconds = self._bucket.owe(packets, now)
        if not seconds or self.closed:
            return
        metrics.report("paused.packet_rate", address=self.address)
        if not self._bucket.overrun:
            self._bucket.overrun = True
            logger.warning(
                "%r sent more than %s packets a second (REALTIME PACKET_RATE); it is not read from"
                " for a while",
                self,
                rate,
                extra=connection_facts(self),
            )
        self.pause()
        self.sessions.wheel.after(seconds, self.resume)

    def _receive_message(self, data: str | bytes) -> None:
        try:
            self.sessions.sink.received(self, data)
        except ProtocolError as error:
            self.reject(str(error))
        except Exception:
            failed(
                logger, "a message of %r could not be handled", self, extra=connection_facts(self)
            )
            self.close("forced close", discard=True)

    # The end

    def reject(self, error: str) -> None:
        """Close because the client does not speak the protocol."""
        about = connection_facts(self)
        logger.warning("%r broke the protocol: %s", self, brief(error), extra=about)
        metrics.report("closed.protocol", address=self.address)
        self.rejected = True
        self.close("parse error", discard=True)

    def fail(self, reason: str, error: str) -> None:
        """Close in the loop's next turn: safe where the caller walks a room."""
        logger.warning("closing %r: %s", self, error, extra=connection_facts(self))
        self.closed = True
        asyncio.get_running_loop().call_soon(self._end, reason, True)

    def close(self, reason: str = "forced close", discard: bool = False) -> None:
        """Hand over what is buffered unless `discard`, tell the client, and end the session.

        Idempotent. The sink has been told when this returns; the buffer may take `close_timeout`.
        """
        if not self.closed:
            self.closed = True
            self._end(reason, discard)

    def retire(self, reason: str) -> None:
        """Close, in such a way that every client reconnects by itself."""
        if not self.closed:
            self.closed = True
            self.wire.retire()
            self._end(reason, False)

    def leave(self, reason: str) -> None:
        """The wire is gone: there is nobody to tell."""
        if not self.closed:
            self.closed = True
            self.wire.gone()
            self._end(reason, True)

    def _end(self, reason: str, discard: bool) -> None:
        self._beat.cancel()
        self.sessions.forget(self)
        self.wire.close(discard)
        upgrade, self.upgrade = self.upgrade, None
        if upgrade is not None:
            upgrade.close(True)
        self._holds = 0
        self._read_on()
        try:
            self.sessions.sink.closed(self, reason)
        except Exception:
            failed(logger, "the end of %r could not be handled", self, extra=connection_facts(self))

    # Flow control

    @property
    def paused(self) -> bool:
        return self._resumed is not None

    def pause(self) -> None:
        """Stop reading from the client until each pause has its `resume`."""
        if self.closed:
            return
        self._holds += 1
        if self._resumed is None:
            self._resumed = asyncio.get_running_loop().create_future()
            self.wire.pause_reading()

    def resume(self) -> None:
        """Take one `pause` back."""
        if self._holds:
            self._holds -= 1
            if not self._holds:
                self._read_on()

    def _read_on(self) -> None:
        resumed, self._resumed = self._resumed, None
        if resumed is None:
            return
        if not resumed.done():
            resumed.set_result(None)
        if not self.closed:
            if self._awaiting_pong:
                self._beat.cancel()
                self._extend()
            self.wire.resume_reading()

    async def readable(self) -> None:
        """Wait while the connection is paused."""
        while self._resumed is not None:
            await asyncio.shield(self._resumed)

    # Heartbeat

    @property
    def expired(self) -> bool:
        """Whether a pong is overdue. The wheel is coarse: requests ask, so that none comes late."""
        return self._resumed is None and self.sessions.wheel.time() >= self._deadline

    def _schedule_ping(self) -> None:
        limits = self.sessions.limits
        self._awaiting_pong = self.ping_delivered = False
        self._deadline = self.sessions.wheel.time() + limits.ping_interval + limits.ping_timeout
        self._beat = self.sessions.wheel.after(limits.ping_interval, self._ping)

    def _ping(self) -> None:
        wheel = self.sessions.wheel
        # The deadline stands, so that a tick's delay changes nothing; but where the loop was held
        # up, the client gets half of its time at least.
        least = wheel.time() + self.sessions.limits.ping_timeout / 2
        self._deadline = max(self._deadline, least)
        self._beat = wheel.after(self._deadline - wheel.time(), self._expire)
        self._awaiting_pong = True
        self.ping_delivered = self.wire.name == "websocket"
        self.send(PING_FRAMES)

    def _pong(self) -> None:
        # A pong without a ping that reached the client proves nothing: it may not keep alive a
        # client that posts but never polls, whose outbox would grow.
        if self.ping_delivered:
            self._beat.cancel()
            self._schedule_ping()

    def _extend(self) -> None:
        """Pongs that lie unread behind a pause get the whole timeout once more."""
        wheel, timeout = self.sessions.wheel, self.sessions.limits.ping_timeout
        self._deadline = wheel.time() + timeout
        self._beat = wheel.after(timeout, self._expire)

    def _expire(self) -> None:
        if self._resumed is not None:
            # Nothing is read, so no pong either: only a write can find that the client is gone.
            self.send(PING_FRAMES)
            self._extend()
        else:
            self.close("ping timeout", discard=True)
