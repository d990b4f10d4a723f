"""The open Engine.IO sessions of one server, and what they share."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ..logs import connection_facts
from ..protocol.frames import Frames
from .connection import Connection
from .scopes import share_headers
from .wheel import TimerWheel
from .wire import Wire

logger = logging.getLogger("realtime.engine")


class Sink(Protocol):
    """The layer above. All three are called on the event loop and must not block."""

    def opened(self, connection: Connection) -> None: ...

    def received(self, connection: Connection, message: str | bytes) -> None:
        """One message. `ProtocolError` closes the connection with "parse error"."""

    def closed(self, connection: Connection, reason: str) -> None:
        """Called exactly once for each connection that was opened."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Times in seconds, sizes in bytes."""

    ping_interval: float = 25.0
    ping_timeout: float = 20.0
    upgrade_timeout: float = 10.0
    # How long a closing connection may take to hand over what it still holds.
    close_timeout: float = 10.0
    max_payload: int = 1_000_000
    outbox_messages: int = 1_000
    outbox_bytes: int = 8_000_000
    # What may wait unread while the connection is paused, beside what one message may have.
    inbox_bytes: int = 4_000_000
    # Packets a second of one connection, twice as many at once; None for no limit.
    packet_rate: float | None = None
    # Whether permessage-deflate is agreed to where the web server offers it.
    websocket_compression: bool = False


class Sessions:
    """All connections of one server, and what they share."""

    #: Told of every connection; see `EngineServer`.
    sink: Sink

    def __init__(self, limits: Limits, wheel: TimerWheel, generate_id: Callable[[], str]) -> None:
        self.limits = limits
        self.wheel = wheel
        self.generate_id = generate_id
        self.open: dict[str, Connection] = {}
        # Closed by the server while no poll was waiting: the next poll fetches the rest.
        self.lingering: dict[str, Wire] = {}

    def admit(
        self, scope: dict[str, Any], wire: Callable[..., Wire], greeting: Callable[..., str]
    ) -> Connection:
        """Open a session: the handshake packet goes out first, then the sink is told."""
        share_headers(scope)
        connection = Connection(self, scope, wire)
        self.open[connection.id] = connection
        connection.send(Frames.control(greeting(connection)))
        try:
            self.sink.opened(connection)
        except Exception:
            logger.exception(
                "%r could not be opened", connection, extra=connection_facts(connection)
            )
            connection.close("forced close", discard=True)
        return connection

    def find(self, sid: str) -> Connection | None:
        """The open session of this id. One whose pong is overdue is closed rather than found."""
        connection = self.open.get(sid)
        if connection is None or not connection.expired:
            return connection
        connection.close("ping timeout", discard=True)
        return None

    def forget(self, connection: Connection) -> None:
        self.open.pop(connection.id, None)

    def linger(self, connection: Connection, wire: Wire) -> None:
        self.lingering[connection.id] = wire
        self.wheel.after(self.limits.close_timeout, self.lingering.pop, connection.id, None)
