"""Engine.IO sessions: one `Connection` for each client, whatever wire carries it at the moment."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..exceptions import ProtocolError
from ..logs import brief, connection_facts, failed
from ..metrics import counters as metrics
from ..protocol.frames import CLOSE, MESSAGE, PING, PONG, Frames
from .heartbeat import Heartbeat
from .limits import TokenBucket
from .scopes import address_of
from .wire import Wire

if TYPE_CHECKING:
    from .sessions import Sessions

logger = logging.getLogger("realtime.engine")

#: Packets after which a connection's rate is looked at: a look at each would cost more than most.
BILL = 100


class Connection(Heartbeat):
    """One Engine.IO session."""

    __slots__ = (
        "__weakref__",
        "_bucket",
        "_holds",
        "_resumed",
        "_unbilled",
        "client",
        "closed",
        "environ",
        "id",
        "paused",
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
        # The websocket that probes while the session still polls.
        self.upgrade: Wire | None = None
        self.wire = wire(self)
        #: Whether the client is not read from.
        self.paused = False
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

    @property
    def sends_together(self) -> bool:
        """Whether the client gets either all that is sent in this turn of the loop or nothing."""
        return self.wire.sends_together

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
        if kind == MESSAGE:
            self.receive_message(data)
            return
        self._count()
        if kind == PONG:
            self._pong()
        elif kind == CLOSE:
            self.wire.left()
            self.close("transport close", discard=True)
        elif kind == PING:
            self.reject("clients may not send pings: in Engine.IO 4 the server does")
        # The others, open, upgrade and noop, mean nothing here; both reference servers ignore them.

    def _count(self) -> None:
        self._unbilled += 1
        if self._unbilled >= BILL:
            self._bill()

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
                "%r sent more than %s packets a second (REALTIME PACKET_RATE); the server stops"
                " reading from it for a while",
                self,
                rate,
                extra=connection_facts(self),
            )
        self.pause()
        self.sessions.wheel.after(seconds, self.resume)

    def receive_message(self, data: str | bytes) -> None:
        """The data of one packet that is a message."""
        self._unbilled += 1
        if self._unbilled >= BILL:
            self._bill()
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

    def pause(self) -> None:
        """Stop reading from the client until each pause has its `resume`."""
        if self.closed:
            return
        self._holds += 1
        if self._resumed is None:
            self._resumed = asyncio.get_running_loop().create_future()
            self.paused = True
            self.wire.pause_reading()

    def resume(self) -> None:
        """Take one `pause` back."""
        if self._holds:
            self._holds -= 1
            if not self._holds:
                self._read_on()

    def _read_on(self) -> None:
        resumed, self._resumed = self._resumed, None
        self.paused = False
        if resumed is None:
            return
        if not resumed.done():
            resumed.set_result(None)
        if not self.closed:
            self._read_again()
            self.wire.resume_reading()

    async def readable(self) -> None:
        """Wait while the connection is paused."""
        while self._resumed is not None:
            await asyncio.shield(self._resumed)
