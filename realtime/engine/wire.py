"""What carries a connection: the contract of polling and of websockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ..metrics import counters as metrics
from ..protocol.frames import Frames

if TYPE_CHECKING:
    from .connection import Connection


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

    @property
    def sends_together(self) -> bool:
        """Whether the client gets either all that is sent in this turn of the loop or nothing."""
        return False

    def send(self, frames: Frames, volatile: bool = False) -> bool:
        """Hand over or queue the frames; False if they were dropped."""
        raise NotImplementedError

    def send_message(self, message: str | bytes) -> bool:
        """Hand over or queue one message that goes to nobody else; False if it was dropped."""
        return self.send(Frames((message,)))

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

    def dropped_superseded(self, packets: int, size: int) -> None:
        """A newer value of the same key is about to be queued, behind all else: offsets rise."""
        self.queued_messages -= packets
        self.queued_bytes -= size
        metrics.count("dropped.superseded")

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
