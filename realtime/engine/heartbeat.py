"""Engine.IO's heartbeat: the server pings, and a client whose pong does not come is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..protocol.frames import PING_FRAMES, Frames
from .wheel import Handle
from .wire import Wire

if TYPE_CHECKING:
    from .sessions import Sessions


class Heartbeat:
    """The part of a connection that beats; the rest is in connection.py.

    A base class and no object of its own: the two would hold each other, for each idle client.
    """

    __slots__ = ("_awaiting_pong", "_beat", "_deadline", "ping_delivered")

    sessions: Sessions
    wire: Wire
    paused: bool
    _awaiting_pong: bool
    _beat: Handle
    _deadline: float
    # True from the moment when a ping is on its way to the client until its pong.
    ping_delivered: bool

    def send(self, frames: Frames, volatile: bool = False) -> bool:
        raise NotImplementedError

    def close(self, reason: str = "forced close", discard: bool = False) -> None:
        raise NotImplementedError

    @property
    def expired(self) -> bool:
        """Whether a pong is overdue. The wheel is coarse: requests ask, so that none comes late."""
        return not self.paused and self.sessions.wheel.time() >= self._deadline

    def _schedule_ping(self) -> None:
        limits = self.sessions.limits
        self._awaiting_pong = self.ping_delivered = False
        wheel = self.sessions.wheel
        self._beat = wheel.after(limits.ping_interval, self._ping)
        self._deadline = wheel.time() + limits.ping_interval + limits.ping_timeout

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

    @property
    def awaits_pong(self) -> bool:
        """Whether a ping was sent whose pong has not come."""
        return self._awaiting_pong

    def ping_now(self) -> None:
        """Ask the client of an open connection for a sign of life before it is time to."""
        if not self._awaiting_pong:
            self._beat.cancel()
            self._ping()

    def _pong(self) -> None:
        # A pong without a ping that reached the client proves nothing: it may not keep alive a
        # client that posts but never polls, whose outbox would grow.
        if self.ping_delivered:
            self._beat.cancel()
            self._schedule_ping()

    def _read_again(self) -> None:
        if self._awaiting_pong:
            self._beat.cancel()
            self._extend()

    def _extend(self) -> None:
        """Pongs that lie unread behind a pause get the whole timeout once more."""
        wheel, timeout = self.sessions.wheel, self.sessions.limits.ping_timeout
        self._deadline = wheel.time() + timeout
        self._beat = wheel.after(timeout, self._expire)

    def _expire(self) -> None:
        if self.paused:
            # Nothing is read, so no pong either: only a write can find that the client is gone.
            self.send(PING_FRAMES)
            self._extend()
        else:
            self.close("ping timeout", discard=True)
